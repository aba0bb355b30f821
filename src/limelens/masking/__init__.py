"""Coalitions to masked batches, near memory-copy speed."""

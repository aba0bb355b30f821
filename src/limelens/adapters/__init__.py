"""Models of other libraries and services as models."""

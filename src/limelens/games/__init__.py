"""What an importance means on a function of coalitions."""

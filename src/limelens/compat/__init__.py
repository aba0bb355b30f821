"""The interfaces of older packages, kept for the code that was written for them."""

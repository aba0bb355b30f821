"""Why an image classifier answers as it does."""

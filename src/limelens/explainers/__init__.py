"""The methods, one idea a file."""

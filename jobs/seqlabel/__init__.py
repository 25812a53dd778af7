"""Labels for each character of a text."""

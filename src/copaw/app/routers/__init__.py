"""One resource a file, no logic in them."""

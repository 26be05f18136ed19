"""Protected values at the top of items."""

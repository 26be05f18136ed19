"""Protected values in maps and lists of items."""

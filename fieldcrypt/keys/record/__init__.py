"""Data keys and what is kept of them."""

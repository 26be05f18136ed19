"""The rows of a migration: reading, writing and checking them."""

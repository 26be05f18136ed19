"""A protected column, and what an application may do with it."""

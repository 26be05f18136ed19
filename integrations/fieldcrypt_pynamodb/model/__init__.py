"""Decorated models: reading, writing and updating their items."""

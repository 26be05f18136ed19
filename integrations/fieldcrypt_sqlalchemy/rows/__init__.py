"""Decorated models: values that are bound to the key and the tenant of their row."""

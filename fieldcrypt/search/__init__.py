"""Searching encrypted fields: blind indexes, and how long their tags should be."""

"""Conditions and queries by tag."""

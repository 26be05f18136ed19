"""Searching encrypted fields: blind indexes, and what a plan for their tags costs."""

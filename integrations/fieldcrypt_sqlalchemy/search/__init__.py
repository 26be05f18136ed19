"""Searching: conditions on searchable columns, rewritten to their companions."""

"""Asking: conditions on searchable columns, rewritten to their companions."""

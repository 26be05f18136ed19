"""Declarations of what is protected: a field, a record with its fields, and the indexes of a field."""

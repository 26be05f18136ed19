"""Declaring what is protected: one field, a record with its fields, and how a field is searched."""

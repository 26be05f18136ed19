"""Compares a table in the database with its model, and says what to do about the differences."""

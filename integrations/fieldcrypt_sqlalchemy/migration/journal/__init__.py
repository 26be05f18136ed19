"""The journal of a migration, in the same database."""

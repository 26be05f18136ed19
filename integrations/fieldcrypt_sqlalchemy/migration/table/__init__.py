"""The migrated table: its schema, its keys, its database."""

"""The entities of a table: kinds of items with attributes, tenants and indexes of their own."""

"""The tags of a table: in which attributes they are, and whose they are."""

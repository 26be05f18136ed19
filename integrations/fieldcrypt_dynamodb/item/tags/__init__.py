"""The tags of a table: which attributes hold them, and whose they are."""

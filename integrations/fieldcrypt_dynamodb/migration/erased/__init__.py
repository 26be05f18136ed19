"""The tags of a table that are erased with an index."""

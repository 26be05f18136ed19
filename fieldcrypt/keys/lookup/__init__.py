"""Data keys by their id: records from the store or the value, late, refused and shredded ones."""

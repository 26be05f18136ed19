"""A model of two regions whose processes choose, make, rotate, retire and shred data keys, under attack."""

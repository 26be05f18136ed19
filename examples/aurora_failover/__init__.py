"""A clinic on an Aurora global database, which goes on when a region is lost. See README.md."""

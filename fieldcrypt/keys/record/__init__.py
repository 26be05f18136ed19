"""Data keys, and their records, tombstones and claims in a key store."""

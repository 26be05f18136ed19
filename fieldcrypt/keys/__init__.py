"""Data keys: their records, the stores that keep them, the providers that wrap them, and the live keys of a process."""

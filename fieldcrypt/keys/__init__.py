"""Data keys: records of them, where they are kept, what wraps them, and the live ones of a process."""

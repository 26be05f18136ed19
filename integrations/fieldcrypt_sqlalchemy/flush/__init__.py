"""The ORM's writes: sealing what a session flushes, and rows that moved."""

"""What the rest stands on: threads, caches, forks and snapshots."""

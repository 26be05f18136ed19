"""What everything else is built on: threads, caches, forks and snapshots."""

"""Live keys, the data keys that a process has unwrapped: making, caching and checking them. Internal."""

"""Data keys while a process has them unwrapped. Internal; import from `fieldcrypt`."""

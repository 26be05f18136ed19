"""Data keys for blind indexes. Internal; import from `fieldcrypt`."""

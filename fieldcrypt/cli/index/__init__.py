"""`fieldcrypt index`."""

"""`fieldcrypt keys`: listing and changing data keys."""

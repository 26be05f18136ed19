"""Index keys, the data keys of blind indexes: their choice, rotation and use. Internal."""

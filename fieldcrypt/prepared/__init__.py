"""What the hot path needs of keys, prepared once per data key and salt."""

"""What the hot path needs from keys, prepared once per data key and salt."""

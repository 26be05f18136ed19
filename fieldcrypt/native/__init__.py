"""Fields whose hot path is native: what `field` and `prepared` do, around the extension module."""

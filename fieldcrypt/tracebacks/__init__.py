"""What error trackers see of fieldcrypt: tracebacks without local variables."""

"""What keeps statements from leaking plaintext, or leaving rows that cannot be read."""

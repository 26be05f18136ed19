"""What keeps statements from leaking plaintext, or leaving rows that nobody can read."""

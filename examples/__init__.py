"""Applications that show how fieldcrypt is used. See README.md here."""

"""Data that the first version of fieldcrypt wrote, and what it says. See README.md."""

"""`python -m fieldcrypt`."""

from fieldcrypt.cli import app

app()

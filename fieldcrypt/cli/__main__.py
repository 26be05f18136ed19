"""`python -m fieldcrypt.cli`."""

from fieldcrypt.cli import app

app()

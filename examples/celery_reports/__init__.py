"""Celery workers that write reports about patients. See README.md here."""

"""Private notes on SQLModel and FastAPI. See README.md here."""

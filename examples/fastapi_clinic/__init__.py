"""A clinic's service on FastAPI, async SQLAlchemy, PostgreSQL and Alembic. See README.md here."""

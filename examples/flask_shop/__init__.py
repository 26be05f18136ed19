"""A marketplace on Flask and Flask-SQLAlchemy, served by gunicorn. See README.md here."""

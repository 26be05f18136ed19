"""All that fieldcrypt reads of SQLAlchemy without a promise that it stays: it goes through `gate.read`."""

"""Where fieldcrypt touches SQLAlchemy's engines: the hooks, and what is read of its insides."""

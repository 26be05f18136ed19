"""What a table is in the database, compared with what the model declares, in words of what to do about it."""

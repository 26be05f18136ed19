"""Random people, random questions, and the same people without protection, of whom the database knows the answer."""

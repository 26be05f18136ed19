"""Records: dictionaries with protected fields."""

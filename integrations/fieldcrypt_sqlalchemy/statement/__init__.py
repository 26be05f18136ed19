"""Reading statements: where protected columns stand in them."""

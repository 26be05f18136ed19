"""Items: their values, their seals, and what is protected in them."""

"""The kinds of indexes: what their terms are (SPEC section 14)."""

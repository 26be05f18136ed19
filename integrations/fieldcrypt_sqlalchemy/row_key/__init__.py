"""The key and tenant of a row, in one spelling for all databases."""

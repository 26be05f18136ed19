"""Values on their way into a column and back."""

"""Values on their way into a column and back: conversions and what is stored."""

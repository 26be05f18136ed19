"""Whole columns at once: of pyarrow, pandas and polars, one module each. See docs/columns.md."""

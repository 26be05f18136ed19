"""Whole columns of pyarrow, pandas and polars, one module each. See docs/guides/columns.md."""

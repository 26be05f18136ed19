"""The row rule: what a statement may write to rows of decorated models."""

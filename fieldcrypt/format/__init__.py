"""SPEC.md in code."""

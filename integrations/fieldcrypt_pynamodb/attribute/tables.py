"""The tables that models are of."""

from __future__ import annotations

from typing import Any

__all__ = ["table_of", "tables_of"]


def table_of(model: type[Any]) -> str | None:
    """Return the name of a model's table; an abstract model has none."""
    name: str | None = getattr(getattr(model, "Meta", None), "table_name", None)
    return name


def tables_of(owner: type[Any]) -> set[str]:
    """Return the tables of a model and of those that inherit from it."""
    own = table_of(owner)
    below = {table for model in owner.__subclasses__() for table in tables_of(model)}
    return below | ({own} if own else set())

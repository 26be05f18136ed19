"""Defaults that are computed in Python, as SQLAlchemy would call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Column
from sqlalchemy.orm import Mapper

__all__ = ["Parameters", "by_column", "python_default"]


class Parameters:
    """What SQLAlchemy hands to a Python-side default: the other values of its row."""

    def __init__(self, values: Callable[[], Mapping[str, Any]]) -> None:
        self._values = values

    @property
    def current_parameters(self) -> Mapping[str, Any]:
        return self._values()

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> Mapping[str, Any]:
        return self._values()


def python_default(column: Column[Any], values: Callable[[], Mapping[str, Any]]) -> Any:
    """Return what SQLAlchemy would put into a column of a new row, or None if the database does.

    Args:
        column: the column.
        values: returns the row's other values by the keys of their columns.
    """
    default: Any = column.default
    if default is None or default.is_clause_element or default.is_sequence:
        return None
    return default.arg(Parameters(values)) if default.is_callable else default.arg


def by_column(mapper: Mapper[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a mapped class's attributes by the keys of their columns."""
    return {column.key: values[name] for name, column in mapper.columns.items() if name in values}

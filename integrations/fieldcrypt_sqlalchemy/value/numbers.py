"""Numbers of other types that a column takes, because nothing is lost."""

from __future__ import annotations

import decimal
import operator
from typing import Any

__all__ = ["boolean", "exact", "floating", "integer", "shortest"]


def integer(value: Any) -> Any:
    """Take what can be used as an index, such as numpy's integers."""
    if value.__class__ is int or isinstance(value, bool) or not hasattr(value, "__index__"):
        return value
    if getattr(getattr(value, "dtype", None), "kind", None) == "b":  # numpy's truth values, which are an index before 2
        return value
    try:
        plain = int.__int__(operator.index(value))
    except TypeError:  # an array
        return value
    return plain if plain == value else value


def boolean(value: Any) -> Any:
    """Take 0 and 1, as databases without truth values have them."""
    return value == 1 if type(value) is int and value in (0, 1) else value


def floating(value: Any) -> Any:
    """Take numbers that a float holds exactly, or in the same digits."""
    if value.__class__ is float:
        return value
    value = integer(value)
    if type(value) not in (int, decimal.Decimal):
        return float.__float__(value) if isinstance(value, float) else value
    as_float = float(value)
    same = as_float == value or (type(value) is decimal.Decimal and decimal.Decimal(repr(as_float)) == value)
    return as_float if same else value


def exact(value: Any) -> Any:
    """Take an integer for a Decimal."""
    value = integer(value)
    return decimal.Decimal(value) if type(value) is int else value


def shortest(value: Any) -> Any:
    """Take a float as its shortest Decimal, which is exact, for Float columns that read Decimals."""
    return decimal.Decimal(float.__repr__(value)) if isinstance(value, float) else exact(value)

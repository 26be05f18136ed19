"""Reads a table in the order of its key, page by page.

The order is the database's own, which compares texts by the collation of their column: keys are never compared here. If
a database sorts keys in another way than it compares them with a parameter, no page would find the next row.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from sqlalchemy import Column, and_, bindparam, or_, tuple_, types
from sqlalchemy.dialects.mysql import ENUM, SET
from sqlalchemy.dialects.postgresql import CITEXT, DOMAIN, INTERVAL
from sqlalchemy.engine import Dialect

from fieldcrypt_sqlalchemy.internals.column import BINARY_TYPE

__all__ = ["Key", "beyond", "is_read_as_stored", "typed", "unfit_key", "up_to"]

Key = tuple[Any, ...]

# Which find their place in the index by a comparison of rows, and not by one that is spelt out; MySQL is the other way.
_COMPARE_ROWS = frozenset({"postgresql", "sqlite"})

_OTHER_KEY = "give the table another primary key, or change the type of the column"
_FAMILIES: tuple[tuple[type[Any], str], ...] = (
    (CITEXT, "text without case"),
    (types.Enum, "an enumeration"),
    (types.Boolean, "a boolean"),
    (types.Uuid, "a UUID"),
    (BINARY_TYPE, "binary"),
    (types.String, "text"),
    (types.Float, "a floating-point number"),
    (types.Numeric, "a number"),
    (types.Integer, "a number"),
    (types.DateTime, "a time"),
    (types.Date, "a date"),
    (types.Time, "a time of day"),
    (types.Interval, "an interval"),
    (INTERVAL, "an interval"),
)


def beyond(columns: Sequence[Any], key: Key, dialect: Dialect) -> Any:
    """Return the condition that a row comes after another in the order of its key."""
    if len(columns) > 1 and dialect.name in _COMPARE_ROWS:
        return tuple_(*columns) > tuple_(*typed(columns, key))
    return _spelt_out(columns, key)


def up_to(columns: Sequence[Any], key: Key, dialect: Dialect) -> Any:
    """Return the condition that a row does not come after another; it may be that one."""
    if len(columns) == 1:
        (value,) = typed(columns, key)
        return columns[0] <= value
    if dialect.name in _COMPARE_ROWS:
        return tuple_(*columns) <= tuple_(*typed(columns, key))
    first, value = columns[0], typed(columns[:1], key[:1])[0]
    return or_(first < value, and_(first == value, up_to(columns[1:], key[1:], dialect)))


def typed(columns: Sequence[Any], key: Key) -> list[Any]:
    """Return a key's values as parameters: SQLAlchemy compares no column with True, which a part of a key may be."""
    return [bindparam(None, value, type_=column.type) for column, value in zip(columns, key, strict=True)]


def _spelt_out(columns: Sequence[Any], key: Key) -> Any:
    first, value = columns[0], typed(columns[:1], key[:1])[0]
    if len(columns) == 1:
        return first > value
    return or_(first > value, and_(first == value, _spelt_out(columns[1:], key[1:])))


def unfit_key(column: Column[Any], stored: Any, dialect: Dialect) -> str | None:
    """Return why a table cannot be gone through by a column of its key, which is stored as a type; None if it can."""
    if isinstance(stored, (ENUM, SET)):
        return (
            f"is {type(stored).__name__}, which the database sorts by its index and compares as text, so that pages "
            f"would pass over rows: {_OTHER_KEY}, to VARCHAR"
        )
    type_ = _declared(column, dialect)
    declared, found = _family(type_), _family(stored)
    if "a floating-point number" in (declared, found):
        return (
            "is a floating-point number, which is not always found again by the value that the database gives for it: "
            f"{_OTHER_KEY}, to NUMERIC"
        )
    if dialect.name == "postgresql":
        is_unfit = (
            declared != found
            or getattr(stored, "timezone", None) != getattr(type_, "timezone", None)
            or _decimals(stored) > _decimals(type_)
        )
    elif dialect.name in ("mysql", "mariadb"):
        is_unfit = {declared, found} == {"text", "a number"}
    else:  # SQLite compares and sorts by what is stored, whatever was declared
        is_unfit = False
    if not is_unfit:
        return None
    return (
        f"is {stored!s} in the database and {column.type!s} in the model, so that the database would sort it otherwise "
        "than it compares it, and pages would pass over rows: declare it as it is"
    )


def is_read_as_stored(column: Column[Any], dialect: Dialect) -> bool:
    """Return True if no code in Python makes the key that is read of what is stored, so that no two are alike."""
    type_: Any = _declared(column, dialect)
    if isinstance(column.type, types.TypeDecorator) or isinstance(type_, (types.Numeric, types.Float)):
        return False
    return type_.bind_processor(dialect) is None and type_.result_processor(dialect, None) is None


def _declared(column: Column[Any], dialect: Dialect) -> Any:
    type_: Any = column.type
    while isinstance(type_, types.TypeDecorator) and not isinstance(type_, types.Interval):
        type_ = type_.load_dialect_impl(dialect)
    return type_.dialect_impl(dialect)


def _decimals(type_: Any) -> float:
    """Return how many digits behind the point a number may have."""
    if isinstance(type_, DOMAIN):
        return _decimals(type_.data_type)
    scale: int | None = getattr(type_, "scale", 0)
    return inf if scale is None else scale


def _family(type_: Any) -> str:
    """Return the word for types that are compared and sorted with each other in one way."""
    if isinstance(type_, DOMAIN):
        return _family(type_.data_type)
    if isinstance(type_, types.Enum) and not type_.native_enum:
        return "text"
    if isinstance(type_, types.Uuid) and not type_.native_uuid:
        return "text"
    return next((word for kind, word in _FAMILIES if isinstance(type_, kind)), f"of the type {type_.__visit_name__}")

"""Keys that a database sorts otherwise than it compares them with a parameter: no page would find the next row."""

from __future__ import annotations

from math import inf
from typing import Any

from sqlalchemy import Column, types
from sqlalchemy.dialects.mysql import ENUM, SET
from sqlalchemy.dialects.postgresql import CITEXT, DOMAIN
from sqlalchemy.engine import Dialect

from fieldcrypt_sqlalchemy.engine.internals import BINARY_TYPE

__all__ = ["is_read_as_stored", "unfit_key"]

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
)


def unfit_key(column: Column[Any], stored: Any, dialect: Dialect) -> str | None:
    """Return why a table cannot be gone through by a column of its key, in words; None if it can.

    Args:
        column: as the model declares it.
        stored: its type in the database.
        dialect: the database's.
    """
    if isinstance(stored, (ENUM, SET)):
        return (
            f"is {type(stored).__name__}, which the database sorts by its index and compares as text, so that pages "
            f"would pass over rows: {_OTHER_KEY}, to VARCHAR"
        )
    declared, found = _family(_declared(column, dialect)), _family(stored)
    if "a floating-point number" in (declared, found):
        return (
            "is a floating-point number, which is not always found again by the value that the database gives for it: "
            f"{_OTHER_KEY}, to NUMERIC"
        )
    if dialect.name == "postgresql":
        is_unfit = (
            declared != found
            or getattr(stored, "timezone", None) != _timezone(column, dialect)
            or _decimals(stored) > _decimals(_declared(column, dialect))
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
    while isinstance(type_, types.TypeDecorator):
        type_ = type_.load_dialect_impl(dialect)
    return type_.dialect_impl(dialect)


def _timezone(column: Column[Any], dialect: Dialect) -> Any:
    return getattr(_declared(column, dialect), "timezone", None)


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
    return next((word for kind, word in _FAMILIES if isinstance(type_, kind)), f"of the type {type_!s}")

"""Keys that a database sorts otherwise than it compares them with a parameter: no page would find the next row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, types
from sqlalchemy.dialects.mysql import ENUM, SET
from sqlalchemy.dialects.postgresql import CITEXT, DOMAIN, INTERVAL
from sqlalchemy.engine import Dialect

from fieldcrypt_sqlalchemy.engine.internals import BINARY_TYPE

__all__ = ["unfit_key"]

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
        is_unfit = declared != found or getattr(stored, "timezone", None) != _timezone(column, dialect)
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


def _declared(column: Column[Any], dialect: Dialect) -> Any:
    type_: Any = column.type
    while isinstance(type_, types.TypeDecorator) and not isinstance(type_, types.Interval):
        type_ = type_.load_dialect_impl(dialect)
    return type_.dialect_impl(dialect)


def _timezone(column: Column[Any], dialect: Dialect) -> Any:
    return getattr(_declared(column, dialect), "timezone", None)


def _family(type_: Any) -> str:
    """Return the word for types that are compared and sorted with each other in one way."""
    if isinstance(type_, DOMAIN):
        return _family(type_.data_type)
    if isinstance(type_, types.Enum) and not type_.native_enum:
        return "text"
    if isinstance(type_, types.Uuid) and not type_.native_uuid:
        return "text"
    return next((word for kind, word in _FAMILIES if isinstance(type_, kind)), f"of the type {type_.__visit_name__}")

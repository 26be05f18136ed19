"""Converts the values of a SQLAlchemy type to those of a Field, and back."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import types
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import TypeEngine

from fieldcrypt import ConfigurationError, DecryptionError
from fieldcrypt_sqlalchemy.internals.column import enum_members, enum_texts, has_expressions
from fieldcrypt_sqlalchemy.value import numbers

__all__ = ["Conversion", "conversion"]

Convert = Callable[[Any], Any]

# What a user's TypeDecorator is told: the plaintext is the same whichever database the ciphertext goes to, and the same
# to a Field alone, to tags and to migrations. A database's own dialect would have it bind what has no encoding, such as
# the ranges of psycopg.
_DIALECT = DefaultDialect()


class Conversion(NamedTuple):
    """How values of a SQLAlchemy type travel.

    Attributes:
        type: the type of the Field.
        to_field: applied before encryption, or None if values are encrypted as they are.
        from_field: applied after decryption, or None.
        as_is: `to_field` returns values of exactly this class, the usual one, as they are, so that it need not be
            called; None if there is no such class.
    """

    type: Any
    to_field: Convert | None = None
    from_field: Convert | None = None
    as_is: Any = None


def conversion(inner: TypeEngine[Any]) -> Conversion:
    """Return the conversion of a SQLAlchemy type.

    Values are taken as a database would take them where nothing is lost by it. So an int passes for a Numeric or Float
    column, an integer of numpy's for any of these, a bytearray for a LargeBinary one, and a member of a StrEnum for a
    String one. They come back as what the column is declared to hold. What would be rounded or guessed is a TypeError.

    Raises:
        ConfigurationError: values of the type have no exact encoding, or the database would have to compute them.
    """
    if isinstance(inner, types.PickleType):
        raise ConfigurationError("PickleType cannot be encrypted: unpickling runs code; use JSON")
    if not isinstance(inner, types.JSON):  # one of SQLite's has functions that only change its form
        _refuse_expressions(inner)
    if isinstance(inner, types.TypeDecorator) and not isinstance(inner, types.Interval):
        return _decorated(inner)
    for kind, find in _CONVERSIONS:
        if isinstance(inner, kind):
            return find(inner)
    try:
        python_type = inner.python_type
    except NotImplementedError:
        python_type = None
    if python_type in _PLAIN:
        return _unchanged(python_type)
    raise ConfigurationError(f"{inner!r} cannot be encrypted: use one of SQLAlchemy's generic types, or LargeBinary")


def _refuse_expressions(inner: TypeEngine[Any]) -> None:
    if has_expressions(inner):
        raise ConfigurationError(
            f"{inner!r} cannot be encrypted: the database would apply its bind_expression or column_expression, to "
            "ciphertext. Convert values in Python, with process_bind_param and process_result_value"
        )


def _decorated(inner: types.TypeDecorator[Any]) -> Conversion:
    """Apply a user's TypeDecorator, then the conversion of what it decorates."""
    of_impl = conversion(inner.load_dialect_impl(_DIALECT))
    binds = type(inner).process_bind_param is not types.TypeDecorator.process_bind_param
    reads = type(inner).process_result_value is not types.TypeDecorator.process_result_value

    def to_field(value: Any) -> Any:
        value = inner.process_bind_param(value, _DIALECT)
        return value if value is None or of_impl.to_field is None else of_impl.to_field(value)

    def from_field(value: Any) -> Any:
        value = value if of_impl.from_field is None else of_impl.from_field(value)
        return inner.process_result_value(value, _DIALECT)

    return Conversion(
        of_impl.type,
        to_field if binds else of_impl.to_field,
        from_field if reads else of_impl.from_field,
        None if binds else of_impl.as_is,
    )


def _unchanged(kind: type[Any]) -> Conversion:
    return Conversion(kind, as_is=kind)


def _plain(kind: type[Any], copy: Callable[[Any, Any], Any], other: type[Any] | tuple[()] = ()) -> Conversion:
    """Return the conversion of a type whose subclasses are taken for what they are equal to.

    Members of a StrEnum, numpy's floats, pandas' timestamps, asyncpg's UUIDs: drivers send each as what it extends.

    Args:
        kind: the type of the Field.
        copy: makes a `kind` of a value of a subclass.
        other: a subclass that means something else, and is not taken.
    """

    def to_field(value: Any) -> Any:
        if value.__class__ is kind or not isinstance(value, kind) or isinstance(value, other):
            return value
        plain = copy(kind, value)
        return plain if plain == value else value

    return Conversion(kind, to_field, as_is=kind)


def _bytes(value: Any) -> Any:
    return bytes(value) if isinstance(value, (bytearray, memoryview, bytes)) else value


_ATOMS = frozenset({str, int, float, bool, type(None)})
_TOO_DEEP = 100  # more than a Field takes, which says so; a document that contains itself has no end


def _document(value: Any, depth: int = 0) -> Any:
    """Make of a JSON document what JSON would: plain lists and maps, all the way down."""
    if value.__class__ in _ATOMS or depth > _TOO_DEEP:
        return value
    if isinstance(value, dict):
        return {_document(key): _document(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_document(item, depth + 1) for item in value]
    if value is types.JSON.NULL:
        raise TypeError("an encrypted JSON column has no JSON.NULL: give it None, which the database holds as NULL")
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, float) else value


def _enum(inner: types.Enum) -> Conversion:
    """Members travel as their names, unless a values_callable gives them others."""
    if inner.enum_class is None or inner.values_callable is not None:
        return _enum_as_text(inner)
    kind, members = inner.enum_class, enum_members(inner)
    return Conversion(kind, lambda value: members.get(value, value) if type(value) is str else value, as_is=kind)


def _enum_as_text(inner: types.Enum) -> Conversion:
    texts, members = enum_texts(inner), enum_members(inner)

    def to_field(value: Any) -> Any:
        text = texts.get(value)
        if text is None:
            raise ValueError("the value is not one of the Enum's")
        return text

    def from_field(text: str) -> Any:
        member = members.get(text)
        if member is None:
            raise DecryptionError("the value is authentic, but not one of the Enum's")
        return member

    return Conversion(str, to_field, from_field)


def _array(inner: types.ARRAY[Any]) -> Conversion:
    """Convert the items, however deep their lists nest. NULL may stand among them."""
    item = inner.item_type
    kind, convert, revert, _ = _enum_as_text(item) if isinstance(item, types.Enum) else conversion(item)
    collect = tuple if inner.as_tuple else list

    def to_field(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [element if element is None else to_field(element) for element in value]
        value = value if convert is None else convert(value)
        if kind is not object and type(value) is not kind:
            raise TypeError(f"expected {kind.__name__} in the ARRAY, got {type(value).__name__}")
        return value

    def from_field(value: Any) -> Any:
        if isinstance(value, list):
            return collect(element if element is None else from_field(element) for element in value)
        return value if revert is None else revert(value)

    return Conversion(list, to_field, from_field)


def _always(conversion: Conversion) -> Callable[[Any], Conversion]:
    return lambda _: conversion


_TEXT = _plain(str, lambda kind, v: kind.__str__(v))
_INTEGER = Conversion(int, numbers.integer, as_is=int)
_FLOAT = Conversion(float, numbers.floating, as_is=float)
_EXACT = Conversion(decimal.Decimal, numbers.exact, as_is=decimal.Decimal)
_SHORTEST = Conversion(decimal.Decimal, numbers.shortest, as_is=decimal.Decimal)
_DATETIME = _plain(
    datetime.datetime,
    lambda kind, v: kind(v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.tzinfo, fold=v.fold),
)
_DATE = _plain(datetime.date, lambda kind, v: kind(v.year, v.month, v.day), datetime.datetime)
_UUID = _plain(uuid.UUID, lambda kind, v: kind(int=v.int))

# The first that fits counts: Enum is a String, and in SQLAlchemy 2.0 Float is a Numeric.
_CONVERSIONS: tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Conversion]], ...] = (
    (types.Enum, _enum),
    (types.String, _always(_TEXT)),
    (types.Integer, _always(_INTEGER)),
    (types.Float, lambda inner: _SHORTEST if inner.asdecimal else _FLOAT),
    (types.Numeric, lambda inner: _EXACT if inner.asdecimal else _FLOAT),
    (types.Boolean, _always(Conversion(bool, numbers.boolean, as_is=bool))),
    (types.DateTime, _always(_DATETIME)),
    (types.Date, _always(_DATE)),
    (types.Time, _always(_unchanged(datetime.time))),
    (types.Interval, _always(_unchanged(datetime.timedelta))),
    (types.Uuid, lambda inner: _UUID if inner.as_uuid else _TEXT),
    (types.LargeBinary, _always(Conversion(bytes, _bytes, as_is=bytes))),
    (types.JSON, _always(Conversion(object, _document))),
    (types.ARRAY, _array),
)

# Types of dialects that are none of the above say by their Python type what they hold.
_PLAIN = frozenset(
    {bytes, str, int, float, bool, decimal.Decimal, datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
     uuid.UUID}
)  # fmt: skip

"""From the values that a SQLAlchemy type takes to the values that a Field takes, and back."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import types
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from fieldcrypt import ConfigurationError

__all__ = ["Conversion", "conversion"]

Convert = Callable[[Any], Any]


class Conversion(NamedTuple):
    """How values of a SQLAlchemy type travel.

    Attributes:
        type: the type of the Field.
        to_field: applied before encryption, or None if values are encrypted as they are.
        from_field: applied after decryption, or None.
    """

    type: Any
    to_field: Convert | None = None
    from_field: Convert | None = None


def conversion(inner: TypeEngine[Any], dialect: Dialect) -> Conversion:
    """Return the conversion of a SQLAlchemy type.

    Values are taken as the database would take them where nothing is lost by it: an int for a Numeric or Float column,
    a bytearray for a LargeBinary one. What would be rounded or guessed is a TypeError.

    Raises:
        ConfigurationError: values of the type have no exact encoding.
    """
    if isinstance(inner, types.PickleType):
        raise ConfigurationError("PickleType cannot be encrypted: unpickling runs code; use JSON")
    if isinstance(inner, types.TypeDecorator) and not isinstance(inner, types.Interval):
        return _decorated(inner, dialect)
    for kind, find in _CONVERSIONS:
        if isinstance(inner, kind):
            return find(inner)
    try:
        python_type = inner.python_type
    except NotImplementedError:
        python_type = None
    if python_type in _PLAIN:
        return Conversion(python_type)
    raise ConfigurationError(f"{inner!r} cannot be encrypted: use one of SQLAlchemy's generic types, or LargeBinary")


def _decorated(inner: types.TypeDecorator[Any], dialect: Dialect) -> Conversion:
    """Apply a user's TypeDecorator, then the conversion of what it decorates."""
    of_impl = conversion(inner.impl_instance, dialect)
    binds = type(inner).process_bind_param is not types.TypeDecorator.process_bind_param
    reads = type(inner).process_result_value is not types.TypeDecorator.process_result_value

    def to_field(value: Any) -> Any:
        value = inner.process_bind_param(value, dialect)
        return value if value is None or of_impl.to_field is None else of_impl.to_field(value)

    def from_field(value: Any) -> Any:
        value = value if of_impl.from_field is None else of_impl.from_field(value)
        return inner.process_result_value(value, dialect)

    return Conversion(
        of_impl.type, to_field if binds else of_impl.to_field, from_field if reads else of_impl.from_field
    )


def _float(value: Any) -> Any:
    if type(value) is int and int(as_float := float(value)) == value:
        return as_float
    return value


def _decimal(value: Any) -> Any:
    return decimal.Decimal(value) if type(value) is int else value


def _bytes(value: Any) -> Any:
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value


def _numeric(inner: types.Numeric[Any] | types.Float[Any]) -> Conversion:
    return Conversion(decimal.Decimal, _decimal) if inner.asdecimal else Conversion(float, _float)


def _document(value: Any) -> Any:
    if isinstance(value, dict) and type(value) is not dict:  # SQLAlchemy's MutableDict and MutableList, for example
        return dict(value)
    return list(value) if isinstance(value, list) and type(value) is not list else value


def _enum(inner: types.Enum) -> Conversion:
    if inner.enum_class is not None:
        return Conversion(inner.enum_class)
    names = frozenset(inner.enums)

    def check(value: Any) -> Any:
        if value not in names:
            raise ValueError("the value is not one of the Enum's")
        return value

    return Conversion(str, check)


# The first that fits counts: Enum is a String, and in SQLAlchemy 2.0 Float is a Numeric.
_CONVERSIONS: tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Conversion]], ...] = (
    (types.Enum, _enum),
    (types.String, lambda _: Conversion(str)),
    (types.Integer, lambda _: Conversion(int)),
    (types.Numeric, _numeric),
    (types.Float, _numeric),
    (types.Boolean, lambda _: Conversion(bool)),
    (types.DateTime, lambda _: Conversion(datetime.datetime)),
    (types.Date, lambda _: Conversion(datetime.date)),
    (types.Time, lambda _: Conversion(datetime.time)),
    (types.Interval, lambda _: Conversion(datetime.timedelta)),
    (types.Uuid, lambda inner: Conversion(uuid.UUID if inner.as_uuid else str)),
    (types.LargeBinary, lambda _: Conversion(bytes, _bytes)),
    (types.JSON, lambda _: Conversion(object, _document)),
    (types.ARRAY, lambda _: Conversion(list, _document)),
)

# Types of dialects that are none of the above say by their Python type what they hold.
_PLAIN = frozenset(
    {bytes, str, int, float, bool, decimal.Decimal, datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
     uuid.UUID}
)  # fmt: skip

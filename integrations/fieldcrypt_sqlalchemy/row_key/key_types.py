"""The types of keys and tenants: those whose values every database gives back exactly, and what they are made into.

What is not listed is refused. The text that a value is bound to comes of what is returned here. So none of these rules
may ever return something else for a value that a released version bound, and that was read again.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BINARY,
    CHAR,
    NCHAR,
    VARBINARY,
    Date,
    Enum,
    Integer,
    LargeBinary,
    String,
    Uuid,
)
from sqlalchemy.dialects import mssql, mysql, oracle
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from fieldcrypt import ConfigurationError

__all__ = ["KeyRule", "listed_rule", "overrides_processing", "refused_type_error"]

_DIALECT = DefaultDialect()
_PROCESSING = ("bind_processor", "result_processor", "bind_expression", "column_expression")


@dataclass(frozen=True, slots=True)
class KeyRule:
    """What values of a type become before anything is bound to them.

    Attributes:
        text: equal for rules that do the same.
        kind: the type of all values; None if that shows only when they are used.
        apply: returns a value as the database will give it back.
    """

    text: str
    kind: type | None
    apply: Callable[[Any], Any]


def listed_rule(name: str, type_: TypeEngine[Any]) -> KeyRule:
    """Return the rule of a type that is not the application's own.

    Args:
        name: the attribute's, for messages.
        type_: its column's, or what that is kept as.

    Raises:
        ConfigurationError: the type is not listed.
    """
    if not overrides_processing(type_) and not isinstance(type_, _OTHER_TEXT):
        for types, make in _LISTED:
            if isinstance(type_, types):
                return make(name, type_)
    raise refused_type_error(name, type_)


def refused_type_error(name: str, type_: TypeEngine[Any]) -> ConfigurationError:
    """Return the error of a type whose values may come back otherwise."""
    return ConfigurationError(
        f"{name} is of the type {type(type_).__name__}, whose values have no exact text: a database may give back "
        "another one than it was given. Rows and tenants are identified by String, Integer, Uuid, LargeBinary, Date or "
        "Enum, or by a TypeDecorator that overrides both process_bind_param and process_result_value"
    )


def overrides_processing(type_: TypeEngine[Any]) -> bool:
    """Return True if a type converts values in a way that cannot be followed here."""
    if isinstance(type_, TypeDecorator):
        return any(getattr(type(type_), each) is not getattr(TypeDecorator, each) for each in _PROCESSING)
    return any(not getattr(type(type_), each).__module__.startswith("sqlalchemy.") for each in _PROCESSING)


# What is listed


def _text(name: str, type_: Any) -> KeyRule:
    length = type_.length

    def apply(value: Any) -> Any:
        if value.__class__ is not str:
            value = _plain_text(name, value)
        if length is not None and len(value) > length and value[-1] == " ":  # which the standard cuts off in silence
            raise ValueError(
                f"{name} ends with blanks beyond its {length} characters, which the database would cut off"
            )
        return value

    return KeyRule(f"text {length}", str, apply)


def _blank_padded(name: str, type_: Any) -> KeyRule:
    """Text that databases pad with blanks; some return the blanks as well."""
    return KeyRule("blank-padded", str, lambda value: _plain_text(name, value).rstrip(" "))


def _uuid(name: str, type_: Any) -> KeyRule:
    if type_.as_uuid:
        return KeyRule("UUID", uuid.UUID, _of_kind(name, uuid.UUID))

    def canonical(value: Any) -> str:
        try:
            return str(uuid.UUID(_plain_text(name, value)))
        except ValueError:
            raise ValueError(f"{name} is a UUID, and was given a text that is none") from None

    return KeyRule("UUID as text", str, canonical)


def _fixed_bytes(name: str, type_: Any) -> KeyRule:
    """Bytes that MySQL pads with zeros, and finds by the padded form alone."""
    length, check = type_.length, _of_kind(name, bytes)
    if length is None:
        raise ConfigurationError(f"{name} is BINARY without a length, which databases choose differently: BINARY(16)")

    def apply(value: Any) -> Any:
        if len(check(value)) != length:
            raise ValueError(f"{name} has {length} bytes, no more and no fewer: the database would fill it up")
        return value

    return KeyRule(f"bytes {length}", bytes, apply)


def _enum(name: str, type_: Any) -> KeyRule:
    """Members of an Enum, or texts if it has no class: exactly as listed, because some databases fold case."""
    stored, read = type_.bind_processor(_DIALECT), type_.result_processor(_DIALECT, None)
    kind: type = type_.enum_class or str
    known = None if type_.enum_class else frozenset(type_.enums)

    def apply(value: Any) -> Any:
        if value.__class__ is kind and (known is None or value in known):
            return value
        try:
            return read(stored(value))
        except (LookupError, TypeError):
            raise ValueError(f"{name} takes a member of its Enum, or its text exactly as it is spelt there") from None

    return KeyRule(f"Enum {kind!r} {type_.enums!r}", kind, apply)


def _bytes(name: str, type_: Any) -> KeyRule:
    return KeyRule("bytes", bytes, _of_kind(name, bytes))


def _date(name: str, type_: Any) -> KeyRule:
    return KeyRule("date", datetime.date, _of_kind(name, datetime.date))


def _integer(name: str, type_: Any) -> KeyRule:
    plain = _of_kind(name, int)
    return KeyRule("int", int, lambda value: value if value.__class__ is int else int(plain(value)))


def _plain_text(name: str, value: Any) -> str:
    """Return a text without what a subclass adds, a StrEnum for one: the database knows nothing of it."""
    return value if value.__class__ is str else str.__str__(_checked(name, str, value))


def _of_kind(name: str, kind: type) -> Callable[[Any], Any]:
    return lambda value: value if value.__class__ is kind else _checked(name, kind, value)


def _checked(name: str, kind: type, value: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, (bool, datetime.datetime)):
        raise TypeError(f"{name} takes {kind.__name__}, not {type(value).__name__}: the database would change it")
    return value


_OTHER_TEXT: tuple[type, ...] = (mysql.SET, mssql.XML)  # which are called String, and are something else

_LISTED: Sequence[tuple[tuple[type, ...], Callable[[str, Any], KeyRule]]] = (  # the first that fits
    ((Enum,), _enum),
    ((CHAR, NCHAR), _blank_padded),
    ((String,), _text),
    ((Uuid,), _uuid),
    ((BINARY,), _fixed_bytes),
    ((LargeBinary, VARBINARY, mysql.TINYBLOB, mysql.MEDIUMBLOB, mysql.LONGBLOB, oracle.RAW), _bytes),
    ((Integer,), _integer),
    ((Date,), _date),
)

"""The two forms in which boto3 takes and gives values: DynamoDB's own (`{"S": "text"}`), and Python's.

A client has the first, a Table or resource the second. Everything above works on either by one of the objects here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from boto3.dynamodb.types import Binary

from fieldcrypt import ConfigurationError, DecryptionError

__all__ = ["PYTHON", "WIRE", "Conversion", "Form", "check_type"]

Convert = Callable[[Any], Any]

_WIRE_KINDS: dict[Any, str] = {str: "S", bytes: "B", bool: "BOOL", list: "L", dict: "M"}
_TEXTS: dict[Any, Callable[[str], Any]] = {
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
}
_NUMBERS = (int, Decimal, float)
_SETS = {"SS": str, "NS": Decimal, "BS": bytes}
_KINDS = frozenset({"S", "N", "B", "BOOL", "NULL", "L", "M", *_SETS})
_NO_VALUE = 'expected a value in DynamoDB\'s form, {"S": "text"} for example'


class Conversion(NamedTuple):
    """How values of one type travel in one form.

    Attributes:
        to_field: from what boto3 is given to what a Field takes; None if that is the same.
        from_field: back, likewise.
    """

    to_field: Convert | None
    from_field: Convert | None


class Form(Protocol):
    """One of the two forms."""

    def conversion(self, type: Any) -> Conversion:
        """Return how values of a Field's type travel. Both functions take and give no NULL."""
        ...

    def is_null(self, value: Any) -> bool:
        """Say whether a value is DynamoDB's NULL."""
        ...

    def binary(self, data: bytes) -> Any:
        """Return a binary value."""
        ...

    def bytes_of(self, value: Any) -> bytes | None:
        """Return the content of a binary value; of any other, None."""
        ...

    def key_part(self, value: Any) -> str | Decimal | bytes:
        """Return what a key attribute has, as `row_context` takes it.

        Raises:
            TypeError: no key has such a value.
        """
        ...

    def scalar(self, value: Any) -> Any:
        """Return a text or a number."""
        ...


def check_type(type: Any) -> None:
    """Raise what keeps a Field's type from having a form in DynamoDB.

    Raises:
        ConfigurationError: it has none.
    """
    known = type in _WIRE_KINDS or type in _TEXTS or type in _NUMBERS or type in (set, object)
    if not known and not isinstance(type, enum.EnumMeta):
        name = getattr(type, "__name__", repr(type))
        raise ConfigurationError(f"a {name} has no form in DynamoDB: use another type, str or Decimal for example")


class _Wire:
    def conversion(self, type: Any) -> Conversion:
        if isinstance(type, enum.EnumMeta):
            return Conversion(lambda value: _member(type, _content(value, "S")), lambda member: {"S": member.name})
        if type in _TEXTS:
            return Conversion(lambda value: _parsed(type, _content(value, "S")), lambda found: {"S": _text(found)})
        if type in _NUMBERS:
            return Conversion(lambda value: _number(_content(value, "N"), type), lambda found: {"N": str(found)})
        if type is str or type is bytes or type is bool:
            kind = _WIRE_KINDS[type]
            return Conversion(lambda value: _content(value, kind), lambda found: {kind: found})
        return Conversion(lambda value: _of_type(type, _to_python(value)), _to_wire)

    def is_null(self, value: Any) -> bool:
        return len(value) == 1 and value.get("NULL") is True if isinstance(value, Mapping) else value is None

    def binary(self, data: bytes) -> Any:
        return {"B": data}

    def bytes_of(self, value: Any) -> bytes | None:
        data = value.get("B") if isinstance(value, Mapping) else None
        return data if isinstance(data, bytes) else None

    def key_part(self, value: Any) -> str | Decimal | bytes:
        if value.__class__ is dict and "S" in value and len(value) == 1 and value["S"].__class__ is str:
            return value["S"]
        return _key_part(_to_python(value))

    def scalar(self, value: Any) -> Any:
        return {"S": value} if isinstance(value, str) else {"N": str(value)}


class _Python:
    def conversion(self, type: Any) -> Conversion:
        if isinstance(type, enum.EnumMeta):
            return Conversion(lambda value: value if isinstance(value, type) else _member(type, value), None)
        if type in _TEXTS:
            return Conversion(lambda value: _parsed(type, value) if value.__class__ is str else value, None)
        if type in _NUMBERS:
            return Conversion(lambda value: value if value.__class__ is type else _of_number(value, type), None)
        if type is bytes:
            return Conversion(_bytes, None)
        if type is str or type is bool:
            return Conversion(None, None)
        return Conversion(lambda value: _of_type(type, _plain(value)), None)

    def is_null(self, value: Any) -> bool:
        return value is None

    def binary(self, data: bytes) -> Any:
        return data

    def bytes_of(self, value: Any) -> bytes | None:
        found = _bytes(value)
        return found if isinstance(found, bytes) else None

    def key_part(self, value: Any) -> str | Decimal | bytes:
        return value if value.__class__ is str else _key_part(_bytes(value))

    def scalar(self, value: Any) -> Any:
        return value


WIRE: Form = _Wire()
PYTHON: Form = _Python()


def _bytes(value: Any) -> Any:
    """Return what boto3 gives and takes for bytes as bytes, and anything else as it is."""
    if value.__class__ is not Binary and not isinstance(value, bytearray):
        return value
    plain: Any = value
    return bytes(plain)


def _key_part(part: Any) -> str | Decimal | bytes:
    """Return what DynamoDB stores of a part of a key: of an Enum member that is a text, that text."""
    if isinstance(part, str):
        return str.__str__(part)
    if isinstance(part, int) and not isinstance(part, bool):
        return Decimal(part)
    if not isinstance(part, (Decimal, bytes)):
        raise TypeError("a key attribute is a text, a number or binary")
    return part


def _content(value: Any, kind: str) -> Any:
    if not isinstance(value, Mapping) or len(value) != 1 or kind not in value:
        raise TypeError(f"expected a DynamoDB value of type {kind}, got {_kinds(value)}")
    return _bytes(value[kind])


def _kinds(value: Any) -> str:
    """Return what kind of a value something is, without the names in what is no value of DynamoDB's."""
    if isinstance(value, Mapping) and value and all(kind in _KINDS for kind in value):
        return "/".join(value)
    return type(value).__name__


def _member(type: Any, name: Any) -> Any:
    if not isinstance(name, str) or name not in type.__members__:
        raise ValueError(f"no member of {type.__name__} has this name")
    return type[name]


def _parsed(type: Any, text: str) -> Any:
    try:
        return _TEXTS[type](text)
    except ValueError:  # whose message may show the text
        raise ValueError(f"expected the text of a {type.__name__}") from None


def _text(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else value.isoformat()


def _number(value: Any, type: Any) -> Any:
    """Return a number in another type, if it is exactly that."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError(f"expected a number, got {value.__class__.__name__}")
    exact = _exact(value)
    if type is int:
        if not exact.is_finite():
            raise ValueError("expected a whole number")
        number: Any = int(exact)
    elif type is float:
        number = float(exact)
    else:
        number = exact
    if number != exact and type is int:
        raise ValueError("expected a whole number")
    return number


def _exact(number: str | int | Decimal) -> Decimal:
    try:
        return Decimal(number)
    except InvalidOperation:
        raise ValueError("expected a number, and this text is none") from None


def _of_number(value: Any, type: Any) -> Any:
    if isinstance(value, str):
        raise TypeError("expected a number, got str")
    return _number(value, type)


def _of_type(type: Any, value: Any) -> Any:
    if type is not object and value.__class__ is not type:
        raise TypeError(f"expected {type.__name__}, got {value.__class__.__name__}")
    return value


def _plain(value: Any) -> Any:
    """Return a Python value without what boto3 wraps."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return {_plain(item) for item in value}
    return _bytes(value)


def _to_python(value: Any) -> Any:
    """Return what a value in DynamoDB's form says: whole numbers as int, others as Decimal."""
    if not isinstance(value, Mapping) or len(value) != 1:
        raise TypeError(_NO_VALUE)
    ((kind, content),) = value.items()
    if kind == "NULL":
        return None
    if kind == "N":
        return _whole_or_decimal(content)
    if kind == "M" and isinstance(content, Mapping):
        return {key: _to_python(item) for key, item in content.items()}
    if kind == "L":
        return [_to_python(item) for item in content]
    if kind in _SETS:
        return {_whole_or_decimal(item) if kind == "NS" else _bytes(item) for item in content}
    if kind in ("S", "B", "BOOL"):
        return _bytes(content)
    raise TypeError(_NO_VALUE)


def _whole_or_decimal(text: Any) -> int | Decimal:
    if not isinstance(text, str):
        raise TypeError(_NO_VALUE)
    digits = text.lstrip("-")
    return int(text) if digits.isascii() and digits.isdigit() else _exact(text)


def _to_wire(value: Any) -> dict[str, Any]:
    """Return DynamoDB's form of a value that was decrypted."""
    kind = value.__class__
    if kind is dict:
        return {"M": {key: _to_wire(item) for key, item in value.items()}}
    if kind is list:
        return {"L": [_to_wire(item) for item in value]}
    if kind is set:
        return _set_to_wire(value)
    if kind in _TEXTS:
        return {"S": _text(value)}
    if kind in _NUMBERS:
        return {"N": str(value)}
    if value is None:
        return {"NULL": True}
    if kind in _WIRE_KINDS:
        return {_WIRE_KINDS[kind]: value}
    raise DecryptionError(f"the value is authentic, but a {kind.__name__} has no form in DynamoDB")


def _set_to_wire(values: set[Any]) -> dict[str, Any]:
    kinds = {value.__class__ for value in values}
    if kinds <= {str}:
        return {"SS": list(values)}
    if kinds == {bytes}:
        return {"BS": list(values)}
    if kinds <= {int, Decimal, float}:
        return {"NS": [str(value) for value in values]}
    raise DecryptionError("the value is authentic, but a set of several types has no form in DynamoDB")

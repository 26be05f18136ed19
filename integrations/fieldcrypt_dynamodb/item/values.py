"""Values in DynamoDB's form (`{"S": "text"}`) and in Python's, and what makes one of the other."""

from __future__ import annotations

import builtins
import enum
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Any
from uuid import UUID

from boto3.dynamodb.types import Binary

from fieldcrypt import ConfigurationError, DecryptionError

__all__ = [
    "KINDS",
    "NUMBERS",
    "TEXTS",
    "WIRE_KINDS",
    "bytes_of",
    "check_type",
    "checked_key_part",
    "content",
    "exact_number",
    "member",
    "number_of",
    "of_type",
    "parsed",
    "plain",
    "plain_bytes",
    "text_of",
    "to_python",
    "to_wire",
]

WIRE_KINDS: dict[Any, str] = {str: "S", bytes: "B", bool: "BOOL", list: "L", dict: "M"}
TEXTS: dict[Any, Callable[[str], Any]] = {
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
}
NUMBERS = (int, Decimal, float)
_MAX_EXPONENT = 126  # beyond DynamoDB's own; as an integer, 1E+999999999999999999 would fill all memory
_SETS = ("SS", "NS", "BS")
_CONTENTS = {"S": str, "B": bytes, "BOOL": bool}
KINDS = frozenset({"S", "N", "B", "BOOL", "NULL", "L", "M", *_SETS})
_NO_VALUE = 'expected a value in DynamoDB\'s form, {"S": "text"} for example'


def check_type(attribute: str, type: Any) -> None:
    """Refuse a type of an attribute that has no form in DynamoDB.

    Raises:
        ConfigurationError: it has none.
    """
    known = type in WIRE_KINDS or type in TEXTS or type in NUMBERS or type in (set, object)
    if not known and not isinstance(type, enum.EnumMeta):
        name = type.__name__ if isinstance(type, builtins.type) else repr(type)
        raise ConfigurationError(
            f"{attribute}: {name} has no form in DynamoDB: use another type, str, Decimal or list for example"
        )


def plain_bytes(value: Any) -> Any:
    """Return what boto3 gives and takes for bytes as bytes, and anything else as it is."""
    if value.__class__ is not Binary and not isinstance(value, bytearray):
        return value
    plain: Any = value
    return bytes(plain)


def bytes_of(value: Any) -> bytes | None:
    """Return the content of a binary value in DynamoDB's form; of any other, None."""
    data = value.get("B") if value.__class__ is dict or isinstance(value, Mapping) else None
    return data if isinstance(data, bytes) else None


def checked_key_part(part: Any) -> str | Decimal | bytes:
    """Return what DynamoDB stores of a part of a key: of an Enum member that is a text, that text."""
    if isinstance(part, str):
        return str.__str__(part)
    if isinstance(part, int) and not isinstance(part, bool):
        return Decimal(part)
    if not isinstance(part, (Decimal, bytes)):
        raise TypeError(f"what names the key or the tenant is a text, a number or binary, not a {type(part).__name__}")
    return part


def content(value: Any, kind: str) -> Any:
    if value.__class__ is dict and len(value) == 1 and (found := value.get(kind)).__class__ is str:
        return found  # the usual value, without looking further
    if not isinstance(value, Mapping) or len(value) != 1 or kind not in value:
        raise TypeError(f"expected a DynamoDB value of type {kind}, got {_kinds(value)}")
    return plain_bytes(value[kind])


def _kinds(value: Any) -> str:
    """Return what kind of value something is, without the names in what is not a value of DynamoDB's."""
    if isinstance(value, Mapping) and value and all(kind in KINDS for kind in value):
        return "/".join(value)
    return type(value).__name__


def member(type: Any, name: Any) -> Any:
    if not isinstance(name, str) or name not in type.__members__:
        raise ValueError(f"no member of {type.__name__} has this name")
    return type[name]


def parsed(type: Any, text: Any) -> Any:
    if not isinstance(text, str):
        raise TypeError(f"expected the text of a {type.__name__}, got {text.__class__.__name__}")
    try:
        return TEXTS[type](text)
    except ValueError:
        pass  # raised below, where no chained exception shows the text
    raise ValueError(f"expected the text of a {type.__name__}")


def text_of(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else value.isoformat()


def exact_number(value: Any, type: Any) -> Any:
    """Return a number in another type, if it is exactly that."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError(f"expected a number, got {value.__class__.__name__}")
    exact = _exact(value)
    if type is int:
        exponent = exact.as_tuple().exponent
        if not isinstance(exponent, int) or exponent > _MAX_EXPONENT:
            raise ValueError("expected a whole number, and one that DynamoDB could have")
        number = int(exact)
        if number != exact:
            raise ValueError("expected a whole number")
        return number
    if type is float and exact.is_finite() and isinf(float(exact)):
        raise ValueError("expected a number that a float can hold")
    return float(exact) if type is float else exact


def _exact(number: str | int | Decimal) -> Decimal:
    try:
        return Decimal(number)
    except InvalidOperation:
        raise ValueError("expected a number, and this text is none") from None


def number_of(value: Any, type: Any) -> Any:
    if isinstance(value, str):
        raise TypeError("expected a number, got str")
    return exact_number(value, type)


def of_type(type: Any, value: Any) -> Any:
    if type is not object and value.__class__ is not type:
        raise TypeError(f"expected {type.__name__}, got {value.__class__.__name__}")
    return value


def plain(value: Any) -> Any:
    """Return a Python value without what boto3 wraps.

    Raises:
        TypeError: it has no form in DynamoDB, so that a client could not read it.
    """
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a map in DynamoDB has texts for keys")
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        members = {plain(item) for item in value}
        if _set_kind(members) is None:
            raise TypeError("a set in DynamoDB has texts, or numbers, or binary values, and nothing else")
        return members
    return plain_bytes(value)


def to_python(value: Any) -> Any:
    """Return what a value in DynamoDB's form says: whole numbers as int, others as Decimal."""
    if not isinstance(value, Mapping) or len(value) != 1:
        raise TypeError(_NO_VALUE)
    ((kind, content),) = value.items()
    if kind == "NULL":
        return None
    if kind == "N":
        return _whole_or_decimal(content)
    if kind == "M" and isinstance(content, Mapping):
        return {key: to_python(item) for key, item in content.items()}
    if kind == "L":
        return [to_python(item) for item in content]
    if kind in _SETS:
        return {_whole_or_decimal(item) if kind == "NS" else _checked(kind[0], item) for item in content}
    if kind in _CONTENTS:
        return _checked(kind, content)
    raise TypeError(_NO_VALUE)


def _checked(kind: str, content: Any) -> Any:
    """Return what a value has, if it is of the kind that it says: boto3 does not get to see it, to refuse it."""
    plain = plain_bytes(content)
    if not isinstance(plain, _CONTENTS[kind]):
        raise TypeError(f"expected a DynamoDB value of type {kind}, and it has {type(plain).__name__}")
    return plain


def _whole_or_decimal(text: Any) -> int | Decimal:
    if not isinstance(text, str):
        raise TypeError(_NO_VALUE)
    digits = text.lstrip("-")
    return int(text) if digits.isascii() and digits.isdigit() else _exact(text)


def to_wire(value: Any) -> dict[str, Any]:
    """Return DynamoDB's form of a value that was decrypted."""
    kind = value.__class__
    if kind is dict:
        return {"M": {key: to_wire(item) for key, item in value.items()}}
    if kind is list:
        return {"L": [to_wire(item) for item in value]}
    if kind is set:
        return _set_to_wire(value)
    if kind in TEXTS:
        return {"S": text_of(value)}
    if kind in NUMBERS:
        return {"N": str(value)}
    if value is None:
        return {"NULL": True}
    if kind in WIRE_KINDS:
        return {WIRE_KINDS[kind]: value}
    raise DecryptionError(f"the value is authentic, but a {kind.__name__} has no form in DynamoDB")


def _set_to_wire(values: set[Any]) -> dict[str, Any]:
    kind = _set_kind(values)
    if kind is None:
        raise DecryptionError("the value is authentic, but a set of several types has no form in DynamoDB")
    return {kind: [str(value) for value in values] if kind == "NS" else list(values)}


def _set_kind(values: set[Any]) -> str | None:
    """Return what DynamoDB calls a set of these values; None if it has none."""
    kinds = {value.__class__ for value in values}
    if kinds <= {str}:
        return "SS"
    if kinds == {bytes}:
        return "BS"
    return "NS" if kinds <= {int, Decimal, float} else None

"""The two forms in which boto3 takes and gives values: DynamoDB's own (`{"S": "text"}`), and Python's.

A client has the first, a Table or resource the second. What is sent and received has DynamoDB's own form in any case;
what the application gives and gets is converted by one of the objects here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from fieldcrypt_dynamodb.item.serializer import deserialize, deserialize_item, serialize, serialize_item
from fieldcrypt_dynamodb.item.values import (
    NUMBERS,
    TEXTS,
    WIRE_KINDS,
    checked_key_part,
    content,
    exact_number,
    member,
    number_of,
    of_type,
    parsed,
    plain,
    plain_bytes,
    text_of,
    to_python,
    to_wire,
)

__all__ = ["PYTHON", "WIRE", "Conversion", "Form"]

Convert = Callable[[Any], Any]
Item = Mapping[str, Any]


class Conversion(NamedTuple):
    """How values of one type travel in one form.

    Attributes:
        to_field: from what the application gives to what a Field takes; None if that is the same.
        from_field: back, likewise.
        as_is: values of exactly this class are the same for both, so that they need no `to_field`.
    """

    to_field: Convert | None
    from_field: Convert | None
    as_is: Any = None


class Form(Protocol):
    """One of the two forms."""

    def serialize(self, value: Any) -> Any:
        """Return a value in DynamoDB's own form.

        Raises:
            TypeError: DynamoDB has no such type.
            ArithmeticError: DynamoDB has no such number.
        """
        ...

    def deserialize(self, value: Any) -> Any:
        """Return a value in this form, converted from DynamoDB's own."""
        ...

    def serialize_item(self, item: Item, without: Container[str] = ()) -> dict[str, Any]:
        """Return an item, a key or other named values in DynamoDB's own form, without some of them.

        Raises:
            TypeError, ArithmeticError: as `serialize`.
        """
        ...

    def deserialize_item(self, item: Item, without: Container[str] = ()) -> dict[str, Any]:
        """Return named values in this form, without some of them."""
        ...

    def conversion(self, type: Any) -> Conversion:
        """Return how values of a Field's type travel. Neither function takes or returns NULL."""
        ...

    def is_null(self, value: Any) -> bool:
        """Return True if a value is DynamoDB's NULL."""
        ...

    def key_part(self, value: Any) -> str | Decimal | bytes:
        """Return what a key attribute has, as `row_context` takes it.

        Raises:
            TypeError: no key has such a value.
        """
        ...

    def text_of(self, value: Any) -> str | None:
        """Return the text that a value is; None if it is not text."""
        ...


class _Wire:
    def serialize(self, value: Any) -> Any:
        return value

    deserialize = serialize

    def serialize_item(self, item: Item, without: Container[str] = ()) -> dict[str, Any]:
        return {name: value for name, value in item.items() if name not in without}

    deserialize_item = serialize_item

    def conversion(self, type: Any) -> Conversion:
        if isinstance(type, enum.EnumMeta):
            return Conversion(lambda value: member(type, content(value, "S")), lambda member: {"S": member.name})
        if type in TEXTS:
            return Conversion(lambda value: parsed(type, content(value, "S")), lambda found: {"S": text_of(found)})
        if type in NUMBERS:
            return Conversion(lambda value: exact_number(content(value, "N"), type), lambda found: {"N": str(found)})
        if type is str or type is bytes or type is bool:
            kind = WIRE_KINDS[type]
            return Conversion(lambda value: content(value, kind), lambda found: {kind: found})
        return Conversion(lambda value: of_type(type, to_python(value)), to_wire)

    def is_null(self, value: Any) -> bool:
        if value.__class__ is dict or isinstance(value, Mapping):
            return "NULL" in value and len(value) == 1 and value["NULL"] is True
        return value is None

    def key_part(self, value: Any) -> str | Decimal | bytes:
        if value.__class__ is dict and "S" in value and len(value) == 1 and value["S"].__class__ is str:
            return value["S"]
        return checked_key_part(to_python(value))

    def text_of(self, value: Any) -> str | None:
        text = value.get("S") if value.__class__ is dict or isinstance(value, Mapping) else None
        if text is None or text.__class__ is str:
            return text
        return str.__str__(text) if isinstance(text, str) else None


class _Python:
    serialize = staticmethod(serialize)
    deserialize = staticmethod(deserialize)
    serialize_item = staticmethod(serialize_item)
    deserialize_item = staticmethod(deserialize_item)

    def conversion(self, type: Any) -> Conversion:
        if isinstance(type, enum.EnumMeta):
            return Conversion(lambda value: value if isinstance(value, type) else member(type, value), None, type)
        if type in TEXTS:
            return Conversion(lambda value: parsed(type, value) if value.__class__ is str else value, None, type)
        if type in NUMBERS:
            return Conversion(lambda value: value if value.__class__ is type else number_of(value, type), None, type)
        if type is bytes:
            return Conversion(plain_bytes, None, bytes)
        if type is str or type is bool:
            return Conversion(None, None)
        return Conversion(lambda value: of_type(type, plain(value)), None)

    def is_null(self, value: Any) -> bool:
        return value is None

    def key_part(self, value: Any) -> str | Decimal | bytes:
        return value if value.__class__ is str else checked_key_part(plain_bytes(value))

    def text_of(self, value: Any) -> str | None:
        if value is None or value.__class__ is str:
            return value
        return str.__str__(value) if isinstance(value, str) else None


WIRE: Form = _Wire()
PYTHON: Form = _Python()

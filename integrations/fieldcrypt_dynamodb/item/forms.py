"""The two forms in which boto3 takes and gives values: DynamoDB's own (`{"S": "text"}`), and Python's.

A client has the first, a Table or resource the second. Everything above works on either by one of the objects here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from boto3.dynamodb.types import Binary, TypeSerializer

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

_serialize = TypeSerializer().serialize


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
        """Return True if a value is DynamoDB's NULL."""
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

    def wire(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an item in DynamoDB's own form."""
        ...


class _Wire:
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

    def binary(self, data: bytes) -> Any:
        return {"B": data}

    def bytes_of(self, value: Any) -> bytes | None:
        data = value.get("B") if value.__class__ is dict or isinstance(value, Mapping) else None
        return data if isinstance(data, bytes) else None

    def key_part(self, value: Any) -> str | Decimal | bytes:
        if value.__class__ is dict and "S" in value and len(value) == 1 and value["S"].__class__ is str:
            return value["S"]
        return checked_key_part(to_python(value))

    def scalar(self, value: Any) -> Any:
        return {"S": value} if isinstance(value, str) else {"N": str(value)}

    def wire(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return item


class _Python:
    def conversion(self, type: Any) -> Conversion:
        if isinstance(type, enum.EnumMeta):
            return Conversion(lambda value: value if isinstance(value, type) else member(type, value), None)
        if type in TEXTS:
            return Conversion(lambda value: parsed(type, value) if value.__class__ is str else value, None)
        if type in NUMBERS:
            return Conversion(lambda value: value if value.__class__ is type else number_of(value, type), None)
        if type is bytes:
            return Conversion(plain_bytes, None)
        if type is str or type is bool:
            return Conversion(None, None)
        return Conversion(lambda value: of_type(type, plain(value)), None)

    def is_null(self, value: Any) -> bool:
        return value is None

    def binary(self, data: bytes) -> Any:
        return data

    def bytes_of(self, value: Any) -> bytes | None:
        data: Any = value
        if value.__class__ is Binary:
            data = data.value
        if data.__class__ is bytes:
            return data
        found = plain_bytes(data)
        return found if isinstance(found, bytes) else None

    def key_part(self, value: Any) -> str | Decimal | bytes:
        return value if value.__class__ is str else checked_key_part(plain_bytes(value))

    def scalar(self, value: Any) -> Any:
        return value

    def wire(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: _serialize(value) for name, value in item.items()}


WIRE: Form = _Wire()
PYTHON: Form = _Python()

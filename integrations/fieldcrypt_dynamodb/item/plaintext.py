"""Attributes as they are before they are protected: each type in DynamoDB's own form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from fieldcrypt.spi import PartOf
from fieldcrypt_dynamodb.item.forms import WIRE, Form
from fieldcrypt_dynamodb.item.values import bytes_of

__all__ = ["is_kept", "is_null", "key_of", "part_of", "stored", "to_value", "wire"]

Wire = Mapping[str, Any]


def is_null(value: Wire | None) -> bool:
    """Return True if an attribute is absent, or DynamoDB's NULL."""
    return value is None or WIRE.is_null(value)


def stored(value: Wire | None) -> Any:
    """Return an attribute as a `MixedField` takes it: binary and text as what they are, all else in DynamoDB's form."""
    if value is None or WIRE.is_null(value):
        return None
    if len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "S" and isinstance(content, str):
            return content
        data = bytes_of(value)
        if data is not None:
            return data
    return value


def wire(data: Any) -> Any:
    """Return what `stored` was given."""
    return {"B": data} if isinstance(data, bytes) else {"S": data} if isinstance(data, str) else data


def is_kept(value: Wire, again: Wire) -> bool:
    """Return True if an attribute that was read, and is written again, has the numbers and the bytes that it had.

    Text may be written in another way, and a map have other members: that is the type's affair.
    """
    ((kind, one),) = value.items()
    other = again.get(kind)
    if other is None:
        return True
    if kind == "M":
        return all(is_kept(one[name], other[name]) for name in one.keys() & other.keys())
    if kind == "L":
        return len(one) == len(other) and all(map(is_kept, one, other))
    if kind == "N":
        return Decimal(one) == Decimal(other)
    if kind == "NS":
        return set(map(Decimal, one)) == set(map(Decimal, other))
    return bytes(one) == bytes(other) if kind == "B" else kind != "BS" or set(map(bytes, one)) == set(map(bytes, other))


def to_value(type: Any) -> Callable[[Any], Any]:
    """Return what makes a Field's value of what `stored` returned. It raises TypeError or ValueError if it is none."""
    convert = WIRE.conversion(type).to_field

    def value_of(data: Any) -> Any:
        return wire(data) if convert is None else convert(wire(data))

    return value_of


def part_of(item: Mapping[str, Any], form: Form = WIRE) -> PartOf:
    """Return what tells a `PreviousField` what a value of an item was bound to."""

    def part(name: str) -> Any:
        try:
            return form.key_part(item[name])
        except (KeyError, TypeError):
            return None

    return part


def key_of(item: Mapping[str, Any], key: Iterable[str], form: Form = WIRE) -> dict[str, Any]:
    """Return the key of an item as messages show it: what there is of it, whole numbers as int.

    Args:
        item: an item, or its key.
        key: the names of the table's key attributes.
        form: of the item.
    """
    part = part_of(item, form)
    parts = {name: part(name) for name in key if part(name) is not None}
    whole = {name: int(each) for name, each in parts.items() if isinstance(each, Decimal) and each == int(each)}
    return {**parts, **whole}

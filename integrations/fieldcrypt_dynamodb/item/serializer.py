"""Values in Python's form as DynamoDB's, and back: what boto3's TypeSerializer and TypeDeserializer do, in less time.

The usual types are converted here, recognised by their exact class. boto3 itself converts all others, or all values if
a program has replaced methods of its classes. So results, errors and messages are boto3's.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb import types
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

__all__ = ["deserialize", "deserialize_item", "serialize", "serialize_item"]

Named = Mapping[str, Any]

_SERIALIZER, _DESERIALIZER = TypeSerializer(), TypeDeserializer()


def _written(converter: type) -> dict[str, Any] | None:
    """Return what boto3 has in a class; None if a program has replaced some of it."""
    of_boto3 = vars(types)
    found = dict(vars(converter))
    methods = (each for each in found.values() if callable(each))
    return found if all(getattr(each, "__globals__", None) is of_boto3 for each in methods) else None


_SERIALIZER_AS_WRITTEN, _DESERIALIZER_AS_WRITTEN = _written(TypeSerializer), _written(TypeDeserializer)


def serialize(value: Any) -> Any:
    """Return a value in DynamoDB's form.

    Raises:
        TypeError: DynamoDB has no such type.
        ArithmeticError: DynamoDB has no such number.
    """
    return serialize_item({"": value})[""]


def deserialize(value: Any) -> Any:
    """Return a value in Python's form.

    Raises:
        TypeError, ArithmeticError: it is not one of DynamoDB's.
    """
    return deserialize_item({"": value})[""]


def serialize_item(item: Named, without: Container[str] = ()) -> dict[str, Any]:
    """Return an item, a key or other named values in DynamoDB's form.

    Args:
        item: in Python's form.
        without: the names of those that are left out.

    Raises:
        TypeError, ArithmeticError: as `serialize`.
    """
    if TypeSerializer.__dict__ != _SERIALIZER_AS_WRITTEN:
        return {name: _SERIALIZER.serialize(value) for name, value in item.items() if name not in without}
    return {
        name: {"S": value} if value.__class__ is str else _serialize(value)
        for name, value in item.items()
        if name not in without
    }


def deserialize_item(item: Named, without: Container[str] = ()) -> dict[str, Any]:
    """Return an item, a key or other named values in Python's form.

    Args:
        item: in DynamoDB's form.
        without: the names of those that are left out.

    Raises:
        TypeError, ArithmeticError: as `deserialize`.
    """
    if TypeDeserializer.__dict__ != _DESERIALIZER_AS_WRITTEN:
        return {name: _DESERIALIZER.deserialize(value) for name, value in item.items() if name not in without}
    return {
        name: value["S"] if value.__class__ is dict and "S" in value and len(value) == 1 else _deserialize(value)
        for name, value in item.items()
        if name not in without
    }


def _serialize(value: Any) -> Any:
    kind = value.__class__
    if kind is str:
        return {"S": value}
    if kind is int or kind is Decimal:
        number = str(types.DYNAMODB_CONTEXT.create_decimal(value))
        return {"N": number} if number != "Infinity" and number != "NaN" else _SERIALIZER.serialize(value)
    if kind is bool:
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    if kind is bytes:
        return {"B": value}
    if kind is dict:
        return {"M": {name: _serialize(member) for name, member in value.items()}}
    if kind is list:
        return {"L": [_serialize(member) for member in value]}
    return {"B": value.value} if kind is Binary else _SERIALIZER.serialize(value)


def _deserialize(value: Any) -> Any:
    if value.__class__ is dict and len(value) == 1:
        if "S" in value:
            return value["S"]
        if "N" in value:
            return types.DYNAMODB_CONTEXT.create_decimal(value["N"])
        if "M" in value:
            return {name: _deserialize(member) for name, member in value["M"].items()}
        if "L" in value:
            return [_deserialize(member) for member in value["L"]]
        if "BOOL" in value:
            return value["BOOL"]
        if "B" in value:
            return types.Binary(value["B"])
    return _DESERIALIZER.deserialize(value)

"""Values in Python's form as DynamoDB's, and back: what boto3's TypeSerializer and TypeDeserializer do, in less time.

The usual types are converted here, told by their exact class; boto3 converts all others itself, and all there are if a
program has replaced methods of its classes. So results, errors and messages are boto3's.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from boto3.dynamodb import types
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

__all__ = ["deserializer", "serializer"]

Convert = Callable[[Any], Any]

_SERIALIZER, _DESERIALIZER = TypeSerializer(), TypeDeserializer()


def _written(converter: type) -> dict[str, Any] | None:
    """Return what boto3 has in a class; None if a program has replaced some of it."""
    of_boto3 = vars(types)
    found = dict(vars(converter))
    methods = (each for each in found.values() if callable(each))
    return found if all(getattr(each, "__globals__", None) is of_boto3 for each in methods) else None


_SERIALIZER_AS_WRITTEN, _DESERIALIZER_AS_WRITTEN = _written(TypeSerializer), _written(TypeDeserializer)


def serializer() -> Convert:
    """Return what converts values to DynamoDB's form: to be asked for again for each item, as methods may be replaced.

    Raises by itself:
        TypeError: DynamoDB has no such type.
        ArithmeticError: DynamoDB has no such number.
    """
    return _serialize if TypeSerializer.__dict__ == _SERIALIZER_AS_WRITTEN else _SERIALIZER.serialize


def deserializer() -> Convert:
    """Return what converts values from DynamoDB's form, likewise."""
    return _deserialize if TypeDeserializer.__dict__ == _DESERIALIZER_AS_WRITTEN else _DESERIALIZER.deserialize


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
        ((kind, content),) = value.items()
        if kind == "S" or kind == "BOOL":
            return content
        if kind == "N":
            return types.DYNAMODB_CONTEXT.create_decimal(content)
        if kind == "M":
            return {name: _deserialize(member) for name, member in content.items()}
        if kind == "L":
            return [_deserialize(member) for member in content]
        if kind == "B":
            return types.Binary(content)
    return _DESERIALIZER.deserialize(value)

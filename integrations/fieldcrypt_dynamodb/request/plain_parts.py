"""Parts of requests and responses that are not protected, from the application's form into DynamoDB's own, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fieldcrypt_dynamodb.expression.condition_text import build_conditions
from fieldcrypt_dynamodb.item.forms import WIRE, Form

__all__ = ["deserialized", "serialized"]

Part = Mapping[str, Any]

_VALUES = ("Item", "Key", "ExpressionAttributeValues", "ItemCollectionKey")


def serialized(part: Part, form: Form) -> Part:
    """Return a part in DynamoDB's own form, with conditions as text. What boto3 will refuse stays as it is."""
    if form is WIRE:
        return part
    new = dict(part)
    build_conditions(new, allowed=True)
    return _converted(new, form.serialize_item)


def deserialized(part: Part, form: Form) -> Part:
    """Return a part with its items and keys in the application's form."""
    return part if form is WIRE else _converted(part, form.deserialize_item)


def _converted(part: Part, convert: Callable[[Part], Part]) -> Part:
    new = {
        name: convert(value) if name in _VALUES and isinstance(value, Mapping) else value
        for name, value in part.items()
    }
    if isinstance(part.get("Keys"), list):
        new["Keys"] = [convert(key) for key in part["Keys"]]
    return new

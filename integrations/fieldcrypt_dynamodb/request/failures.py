"""What DynamoDB's errors say about items: those that they carry are decrypted, and sizes are those that were sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from fieldcrypt import FieldcryptError
from fieldcrypt_dynamodb.item.entities.entity_items import EntityItems
from fieldcrypt_dynamodb.item.items import Items

__all__ = ["decrypt_failed_item", "explain_size", "size_of"]


def decrypt_failed_item(items: Items | EntityItems, failure: Any) -> None:
    """Decrypt the item with which DynamoDB says why a condition did not hold.

    It is left out if it cannot be decrypted: the error is about the condition.

    Args:
        items: decrypts, in DynamoDB's own form.
        failure: the response, or one of its cancellation reasons; it is changed.
    """
    if "Item" in failure:
        try:
            failure["Item"] = items.decrypted(failure["Item"])
        except FieldcryptError:
            del failure["Item"]


def explain_size(error: ClientError, sent: Iterable[Mapping[str, Any]]) -> None:
    """Add the sizes of items as they were sent to an error that is about sizes.

    Args:
        error: is changed.
        sent: the items.
    """
    details = error.response.get("Error", {})
    if details.get("Code") != "ValidationException" or "size" not in details.get("Message", "").lower():
        return
    sizes = ", ".join(f"{size_of(item):,}" for item in sent)
    if sizes:
        note = f"after encryption the items put have these bytes: {sizes}"
        details["Message"] = f"{details['Message']} ({note})"
        error.args = (f"{error} ({note})",)


def size_of(item: Mapping[str, Any]) -> int:
    """Return about the size of an item as DynamoDB counts it: numbers are rounded up.

    Source: "DynamoDB item sizes and formats", Amazon DynamoDB Developer Guide.

    Args:
        item: in DynamoDB's own form.
    """
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "M":
        return 3 + sum(len(name.encode()) + 1 + _size(item) for name, item in content.items())
    if kind == "L":
        return 3 + sum(1 + _size(item) for item in content)
    if kind in ("SS", "BS", "NS"):
        return sum(_size({kind[0]: member}) for member in content)
    if kind == "N":
        return 2 + (len(content.strip("-0.")) + 1) // 2
    return 1 if kind in ("BOOL", "NULL") else len(content.encode() if kind == "S" else content)

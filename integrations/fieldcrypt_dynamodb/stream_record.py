"""Records of DynamoDB Streams, from the API or in a Lambda event."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from fieldcrypt_dynamodb.item.forms import WIRE
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.protected_table import ProtectedTable

__all__ = ["decrypt_stream_record"]

_IMAGES = ("NewImage", "OldImage")


def decrypt_stream_record(record: Mapping[str, Any], table: ProtectedTable) -> dict[str, Any]:
    """Return a record of a stream with its images decrypted, in DynamoDB's own form.

        def handler(event, context):
            for record in event["Records"]:
                change = decrypt_stream_record(record, patients)

    Args:
        record: from `get_records` of a dynamodbstreams client, or from an event of AWS Lambda, where binary values are
            base64 text. It is not changed.
        table: the description. Which table the record is of is for the caller to know.

    Raises:
        DecryptionError: a value does not belong where it is.
        KeyProviderError, KeyStoreError: as for `Field.decrypt`.
    """
    items = Items(table, WIRE)
    change = dict(record["dynamodb"])
    from_lambda = _has_text_for_bytes(change)
    for name in _IMAGES:
        if name in change:
            image = change[name]
            if from_lambda:
                image = {key: _with_bytes(value) for key, value in image.items()}
            image = items.decrypted(image)
            change[name] = {key: _with_text(value) for key, value in image.items()} if from_lambda else image
    return {**record, "dynamodb": change}


def _has_text_for_bytes(change: Mapping[str, Any]) -> bool:
    return any(_any_text(image) for name in (*_IMAGES, "Keys") for image in change.get(name, {}).values())


def _any_text(value: Mapping[str, Any]) -> bool:
    ((kind, content),) = value.items()
    if kind == "B":
        return isinstance(content, str)
    if kind == "BS":
        return any(isinstance(member, str) for member in content)
    if kind == "M":
        return any(_any_text(member) for member in content.values())
    return kind == "L" and any(_any_text(member) for member in content)


def _with_bytes(value: Mapping[str, Any]) -> dict[str, Any]:
    return _converted(value, lambda content: b64decode(content, validate=True))


def _with_text(value: Mapping[str, Any]) -> dict[str, Any]:
    return _converted(value, lambda content: b64encode(content).decode())


def _converted(value: Mapping[str, Any], convert: Any) -> dict[str, Any]:
    ((kind, content),) = value.items()
    if kind == "B":
        return {kind: convert(content)}
    if kind == "BS":
        return {kind: [convert(member) for member in content]}
    if kind == "M":
        return {kind: {key: _converted(member, convert) for key, member in content.items()}}
    if kind == "L":
        return {kind: [_converted(member, convert) for member in content]}
    return dict(value)

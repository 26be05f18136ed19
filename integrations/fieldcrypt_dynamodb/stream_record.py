"""Changes of items: from DynamoDB Streams, Kinesis, EventBridge Pipes, and lines of exports to S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt_dynamodb.item.item_form import ItemForm, converted, has_text_for_bytes
from fieldcrypt_dynamodb.item.unreadable import OnUnreadable
from fieldcrypt_dynamodb.protected_table import ProtectedTable

__all__ = ["decrypt_stream_record"]

_IMAGES = ("NewImage", "OldImage", "Item")
_PARTS = (*_IMAGES, "Keys")


def decrypt_stream_record(
    record: Mapping[str, Any],
    table: ProtectedTable,
    *,
    to: ItemForm | None = None,
    on_unreadable: OnUnreadable = "raise",
) -> dict[str, Any]:
    """Return a record of a stream with its images decrypted.

        def handler(event, context):
            for record in event["Records"]:
                change = decrypt_stream_record(record, patients, to="python")

    Args:
        record: from `get_records` of a dynamodbstreams client, or from an event of AWS Lambda, of Kinesis (its data
            decoded) or of EventBridge Pipes. Or only the part `dynamodb` of such a record, or a line of an export to
            S3, full or incremental. It is not changed.
        table: the description. Which table the record is of is for the caller to know.
        to: the form of images and keys that are returned, as for `ProtectedTable.encrypt_item`; by default that in
            which they came: DynamoDB's own, with base64 text in place of bytes if the record has that.
        on_unreadable: "mark" to put an `Unreadable` in place of what cannot be read, instead of raising an error.

    Raises:
        DecryptionError: a value does not belong where it is.
        TypeError, ValueError: the record is none of these.
        KeyProviderError, KeyStoreError: as for `Field.decrypt`.
    """
    if not isinstance(table, ProtectedTable):
        raise TypeError(f"decrypt_stream_record(record, table) takes a ProtectedTable, not a {type(table).__name__}")
    change: Any = record.get("dynamodb", record) if isinstance(record, Mapping) else ()
    if not any(name in change for name in _PARTS):
        several = isinstance(record, Mapping) and "Records" in record
        raise ValueError(
            "expected a record of a stream of DynamoDB, decoded, or a line of an export to S3"
            + (': an event has several, event["Records"]' if several else "")
        )
    text = any(has_text_for_bytes(change[name]) for name in _PARTS if name in change)
    form: ItemForm = "json" if text else "dynamodb"
    new = dict(change.items())  # Powertools' has a property `keys`, which ** would call
    for name in _IMAGES:
        if name in change:
            new[name] = table.decrypt_item(change[name], form=form, to=to, on_unreadable=on_unreadable)
    if "Keys" in change:
        new["Keys"] = converted(change["Keys"], form, to or form)
    return {**record, "dynamodb": new} if "dynamodb" in record else new

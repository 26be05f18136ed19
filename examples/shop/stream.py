"""The stream of the table, as AWS Lambda gives it: what to print on parcels."""

from __future__ import annotations

import os
from typing import Any

from examples.shop.table import described, has_address
from fieldcrypt_dynamodb import decrypt_stream_record

shop = described(os.environ.get("SHOP_TABLE", "shop"))


def handler(event: dict[str, Any], context: Any) -> list[str]:
    """Return the labels of new orders. One whose address cannot be read is passed over, and holds up no other."""
    labels = []
    for record in event["Records"]:
        change = decrypt_stream_record(record, shop, to="python", on_unreadable="mark")
        if change["eventName"] != "INSERT" or not change["dynamodb"]["Keys"]["SK"].startswith("ORDER#"):
            continue
        order = change["dynamodb"]["NewImage"]
        if has_address(order):
            labels.append(f"{order['address']['street']}, {order['address']['city']}")
    return labels

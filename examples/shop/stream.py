"""The stream of the table, as AWS Lambda gives it: what to print on parcels."""

from __future__ import annotations

import os
from typing import Any

from examples.shop.table import described
from fieldcrypt_dynamodb import Unreadable, decrypt_stream_record

shop = described(os.environ.get("SHOP_TABLE", "shop"))


def handler(event: dict[str, Any], context: Any) -> list[str]:
    """Return the labels of new orders. One whose user was forgotten since is passed over, and holds up no other."""
    labels = []
    for record in event["Records"]:
        change = decrypt_stream_record(record, shop, to="python", on_unreadable="mark")
        if change["eventName"] != "INSERT" or not change["dynamodb"]["Keys"]["SK"].startswith("ORDER#"):
            continue
        address = change["dynamodb"]["NewImage"]["address"]
        if not isinstance(address["street"], Unreadable):
            labels.append(f"{address['street']}, {address['city']}")
    return labels

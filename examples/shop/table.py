"""The one table: which kinds of items it holds, and what is protected in each."""

from __future__ import annotations

from typing import Any

from examples.shop import encryptor
from fieldcrypt_dynamodb import Entity, IndexedBy, Protected, ProtectedTable

USER = Entity(
    {"name": str, "email": Protected(str, index=IndexedBy("GSI1PK", prefix="EMAIL#", normaliser="casefold"))},
    key={"PK": "USER#*", "SK": "PROFILE"},
    tenant="PK",  # each user has data keys of their own, which can be shredded
)
ORDER = Entity({"address.street": str, "address.city": str}, key={"PK": "USER#*", "SK": "ORDER#*"}, tenant="PK")
PRODUCT = Entity(key={"PK": "PRODUCT#*", "SK": "PRODUCT"})  # plain, its name too


def described(name: str) -> ProtectedTable:
    """Describe the table under the name that it has here: in this environment, or after it was restored."""
    entities = {"user": USER, "order": ORDER, "product": PRODUCT}
    return ProtectedTable(name, encryptor, fields="shop", key=("PK", "SK"), entities=entities)


def has_address(order: dict[str, Any]) -> bool:
    """Return True if an order has an address, all of which can be read: what cannot is an `Unreadable`, and no text."""
    address = order.get("address")
    return isinstance(address, dict) and all(isinstance(address.get(part), str) for part in ("street", "city"))


def definition(name: str) -> dict[str, Any]:
    """What `create_table` is called with. The index finds users by e-mail, orders by state, products by category."""
    attributes = ("PK", "SK", "GSI1PK", "GSI1SK")
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in attributes],
        "KeySchema": _keys("PK", "SK"),
        "GlobalSecondaryIndexes": [
            {"IndexName": "GSI1", "KeySchema": _keys("GSI1PK", "GSI1SK"), "Projection": {"ProjectionType": "ALL"}}
        ],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def _keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]

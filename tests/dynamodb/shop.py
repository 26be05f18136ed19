"""One table for users, orders, products and invoices, as single-table design has it."""

from __future__ import annotations

from typing import Any

import pytest

from fieldcrypt import Encryptor, IndexedBy
from fieldcrypt_dynamodb import EncryptedTable, Entity, Protected, ProtectedTable
from tests.support.dynamodb import DynamoDb
from tests.support.encryptors import new_encryptor

EMAIL = "ada@example.org"
USER_KEY = {"PK": "USER#1", "SK": "PROFILE"}
ORDER_KEY = {"PK": "USER#1", "SK": "ORDER#7"}
PRODUCT_KEY = {"PK": "PRODUCT#3", "SK": "ITEM"}
INVOICE_KEY = {"PK": "DOC#5", "SK": "2026"}
MEMO_KEY = {"PK": "DOC#6", "SK": "2026"}
USER = {**USER_KEY, "org": "acme", "name": "Ada Lovelace", "email": EMAIL, "visits": 1}
ORDER = {**ORDER_KEY, "org": "acme", "address": "12 St James's Square", "GSI1PK": "ORDER#7", "total": 5}
PRODUCT = {**PRODUCT_KEY, "type": "product", "name": "analytical engine", "GSI1PK": "PRODUCT#3"}
INVOICE = {**INVOICE_KEY, "type": "invoice", "iban": "GB33BUKB20201555555555", "note": "paid"}
MEMO = {**MEMO_KEY, "type": "memo", "note": "buy tea"}
ITEMS: list[dict[str, Any]] = [USER, ORDER, PRODUCT, INVOICE, MEMO]


def entities() -> dict[str, Entity]:
    email = Protected(str, index=IndexedBy("GSI1PK", prefix="EMAIL#"))
    return {
        "user": Entity({"name": str, "email": email}, key={"PK": "USER#*", "SK": "PROFILE"}, tenant="org"),
        "order": Entity({"address": str}, key={"PK": "USER#*", "SK": "ORDER#*"}, tenant="org"),
        "product": Entity(key={"PK": "PRODUCT#*"}, where={"type": "product"}),
        "invoice": Entity({"iban": str}, key={"PK": "DOC#*"}, where={"type": "invoice"}),
        "memo": Entity(key={"PK": "DOC#*"}, where={"type": "memo"}),
    }


@pytest.fixture
def encryptor() -> Encryptor:
    """One that has a key store, as blind indexes need it."""
    return new_encryptor()


@pytest.fixture
def description(encryptor: Encryptor) -> ProtectedTable:
    return ProtectedTable("app-prod", encryptor, key=("PK", "SK"), fields="app", entities=entities())


def create(dynamodb: DynamoDb, name: str = "app-prod") -> Any:
    """Make an empty table, and return it as boto3 has it."""
    return dynamodb.resource().create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK", "GSI1PK")],
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "GSI1",
                "KeySchema": [{"AttributeName": "GSI1PK", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


@pytest.fixture
def plain(dynamodb: DynamoDb) -> Any:
    """boto3's own Table, empty."""
    return create(dynamodb)


@pytest.fixture
def table(plain: Any, description: ProtectedTable) -> EncryptedTable:
    return EncryptedTable(plain, description)


@pytest.fixture
def filled(table: EncryptedTable) -> EncryptedTable:
    """With an item of each entity."""
    for item in ITEMS:
        table.put_item(Item=item)
    return table

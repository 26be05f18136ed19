"""A table of patients, and what boto3 has of it: as a table, a client and a resource."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import EncryptedClient, EncryptedTable, IndexedBy, Protected, ProtectedTable
from tests.support.dynamodb import DynamoDb
from tests.support.encryptors import new_encryptor

SSN = "078-05-1120"
KEY = {"clinic": "north", "number": 1}
WIRE_KEY = {"clinic": {"S": "north"}, "number": {"N": "1"}}

ITEM = {
    **KEY,
    "ssn": SSN,
    "email": "Ann@Example.org",
    "born": dt.date(1990, 1, 2),
    "balance": Decimal("3500.50"),
    "ward": 5,
}

WIRE_ITEM = {
    **WIRE_KEY,
    "ssn": {"S": SSN},
    "email": {"S": "Ann@Example.org"},
    "born": {"S": "1990-01-02"},
    "balance": {"N": "3500.50"},
    "ward": {"N": "5"},
}


@pytest.fixture
def encryptor() -> Encryptor:
    """One that has a key store, as blind indexes need it."""
    return new_encryptor()


@pytest.fixture
def raw(dynamodb: DynamoDb) -> Any:
    """boto3's client on two empty tables, `patients` and `other`."""
    client = dynamodb.client()
    index = {"KeySchema": [{"AttributeName": "email_tag", "KeyType": "HASH"}]}
    for name in ("patients", "other"):
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "clinic", "AttributeType": "S"},
                {"AttributeName": "number", "AttributeType": "N"},
                {"AttributeName": "email_tag", "AttributeType": "B"},
            ],
            KeySchema=[
                {"AttributeName": "clinic", "KeyType": "HASH"},
                {"AttributeName": "number", "KeyType": "RANGE"},
            ],
            GlobalSecondaryIndexes=[
                {"IndexName": "by_email", **index, "Projection": {"ProjectionType": "ALL"}},
                {"IndexName": "keys_only", **index, "Projection": {"ProjectionType": "KEYS_ONLY"}},
            ],
        )
    return client


@pytest.fixture
def description(encryptor: Encryptor) -> ProtectedTable:
    return ProtectedTable(
        "patients",
        encryptor,
        key=("clinic", "number"),
        tenant="clinic",
        attributes={
            "ssn": str,
            "email": Protected(str, index=IndexedBy("email_tag", normaliser="casefold")),
            "born": dt.date,
            "balance": Decimal,
        },
    )


@pytest.fixture
def resource(dynamodb: DynamoDb) -> Any:
    return dynamodb.resource()


@pytest.fixture
def table(raw: Any, resource: Any, description: ProtectedTable) -> EncryptedTable:
    return EncryptedTable(resource.Table("patients"), description)


@pytest.fixture
def client(raw: Any, description: ProtectedTable) -> EncryptedClient:
    return EncryptedClient(raw, [description])


def stored(raw: Any, key: Any = WIRE_KEY) -> dict[str, Any]:
    """What DynamoDB has."""
    item: dict[str, Any] = raw.get_item(TableName="patients", Key=key)["Item"]
    return item

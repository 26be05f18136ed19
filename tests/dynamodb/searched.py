"""A table of people who are found in every way that an index allows."""

from __future__ import annotations

import datetime as dt
from typing import Any

from fieldcrypt import CompoundIndex, Encryptor
from fieldcrypt.search import Prefixes, Range, Suffixes, domain, last
from fieldcrypt_dynamodb import IndexedBy, Protected, ProtectedTable
from tests.support.dynamodb import DynamoDb

__all__ = ["ATTRIBUTES", "COMPOUNDS", "create_table", "described"]

_BORN = Range(dt.date(1990, 1, 1), dt.date(1991, 12, 31), radix=2)
ATTRIBUTES: dict[str, Any] = {
    "ssn": Protected(str, index=["ssn_tag", IndexedBy("ssn_last4", normaliser="digits", of=last(4))]),
    "email": Protected(
        str, index=[IndexedBy("email_tag", normaliser="casefold"), IndexedBy("email_domain", of=domain())]
    ),
    "name": Protected(
        str,
        index=[
            IndexedBy("name_prefix", normaliser="casefold", of=Prefixes(2, 4), accept_leakage=True),
            IndexedBy("name_end", of=Suffixes(2, 3), accept_leakage=True, one_companion=True),
        ],
    ),
    "born": Protected(dt.date, index=IndexedBy("born_range", of=_BORN, accept_leakage=True)),
    "height": Protected(
        int, index=IndexedBy("height_range", of=Range(0, 299), accept_leakage=True, one_companion=True)
    ),
    "blood": Protected(str, index=IndexedBy("blood_tag", partitions=3)),
}
COMPOUNDS = [
    CompoundIndex("who_tag", of={"name": "casefold", "born": None}),
    CompoundIndex("place_tag", of={"ward": None, "email": domain()}),
]


def described(encryptor: Encryptor, **how: Any) -> ProtectedTable:
    return ProtectedTable("people", encryptor, **{"key": ["id"], "attributes": ATTRIBUTES, "indexes": COMPOUNDS, **how})


def create_table(dynamodb: DynamoDb, *companions: str, name: str = "people") -> Any:
    """Make a table with an index for each of these companions, `by_ssn_last4` for `ssn_last4`."""
    index = {"Projection": {"ProjectionType": "ALL"}}
    return dynamodb.resource().create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            *({"AttributeName": each, "AttributeType": "B"} for each in companions),
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": f"by_{each}", "KeySchema": [{"AttributeName": each, "KeyType": "HASH"}], **index}
            for each in companions
        ],
    )

"""A description of patients with protected values in maps and lists, and an item of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import EncryptedTable, ProtectedTable
from tests.dynamodb.patients import KEY, SSN

PATHS: dict[str, Any] = {
    "ssn": str,
    "profile.ssn": str,
    "profile.born": dt.date,
    "addresses[].street": str,
    "phones[kind].number": int,
    "phones[kind].extra.pin": bytes,
    "notes[]": str,
}
ITEM: dict[str, Any] = {
    **KEY,
    "ssn": SSN,
    "ward": {"bed": 5},
    "profile": {"ssn": "219-09-9999", "born": dt.date(1990, 1, 2), "city": "Oslo", "sizes": {1, 2}},
    "addresses": [{"street": "Elm Street 1", "city": "Oslo"}, {"city": "Bergen"}],
    "phones": [
        {"kind": "home", "number": 5550100, "label": "x", "extra": {"pin": b"\0pin-one"}},
        {"kind": "work", "number": None, "extra": None},
    ],
    "notes": ["has a cat", None, "likes tea"],
}


@pytest.fixture
def description(encryptor: Encryptor) -> ProtectedTable:
    return ProtectedTable("patients", encryptor, key=("clinic", "number"), tenant="clinic", attributes=PATHS)


def read(table: EncryptedTable) -> dict[str, Any]:
    item: dict[str, Any] = table.get_item(Key=KEY)["Item"]
    return item

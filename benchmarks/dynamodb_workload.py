"""What the DynamoDB benchmark times: items of ten attributes, five of them protected, and no network.

PynamoDB's models serialize an item and make one of what DynamoDB returns. What is measured of boto3 stands in
`dynamodb_boto3`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import cycle
from typing import Any

from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.models import Model

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, encrypted

__all__ = ["DETAILS", "ITEMS", "PROTECTED", "Item", "Work", "as_one", "items", "pynamodb_models", "pynamodb_work"]

ITEMS, TENANTS = 200, 20
PROTECTED = ("ssn", "email", "phone", "weight", "born")
DETAILS = "details"  # the attribute that holds them all, where they are protected as one

Item = dict[str, Any]
Work = Mapping[str, Callable[[], object]]
Wrap = Callable[[Attribute[Any]], Attribute[Any]]


def items(count: int) -> Iterator[Item]:
    """Make items in Python's types, as boto3's Table takes them; `born` is text."""
    for number in range(count):
        born = dt.datetime(1980, 2, 29, tzinfo=dt.UTC) + dt.timedelta(days=number)
        yield {
            "id": f"patient-{number}",
            "clinic": f"clinic-{number % TENANTS}",
            "name": "Ann Example",
            "ward": "W",
            "visits": number,
            "ssn": f"078-05-{number:04}",
            "email": f"ann-{number}@example.org",
            "phone": f"+1 555 01{number:04}",
            "weight": Decimal(600 + number) / 10,
            "born": born.isoformat(),
        }


def as_one(item: Item, protected: tuple[str, ...] = PROTECTED) -> Item:
    """Return an item with what is protected in one map, so that it is encrypted as one value."""
    rest = {name: value for name, value in item.items() if name not in protected}
    return rest | {DETAILS: {name: item[name] for name in protected}}


# PynamoDB


def pynamodb_models() -> dict[str, type[Model]]:
    """The contestants; the plain model is the floor."""
    keys = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    searchable: dict[str, Attribute[Any]] = {
        "ssn": EncryptedAttribute(UnicodeAttribute(), index="ssn_tag"),
        "ssn_tag": BlindIndexAttribute(null=True),
    }
    return {
        "plain": _model(lambda attribute: attribute),
        "undecorated": _model(lambda attribute: EncryptedAttribute(attribute, keys)),
        "decorated": encrypted(keys)(_model(EncryptedAttribute)),
        "decorated, tenants": encrypted(keys, tenant="clinic")(_model(EncryptedAttribute)),
        "decorated, one searchable": encrypted(keys)(_model(EncryptedAttribute, searchable)),
    }


def _model(wrap: Wrap, others: dict[str, Attribute[Any]] | None = None) -> type[Model]:
    attributes: dict[str, Any] = {
        "id": UnicodeAttribute(hash_key=True),
        "clinic": UnicodeAttribute(),
        "name": UnicodeAttribute(),
        "ward": UnicodeAttribute(),
        "visits": NumberAttribute(),
        "ssn": wrap(UnicodeAttribute()),
        "email": wrap(UnicodeAttribute()),
        "phone": wrap(UnicodeAttribute()),
        "weight": wrap(NumberAttribute()),
        "born": wrap(UTCDateTimeAttribute()),
        **(others or {}),
    }
    return type("Patient", (Model,), {"Meta": type("Meta", (), {"table_name": "patients"}), **attributes})


def pynamodb_work(model: Any) -> Work:
    """What is measured of a model: an item is written, read, or both."""
    made = []
    for item in items(ITEMS):
        changed = {"weight": float(item["weight"]), "born": dt.datetime.fromisoformat(item["born"])}
        made.append(model(**{**item, **changed}))
    raw = [item.serialize() for item in made]
    writing, reading, both = cycle(made), cycle(raw), cycle(made)
    return {
        "write": lambda: next(writing).serialize(),
        "read": lambda: model.from_raw_data(next(reading)),
        "write and read": lambda: model.from_raw_data(next(both).serialize()),
    }

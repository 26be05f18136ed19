"""What the DynamoDB benchmark times: items of ten attributes, five of them protected, and no network.

PynamoDB's models serialize an item and make one of what DynamoDB returns. boto3's Table is stood in for by what it does
with an item: TypeSerializer and TypeDeserializer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import cycle
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.models import Model

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_dynamodb import ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.request.exchange import run
from fieldcrypt_dynamodb.request.table import TableRequests
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, encrypted

__all__ = [
    "AS_ONE",
    "PROTECTED",
    "Work",
    "as_one",
    "boto3_contest",
    "boto3_tables",
    "boto3_work",
    "items",
    "pynamodb_models",
    "pynamodb_work",
    "to_python",
    "to_wire",
]

ITEMS, TENANTS = 200, 20
PROTECTED = ("ssn", "email", "phone", "weight", "born")
AS_ONE = "protected, as one map"
_MAP = "details"  # the attribute that holds them all, where they are protected as one

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
    return rest | {_MAP: {name: item[name] for name in protected}}


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


# boto3

_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize


def to_wire(item: Item) -> Item:
    """Do what a Table does with an item that it is given."""
    return {name: _serialize(value) for name, value in item.items()}


def to_python(item: Item) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}


def boto3_tables(keys: Encryptor) -> dict[str, ProtectedTable]:
    """The ways to protect the same attributes."""
    kinds: dict[str, Any] = {"ssn": str, "email": str, "phone": str, "weight": Decimal, "born": str}
    searchable = kinds | {"ssn": Protected(str, index="ssn_tag")}
    return {
        "protected": ProtectedTable("patients", keys, key=["id"], attributes=kinds),
        "protected, tenants": ProtectedTable("patients", keys, key=["id"], tenant="clinic", attributes=kinds),
        "protected, one searchable": ProtectedTable("patients", keys, key=["id"], attributes=searchable),
        "protected, sealed": ProtectedTable(
            "patients", keys, key=["id"], attributes=kinds, seal=ItemSeal("seal", (*PROTECTED, "clinic", "ward"))
        ),
        AS_ONE: ProtectedTable("patients", keys, key=["id"], attributes={_MAP: dict}),
    }


def boto3_work() -> dict[str, Work]:
    """What is measured of each contestant: an item is put, got, or both. The plain Table is the floor."""
    keys = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    made = list(items(ITEMS))
    contestants = {"plain": boto3_contest(made, to_wire, to_python)}
    for name, table in boto3_tables(keys).items():
        requests = TableRequests(table, PYTHON)
        shaped = [as_one(item) for item in made] if name == AS_ONE else made
        contestants[name] = boto3_contest(shaped, _putting(requests), _getting(requests))
    return contestants


def _putting(requests: TableRequests) -> Callable[[Item], Item]:
    def put(item: Item) -> Item:
        sent: Item = {}

        def send(Item: Item) -> Item:  # noqa: N803 (boto3's name)
            nonlocal sent
            sent = Item
            return {}

        run(requests.put_item({"Item": item}), send)
        return sent

    return put


def _getting(requests: TableRequests) -> Callable[[Item], Item]:
    def get(wire: Item) -> Item:
        def send(Key: Item) -> Item:  # noqa: N803 (boto3's name)
            return {"Item": wire}

        found: Item = run(requests.get_item({"Key": {"id": "?"}}), send)["Item"]
        return found

    return get


def boto3_contest(made: list[Item], put: Callable[[Item], Item], get: Callable[[Item], Item]) -> Work:
    """Return the works of a contestant, who has to give back what he was given."""
    wire = [put(item) for item in made]
    if [get(sent) for sent in wire] != made:
        raise AssertionError("an item did not come back")
    writing, reading, both = cycle(made), cycle(wire), cycle(made)
    return {
        "write": lambda: put(next(writing)),
        "read": lambda: get(next(reading)),
        "write and read": lambda: get(put(next(both))),
    }

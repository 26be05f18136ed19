"""What is measured of boto3: its own conversions of an item, beside all that a wrapper does; and a Table's whole calls.

A Table converts what it puts, and the key and the item of a get, by TypeSerializer and TypeDeserializer. For its other
handling of parameters, which a wrapper mostly leaves out, nothing is counted but in whole calls, where the client makes
a request in full, and a handler of its answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import cycle
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from benchmarks.dynamodb_workload import DETAILS, ITEMS, PROTECTED, Item, Work, as_one, items
from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.request.exchange import run
from fieldcrypt_dynamodb.request.table import TableRequests

__all__ = [
    "AS_ONE",
    "PATHS",
    "UNPROTECTED",
    "contest",
    "conversions",
    "conversions_of",
    "tables",
    "to_python",
    "to_wire",
    "whole_calls",
]

AS_ONE, PATHS, UNPROTECTED = "protected, as one map", "protected, in a map", "unprotected, wrapped"

_KINDS: dict[str, Any] = {"ssn": str, "email": str, "phone": str, "weight": Decimal, "born": str}
_KEY = {"id": "patient-0"}
_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize


def to_wire(item: Item) -> Item:
    """Do what a Table does with an item that it is given."""
    return {name: _serialize(value) for name, value in item.items()}


def to_python(item: Item) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}


def tables(keys: Encryptor) -> dict[str, ProtectedTable]:
    """The ways to protect the same attributes; and a table that has none of those which are protected."""
    searchable = _KINDS | {"ssn": Protected(str, index="ssn_tag")}
    inside = {f"{DETAILS}.{name}": kind for name, kind in _KINDS.items()}
    return {
        "protected": _table(keys, _KINDS),
        "protected, tenants": _table(keys, _KINDS, tenant="clinic"),
        "protected, one searchable": _table(keys, searchable),
        "protected, sealed": _table(keys, _KINDS, seal=ItemSeal("seal", (*PROTECTED, "clinic", "ward"))),
        AS_ONE: _table(keys, {DETAILS: dict}),
        PATHS: _table(keys, inside),
        UNPROTECTED: _table(keys, {"notes": str}),
    }


def _table(keys: Encryptor, attributes: Any, **how: Any) -> ProtectedTable:
    return ProtectedTable("patients", keys, key=["id"], attributes=attributes, same_place=True, **how)


def conversions() -> dict[str, Work]:
    """What is measured of each contestant: an item is put, got, or both. The plain Table is the floor."""
    return conversions_of(tables(Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())))


def conversions_of(described: Mapping[str, ProtectedTable]) -> dict[str, Work]:
    """The same of these tables."""
    made = list(items(ITEMS))

    def plain_get(wire: Item) -> Item:
        to_wire(_KEY)
        return to_python(wire)

    contestants = {"plain": contest(made, to_wire, plain_get)}
    for name, table in described.items():
        requests = TableRequests(table, PYTHON)
        shaped = [as_one(item) for item in made] if name in (AS_ONE, PATHS) else made
        contestants[name] = contest(shaped, _putting(requests), _getting(requests))
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

        found: Item = run(requests.get_item({"Key": _KEY}), send)["Item"]
        return found

    return get


def contest(made: list[Item], put: Callable[[Item], Item], get: Callable[[Item], Item]) -> Work:
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


class _Answer:
    status_code = 200


def whole_calls() -> dict[str, Work]:
    """The same of calls of a Table of boto3, whose client answers them itself once a request is made."""
    keys = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    made, described = list(items(ITEMS)), tables(keys)
    plain = _dynamodb().Table("patients")
    contestants = {"plain": _calls(plain, plain, made)}
    for name in ("protected", UNPROTECTED):
        table = _dynamodb().Table("patients")
        contestants[name] = _calls(EncryptedTable(table, described[name]), table, made)
    return contestants


def _dynamodb() -> Any:
    session = boto3.session.Session("local", "local", region_name="us-east-1")
    return session.resource("dynamodb")


def _calls(table: Any, of_boto3: Any, made: list[Item]) -> Work:
    sent: Item = {}

    def note(params: Any, **_: Any) -> None:
        nonlocal sent
        sent = params["Item"]

    def answer(model: Any, **_: Any) -> Any:
        return _Answer, {"Item": dict(sent)} if model.name == "GetItem" else {}

    events = of_boto3.meta.client.meta.events
    events.register("before-parameter-build.dynamodb.PutItem", note)
    events.register("before-call.dynamodb", answer)

    def put(item: Item) -> Item:
        table.put_item(Item=item)
        return sent

    def get(wire: Item) -> Item:
        nonlocal sent
        sent = wire
        found: Item = table.get_item(Key=_KEY)["Item"]
        return found

    return contest(made, put, get)

"""Kinds of descriptions, and requests of each that have values in all places where a request can have some."""

from __future__ import annotations

import datetime as dt
import traceback
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeSerializer

from fieldcrypt import CompoundIndex
from fieldcrypt.search import Prefixes, Range, Suffixes, domain, last
from fieldcrypt_dynamodb import Entity, IndexedBy, ItemSeal, Protected, of_entity, of_tenant
from tests.support.dynamodb import DynamoDb
from tests.support.wiretap import Secrets

__all__ = ["KINDS", "NAME", "Kind", "Request", "create_table", "narrowed", "requests", "shown", "watched", "wired"]

NAME = "people"
PLAIN = {"owner": "north", "ward": 5}
SSN, PHONE, BALANCE = "078-05-1120", "212-555-0188", Decimal("35005017.25")

Request = tuple[str, dict[str, Any]]  # the operation, and its parameters in Python's form


class Kind(NamedTuple):
    """A kind of description.

    Attributes:
        how: the arguments of the description.
        item: its protected attributes.
        updates: what must work: update expressions and their values.
        tried: update expressions and their values that are refused, or encrypted.
        asked: the same of conditions and filters.
        searched: conditions that are answered.
        read: projections.
        key: the attribute by which items are found, and its value in two of them.
        only: the entity, if the table has entities and the wrapper is of one.
        tenant: whose items these are, if the table has tenants.
    """

    how: dict[str, Any]
    item: dict[str, Any]
    updates: list[tuple[str, dict[str, Any]]]
    tried: list[tuple[str, dict[str, Any]]]
    asked: list[tuple[str, dict[str, Any]]]
    searched: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012  # nobody changes it
    read: tuple[str, ...] = ("ward", "id, ssn", "ssn, ward, id", "notes, balance")
    tenant: str | None = None
    key: tuple[str, str, str] = ("id", "1", "1b")
    only: str | None = None


_FLAT: dict[str, Any] = {"ssn": Protected(str, index="ssn_tag"), "balance": Decimal, "notes": dict, "photo": bytes}
_FLAT_ITEM = {"ssn": SSN, "balance": BALANCE, "notes": {"diagnosis": "pneumothorax"}, "photo": b"\x89PNG of a face"}
FLAT = Kind(
    {"attributes": _FLAT},
    _FLAT_ITEM,
    [
        ("SET ssn = :a, balance = :b, ward = :c", {":a": PHONE, ":b": Decimal("99887766"), ":c": 6}),
        ("SET notes = if_not_exists(notes, :a) REMOVE photo", {":a": {"diagnosis": "haemothorax"}}),
    ],
    [
        ("SET ward = ssn", {}),
        ("SET ward = :a, ssn = :a", {":a": SSN}),
        ("SET ssn = :a", {":a": SSN, ":unused": PHONE}),
        ("SET ssn = :a", {":a": 780511200}),
        ("SET balance = balance + :a", {":a": BALANCE}),
        ("SET notes.diagnosis = :a", {":a": "haemothorax"}),
        ("SET photo = list_append(photo, :a)", {":a": [b"\x89PNG of a face"]}),
        ("ADD balance :a", {":a": BALANCE}),
        ("DELETE ssn :a", {":a": {SSN}}),
        ("SET ssn_tag = :a", {":a": SSN}),
        (f"SET ssn = '{SSN}'", {}),
    ],
    [
        ("contains(ssn, :a)", {":a": SSN}),
        ("begins_with(ssn, :a)", {":a": SSN[:7]}),
        ("balance BETWEEN :a AND :b", {":a": BALANCE, ":b": BALANCE}),
        ("notes.diagnosis = :a", {":a": "pneumothorax"}),
        ("photo = :a OR ward = :b", {":a": b"\x89PNG of a face", ":b": 5}),
        ("ssn = :a AND ward <> :a", {":a": SSN}),
        ("ssn_tag = :a", {":a": SSN}),
        (f"ssn = '{SSN}'", {}),
    ],
    [("ssn = :a", {":a": SSN}), ("ssn IN (:a, :b) AND ward = :c", {":a": SSN, ":b": PHONE, ":c": 5})],
)
_NESTED: dict[str, Any] = {"profile.ssn": str, "addresses[].street": str, "phones[kind].number": int, "notes[]": str}
NESTED = Kind(
    {"attributes": _NESTED},
    {
        "profile": {"ssn": SSN, "city": "Bern"},
        "addresses": [{"street": "Bahnhofstrasse 1", "zip": "3000"}, {"zip": "3001"}],
        "phones": [{"kind": "home", "number": 4131555018}],
        "notes": ["pneumothorax", "smokes"],
    },
    [
        ("SET profile.ssn = :a", {":a": PHONE}),
        ("SET profile = :a, ward = :b", {":a": {"ssn": PHONE, "city": "Basel"}, ":b": 6}),
        ("SET addresses[0].street = :a", {":a": "Marktgasse 12"}),
    ],
    [
        ("SET addresses[1] = :a", {":a": {"street": "Marktgasse 12"}}),
        ("SET addresses = list_append(addresses, :a)", {":a": [{"street": "Marktgasse 12"}]}),
        ("SET notes[0] = :a", {":a": "haemothorax"}),
        ("SET phones[0].number = :a", {":a": 4131555019}),
        ("SET profile.ssn = profile.city", {}),
        ("SET ward = profile.ssn", {}),
        ("SET ward = profile", {}),
        ("SET profile.ssn.a = :a", {":a": SSN}),
        ("SET profile = :a", {":a": SSN}),
        ("SET profile.city = :a, profile.ssn = :a", {":a": SSN}),
        ("SET addresses = if_not_exists(addresses, :a)", {":a": [{"street": "Marktgasse 12"}]}),
        ("ADD notes :a", {":a": {"haemothorax"}}),
    ],
    [
        ("profile.ssn = :a", {":a": SSN}),
        ("contains(notes, :a)", {":a": "pneumothorax"}),
        ("profile = :a", {":a": {"ssn": SSN, "city": "Bern"}}),
        ("addresses[0] = :a", {":a": {"street": "Bahnhofstrasse 1", "zip": "3000"}}),
        ("addresses[0].street IN (:a, :b)", {":a": "Bahnhofstrasse 1", ":b": "Marktgasse 12"}),
        ("phones[0].number > :a", {":a": 4131555018}),
    ],
    read=("ward", "profile.ssn", "phones, notes", "addresses[0].street, id"),
)
_BORN, _PAID = Range(dt.date(1950, 1, 1), dt.date(2009, 12, 31), radix=2), Range(0, 299_999, 1_000)
_WHO = {"name": "Oppenheimer", "born": "1967-08-09"}
INDEXED = Kind(
    {
        "attributes": {
            "ssn": Protected(str, index=["ssn_tag", IndexedBy("ssn_last5", normaliser="digits", of=last(5))]),
            "email": Protected(str, index=IndexedBy("email_domain", of=domain())),
            "name": Protected(
                str,
                index=[
                    IndexedBy("name_prefix", of=Prefixes(3, 6), accept_leakage=True),
                    IndexedBy("name_suffix", of=Suffixes(3, 6), accept_leakage=True, one_companion=True),
                ],
            ),
            "born": Protected(dt.date, index=IndexedBy("born_range", of=_BORN, accept_leakage=True)),
            "salary": Protected(int, index=IndexedBy("paid", of=_PAID, accept_leakage=True, one_companion=True)),
            "blood": Protected(str, index=IndexedBy("blood_tag", partitions=3)),
        },
        "indexes": [CompoundIndex("who_tag", of={"name": "casefold", "born": None, "owner": None})],
    },
    {"ssn": SSN, "email": "ann@hospital.example", **_WHO, "salary": 123456, "blood": "AB negative"},
    [
        ("SET #n = :a, born = :b, #o = :o", {":a": "Feigenbaum", ":b": "1951-02-03", ":o": "north"}),
        ("SET ssn = :a, salary = :b REMOVE #n", {":a": PHONE, ":b": 234567}),
    ],
    [
        ("SET #n = :a", {":a": "Feigenbaum"}),
        ("SET born = :b, #o = :o, #n = if_not_exists(#n, :a)", {":a": "Feigenbaum", ":b": "1951-02-03", ":o": "x"}),
        ("SET ssn_last5 = :a", {":a": "51120"}),
        ("SET who_tag = :a", {":a": _WHO}),
        ("ADD paid :a", {":a": {b"123456"}}),
        ("SET born = :b", {":b": "1751-02-03"}),
    ],
    [
        ("email_domain = :a OR ward = :b", {":a": "hospital.example", ":b": 5}),
        ("NOT ends_with(#n, :a)", {":a": "Oppenheimer"}),
        ("contains(#n, :a)", {":a": "heimer"}),
        ("name_prefix_3 = :a", {":a": "Oppenh"}),
        ("contains(name_suffix, :a)", {":a": "heimer"}),
        ("born_range_2 > :a", {":a": "1967-08-09"}),
        ("begins_with(email, :a)", {":a": "ann@hospital"}),
        ("ssn_last5 BETWEEN :a AND :b", {":a": "51120", ":b": "51121"}),
        ("ssn_last5 = :a", {":a": b"51120"}),
        ("who_tag = :a", {":a": "Oppenheimer"}),
        ("who_tag IN (:a)", {":a": {**_WHO, "owner": "north"}}),
        ("born BETWEEN :a AND :b", {":a": "9th of August", ":b": "1967-08-09"}),
        ("salary < :a AND salary < :b", {":a": "123456", ":b": 123456}),
    ],
    [
        ("ssn = :a AND ssn_last5 = :b", {":a": SSN, ":b": "51120"}),
        ("ssn_last5 IN (:a, :b)", {":a": "51120", ":b": "51121"}),
        ("email_domain = :a", {":a": "hospital.example"}),
        ("begins_with(#n, :a) AND ends_with(#n, :b)", {":a": "Oppenh", ":b": "Oppenheimer"}),
        ("born BETWEEN :a AND :b", {":a": "1967-08-09", ":b": "1968-01-02"}),
        ("salary >= :a AND ward = :b", {":a": 123456, ":b": 5}),
        ("blood = :a", {":a": "AB negative"}),
        ("who_tag = :a", {":a": {**_WHO, "owner": "north"}}),
    ],
    read=("ward", "id, ssn", "born, ward"),
)

_EVERY = [*FLAT.asked, *FLAT.searched]


def _entities(user: Entity) -> dict[str, Any]:
    """Return the arguments of a table of users, and of products, in which all is plain."""
    return {"entities": {"user": user, "product": Entity(key={"id": "p*"}, where={"type": "product"})}}


KINDS = {
    "flat": FLAT,
    "unbound": FLAT._replace(how={**FLAT.how, "bound": False}),
    "with tenants": FLAT._replace(how={**FLAT.how, "tenant": "owner"}, tenant="north"),
    "closed": FLAT._replace(how={**FLAT.how, "plain": {"owner", "ward"}}),
    "sealed": FLAT._replace(
        how={**FLAT.how, "seal": ItemSeal("seal", over=("photo", "level"))}, updates=FLAT.updates[:1]
    ),
    "entities": FLAT._replace(
        how=_entities(Entity(_FLAT, key={"id": "1*"})), searched=[], asked=_EVERY, read=("ward",)
    ),
    "an entity": FLAT._replace(
        how=_entities(Entity(_FLAT, key={"id": "1*"}, tenant="owner")), tenant="north", only="user"
    ),
    "an entity told by an attribute": FLAT._replace(how=_entities(Entity(_FLAT, where={"type": "user"})), only="user"),
    "nested in an entity": NESTED._replace(how=_entities(Entity(_NESTED, key={"id": "1*"})), only="user"),
    "found by a tag": FLAT._replace(
        how={"attributes": {**_FLAT, "email": Protected(str, index=IndexedBy("id", prefix="E#", rotates=False))}},
        key=("email", "ann@example.org", "bob@example.org"),
        read=("ward", "email, ssn", "ssn, ward"),
    ),
    "with indexes of all kinds": INDEXED,
    "with indexes of all kinds, in an entity": INDEXED._replace(
        how=_entities(Entity(**INDEXED.how, key={"id": "1*"})), only="user"
    ),
    "nested": NESTED,
    "nested, with tenants": NESTED._replace(how={**NESTED.how, "tenant": "owner"}, tenant="north"),
}


def requests(kind: Kind) -> Iterator[tuple[Request, bool]]:
    """Yield requests, each with whether it must be answered; the others may be refused."""
    of_table = {"TableName": NAME}
    name, value, _ = kind.key
    one = {**of_table, "Key": {name: value}}
    item = {**PLAIN, **kind.item, name: value, **({"type": "user"} if "entities" in kind.how else {})}
    there, is_it = f"attribute_exists({name})", {"KeyConditionExpression": f"{name} = :key"}
    yield ("put_item", {**of_table, "Item": item}), True
    yield ("put_item", {**of_table, "Item": item, "ConditionExpression": there}), True
    yield ("put_item", {**of_table, "Item": item, "ReturnValues": "ALL_OLD"}), True
    yield ("get_item", one), True
    for text in kind.read:
        yield ("get_item", {**one, "ProjectionExpression": text}), True
        yield ("scan", {**of_table, "ProjectionExpression": text, "FilterExpression": there}), True
    yield ("query", {**of_table, **is_it, "ExpressionAttributeValues": {":key": value}}), True
    for text, values in (*kind.updates, *kind.tried):
        update = {**one, "UpdateExpression": text, **_named(text), **_valued(values)}
        yield ("update_item", {**update, "ReturnValues": "ALL_NEW"}), (text, values) in kind.updates
        yield ("transact_write_items", {"TransactItems": [{"Update": update}]}), (text, values) in kind.updates
        yield ("put_item", {**of_table, "Item": item}), True
    for text, values in (*kind.searched, *kind.asked):
        some = {**_named(text), **_valued(values)}
        yield ("scan", {**of_table, "FilterExpression": text, **some}), (text, values) in kind.searched
        check = {**one, "ConditionExpression": text, **some}
        for operation in ("delete_item", "update_item"):
            yield (operation, check), False
            yield ("put_item", {**of_table, "Item": item}), True
        yield ("transact_write_items", {"TransactItems": [{"ConditionCheck": check}]}), False
        yield ("query", {**of_table, "KeyConditionExpression": f"{name} = :a AND {text}", **some}), False
    yield from ((each, True) for each in _of_several(kind, item))
    yield from ((each, False) for each in _past_expressions(kind, item))
    yield ("delete_item", {**one, "ReturnValues": "ALL_OLD"}), True


def _named(text: str) -> dict[str, Any]:
    names = {short: name for short, name in (("#n", "name"), ("#o", "owner")) if short in text}
    return {"ExpressionAttributeNames": names} if names else {}


def _valued(values: dict[str, Any]) -> dict[str, Any]:
    return {"ExpressionAttributeValues": values} if values else {}


def _of_several(kind: Kind, item: dict[str, Any]) -> Iterator[Request]:
    name, value, another = kind.key
    key, other = {name: value}, {name: another}
    writes = [{"PutRequest": {"Item": item}}, {"PutRequest": {"Item": {**item, **other}}}]
    yield "batch_write_item", {"RequestItems": {NAME: writes}}
    yield "batch_get_item", {"RequestItems": {NAME: {"Keys": [key, other]}}}
    yield "transact_write_items", {"TransactItems": [{"Put": {"TableName": NAME, "Item": {**item, **other}}}]}
    yield "transact_get_items", {"TransactItems": [{"Get": {"TableName": NAME, "Key": key}}]}
    yield "batch_write_item", {"RequestItems": {NAME: [{"DeleteRequest": {"Key": other}}]}}


def _past_expressions(kind: Kind, item: dict[str, Any]) -> Iterator[Request]:
    """Yield what would send values in other ways."""
    of_table, key = {"TableName": NAME}, {kind.key[0]: kind.key[1]}
    for parameter in ("Key", "ExclusiveStartKey"):
        yield "get_item" if parameter == "Key" else "scan", {**of_table, parameter: item}
    yield "delete_item", {**of_table, "Key": item}
    yield "put_item", {**of_table, "Item": kind.item}  # without its key
    if "ssn" in kind.item:
        yield "put_item", {**of_table, "Item": {**item, "ssn_tag": SSN}}
    yield "batch_write_item", {"RequestItems": {NAME: [{"DeleteRequest": {"Key": item}}]}}
    yield "batch_get_item", {"RequestItems": {NAME: {"Keys": [item]}}}
    old = {name: {"Value": value, "Action": "PUT"} for name, value in kind.item.items()}
    yield "update_item", {**of_table, "Key": key, "AttributeUpdates": old}
    expected = {name: {"Value": kind.item[name]} for name in kind.item}
    yield "put_item", {**of_table, "Item": {**PLAIN, **key}, "Expected": expected}
    values = {name: {"AttributeValueList": [kind.item[name]], "ComparisonOperator": "EQ"} for name in kind.item}
    yield "scan", {**of_table, "ScanFilter": values}
    statement = f"INSERT INTO {NAME} VALUE {{'id': '1', 'ssn': '{SSN}'}}"
    yield "execute_statement", {"Statement": statement}
    yield "batch_execute_statement", {"Statements": [{"Statement": statement}]}
    yield "execute_transaction", {"TransactStatements": [{"Statement": statement}]}


_ITEMS = {"Item", "Key", "ExpressionAttributeValues", "ExclusiveStartKey"}
_serialize = TypeSerializer().serialize


def wired(params: Any) -> Any:
    """Return parameters in DynamoDB's own form."""
    if isinstance(params, Mapping):
        return {
            name: {key: _serialize(each) for key, each in value.items()} if name in _ITEMS else _wired(name, value)
            for name, value in params.items()
        }
    return params


def _wired(name: str, value: Any) -> Any:
    if name == "Keys":
        return [{key: _serialize(each) for key, each in one.items()} for one in value]
    if name == "Value":
        return _serialize(value)
    if name == "AttributeValueList":
        return [_serialize(each) for each in value]
    return [wired(each) for each in value] if isinstance(value, list) else wired(value)


def narrowed(wrapper: Any, kind: Kind) -> Any:
    """Return a wrapper for the items of the kind's tenant and entity, if it has them."""
    wrapper = wrapper if kind.tenant is None else of_tenant(wrapper, kind.tenant)
    return wrapper if kind.only is None else of_entity(wrapper, kind.only)


def create_table(dynamodb: DynamoDb) -> None:
    """Make the table that all kinds describe."""
    dynamodb.client().create_table(
        TableName=NAME,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )


def watched(kind: Kind, secrets: Secrets) -> set[str]:
    """Have all protected values of the requests watched, and return their texts."""
    own = kind.key[1:] if kind.key[0] != "id" else ()
    values = [kind.item, list(own), [values for _, values in (*kind.updates, *kind.tried, *kind.asked, *kind.searched)]]
    confidential = {text for text in _texts(values) if len(text) > 4}
    secrets.add(*confidential)
    secrets.allow("Bern", "Basel", "3000", "3001", "north")
    return confidential


def shown(error: BaseException | None) -> str:
    """All that a log can have of an error, and of those behind it."""
    if error is None:
        return ""
    own = "".join(traceback.format_exception_only(error)) + repr(error.args) + repr(vars(error))
    return own + shown(error.__cause__) + shown(error.__context__)


def _texts(value: Any) -> list[str]:
    """The texts in a value that would give it away."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list | set):
        return [text for each in value for text in _texts(each)]
    return [repr(value)[2:-1] if isinstance(value, bytes) else str(value)]

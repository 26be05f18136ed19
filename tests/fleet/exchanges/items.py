"""Exchanges about items of boto3's and PynamoDB's tables, as tests/frozen/tables.py declares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fieldcrypt_dynamodb import EncryptedTable
from fieldcrypt_pynamodb import of_tenant
from tests.fleet.exchanges.site import Site
from tests.frozen import tables

__all__ = ["STEPS"]

ANN = ("ann", 4711)


def table(site: Site, name: str, description: Any) -> EncryptedTable:
    """Open a table."""
    return EncryptedTable(site.dynamodb.resource().Table(name), description(site.encryptor))


def create_table(site: Site, name: str, *key: tuple[str, str]) -> None:
    """Make a table with a key of attributes of types."""
    site.dynamodb.resource().create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": kind} for part, kind in key],
        KeySchema=[
            {"AttributeName": part, "KeyType": role} for (part, _), role in zip(key, ("HASH", "RANGE"), strict=False)
        ],
    )


def put(site: Site, _: Any) -> None:
    """Write items of every type."""
    site.create()
    create_table(site, "patients", ("clinic", "S"), ("number", "N"))
    for item in tables.PATIENTS:
        table(site, "patients", tables.patients).put_item(Item=item)


def get(site: Site, _: Any) -> None:
    """Read them."""
    patients = table(site, "patients", tables.patients)
    for item in tables.PATIENTS:
        assert patients.get_item(Key=_key(item))["Item"] == item


def update(site: Site, _: Any) -> None:
    """Read an item of the other version, and change it on a condition that a protected attribute is in."""
    get(site, None)
    table(site, "patients", tables.patients).update_item(
        Key=_key(tables.PATIENTS[0]),
        UpdateExpression="SET #text = :text, email = :email",
        ConditionExpression="email = :old",
        ExpressionAttributeNames={"#text": "text"},
        ExpressionAttributeValues={":text": "new", ":email": "Eve@Example.org", ":old": "Ann@Example.org"},
    )


def get_updated(site: Site, _: Any) -> None:
    """Read what has changed."""
    item = table(site, "patients", tables.patients).get_item(Key=_key(tables.PATIENTS[0]))["Item"]
    assert item == {**tables.PATIENTS[0], "text": "new", "email": "Eve@Example.org"}


def _key(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"clinic": item["clinic"], "number": item["number"]}


def put_sealed(site: Site, _: Any) -> None:
    """Write items with a seal, and some that are bound to nothing."""
    site.create()
    create_table(site, "staff", ("id", "S"))
    create_table(site, "loose", ("id", "S"))
    for item in tables.STAFF:
        table(site, "staff", tables.staff).put_item(Item=item)
    for item in tables.LOOSE:
        table(site, "loose", tables.loose).put_item(Item=item)


def get_sealed(site: Site, _: Any) -> None:
    """Read them."""
    staff, loose = table(site, "staff", tables.staff), table(site, "loose", tables.loose)
    assert [staff.get_item(Key={"id": item["id"]})["Item"] for item in tables.STAFF] == tables.STAFF
    assert [loose.get_item(Key={"id": item["id"]})["Item"] for item in tables.LOOSE] == tables.LOOSE


def save(site: Site, _: Any) -> None:
    """Save items of models."""
    site.create()
    account, purse = (make(site.dynamodb, site.encryptor) for make in (tables.account, tables.purse))
    for model in (account, purse):
        model.create_table(wait=True)
    for key, values in tables.ACCOUNTS:
        account(*key, **values).save()
    for owner, iban in tables.PURSES.items():
        purse(owner, iban=iban).save()


def load(site: Site, _: Any) -> None:
    """Read them."""
    account, purse = (make(site.dynamodb, site.encryptor) for make in (tables.account, tables.purse))
    for key, values in tables.ACCOUNTS:
        found = account.get(*key)
        assert {name: _plain(getattr(found, name)) for name in values} == values
    assert {each.id: each.iban for each in purse.scan()} == tables.PURSES


def _plain(value: Any) -> Any:
    return value.as_dict() if hasattr(value, "as_dict") else value


def update_model(site: Site, _: Any) -> None:
    """Change an item of the other version, and find it by its tag."""
    load(site, None)
    account = tables.account(site.dynamodb, site.encryptor)
    assert [each.id for each in account.scan(account.email == "ann@example.org")] == ["ann"]
    assert [each.id for each in account.scan(of_tenant(account.ssn, "north") == "078-05-1120")] == ["ann"]
    account.get(*ANN).update(actions=[account.text.set("new"), account.email.set("Eve@Example.org")])


def load_updated(site: Site, _: Any) -> None:
    """Read what has changed."""
    found = tables.account(site.dynamodb, site.encryptor).get(*ANN)
    assert (found.text, found.email, found.ssn) == ("new", "Eve@Example.org", "078-05-1120")


STEPS: Mapping[str, Sequence[Any]] = {
    "items of boto3's tables": [put, get],
    "items that the other one updates on a condition": [put, update, get_updated],
    "items with a seal": [put_sealed, get_sealed],
    "items of PynamoDB's models": [save, load],
    "items that the other one finds and updates": [save, update_model, load_updated],
}

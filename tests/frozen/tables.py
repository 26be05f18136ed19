"""The tables of DynamoDB whose items were frozen, as boto3's wrappers and models of PynamoDB have them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.models import Model

from fieldcrypt import Encryptor, IndexedBy
from fieldcrypt_dynamodb import DynamoKeyStore, ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.migration import TableMigration
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, encrypted
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.frozen import keys
from tests.frozen.values import BERLIN, Colour
from tests.support.dynamodb import DynamoDb

SOON = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)

# boto3


def patients(encryptor: Encryptor) -> ProtectedTable:
    """Bound to item and tenant, of every type, and searchable."""
    return ProtectedTable(
        "patients",
        encryptor,
        key=("clinic", "number"),
        tenant="clinic",
        attributes={
            "text": str,
            "whole": int,
            "exact": Decimal,
            "fraction": float,
            "yes": bool,
            "born": dt.date,
            "moment": dt.datetime,
            "clock": dt.time,
            "uid": UUID,
            "binary": bytes,
            "notes": list,
            "document": dict,
            "marks": set,
            "colour": Colour,
            "anything": object,
            "padded": Protected(str, pad=32),
            "named": Protected(str, name="people.nickname"),
            "email": Protected(str, index=IndexedBy("email_tag", normaliser="casefold")),
            "phone": Protected(str, index=IndexedBy("phone_tag", normaliser="digits", tag_size=2)),
            "ssn": Protected(str, index=IndexedBy("ssn_tag", per_tenant=True)),
        },
    )


PATIENTS: list[dict[str, Any]] = [
    {
        "clinic": "north",
        "number": Decimal(4711),
        "ward": "in the clear",
        "text": "Ann Müller",
        "whole": 2**100,
        "exact": Decimal("2000.000"),
        "fraction": 1.5,
        "yes": True,
        "born": dt.date(1970, 1, 31),
        "moment": dt.datetime(2026, 11, 23, 14, 49, tzinfo=BERLIN),
        "clock": dt.time(14, 49, 0, 5),
        "uid": UUID("00112233-4455-6677-8899-aabbccddeeff"),
        "binary": b"a photograph",
        "notes": ["migraine", None, {"at": Decimal("5.50")}],
        "document": {"zebra": ["of Dr. Example"], "alpha": False},
        "marks": {"red hair", "blue eyes"},
        "colour": Colour.RED,
        "anything": dt.timedelta(seconds=90),
        "padded": "a short text",
        "named": "Annie Example",
        "email": "Ann@Example.org",
        "phone": "+49 30 901820",
        "ssn": "078-05-1120",
    },
    {"clinic": "south", "number": Decimal(4712), "text": None, "ssn": "078-05-1120"},
]
SHREDDED: dict[str, Any] = {"clinic": "leaving", "number": Decimal(4713), "ssn": "219-09-9999"}


def staff(encryptor: Encryptor) -> ProtectedTable:
    """Sealed items."""
    return ProtectedTable(
        "staff",
        encryptor,
        key=("id",),
        attributes={"salary": Decimal, "notes": list},
        seal=ItemSeal("seal", over=("salary", "notes", "role", "levels")),
    )


STAFF: list[dict[str, Any]] = [
    {"id": "ann", "salary": Decimal("7100.50"), "role": "nurse", "levels": {Decimal(1), Decimal("2.5")}},
    {"id": "bob", "salary": Decimal("8100.50"), "notes": ["a quiet one"]},
]


def loose(encryptor: Encryptor) -> ProtectedTable:
    """Bound to table and attribute alone."""
    return ProtectedTable("loose", encryptor, key=("id",), attributes={"iban": str}, bound=False)


LOOSE: list[dict[str, Any]] = [{"id": "ann", "iban": "DE02120300000000202051"}]

# PynamoDB


class Address(MapAttribute[Any, Any]):
    """A map of its own kind."""

    street = UnicodeAttribute()
    house = NumberAttribute()


_ADDRESS: Any = Address  # whose constructor PynamoDB leaves without types


def account(dynamodb: DynamoDb, encryptor: Encryptor) -> Any:
    """Make the decorated model: bound to item and tenant, with attributes of every kind, searchable."""

    @encrypted(encryptor, tenant="clinic")
    class Account(Model):
        Meta = dynamodb.meta("accounts")
        id = UnicodeAttribute(hash_key=True)
        number = NumberAttribute(range_key=True)
        clinic = UnicodeAttribute()
        text = EncryptedAttribute(UnicodeAttribute(null=True))
        balance = EncryptedAttribute(NumberAttribute(null=True))
        binary = EncryptedAttribute(BinaryAttribute(null=True, legacy_encoding=False))
        yes = EncryptedAttribute(BooleanAttribute(null=True))
        born = EncryptedAttribute(UTCDateTimeAttribute(null=True))
        document = EncryptedAttribute(JSONAttribute(null=True))
        marks = EncryptedAttribute(UnicodeSetAttribute(null=True))
        notes: Any = EncryptedAttribute(ListAttribute(null=True))
        address: Any = EncryptedAttribute(_ADDRESS(null=True))
        padded = EncryptedAttribute(UnicodeAttribute(null=True), pad=32)
        email = EncryptedAttribute(UnicodeAttribute(null=True), index=IndexedBy("email_tag", normaliser="casefold"))
        email_tag = BlindIndexAttribute(null=True)
        ssn = EncryptedAttribute(UnicodeAttribute(null=True), index=IndexedBy("ssn_tag", per_tenant=True))
        ssn_tag = BlindIndexAttribute(null=True)

    return Account


ACCOUNTS: list[tuple[tuple[str, int], dict[str, Any]]] = [
    (
        ("ann", 4711),
        {
            "clinic": "north",
            "text": "Ann Müller",
            "balance": 1700.5,
            "binary": b"a photograph",
            "yes": True,
            "born": dt.datetime(1990, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
            "document": {"zebra": ["of Dr. Example", None]},
            "marks": {"red hair", "blue eyes"},
            "notes": ["a migraine", 7_777_777],
            "address": {"street": "Example Street", "house": 1_234_567},
            "padded": "a short text",
            "email": "Ann@Example.org",
            "ssn": "078-05-1120",
        },
    ),
    (("bob", 4712), {"clinic": "south", "text": None, "email": None, "ssn": "078-05-1120"}),
]


def purse(dynamodb: DynamoDb, encryptor: Encryptor) -> Any:
    """Make the model that is not decorated."""

    class Purse(Model):
        Meta = dynamodb.meta("purses")
        id = UnicodeAttribute(hash_key=True)
        iban = EncryptedAttribute(UnicodeAttribute(), encryptor)

    return Purse


PURSES = {"ann": "DE02120300000000202051"}

# Migrations

ITEMS = 18
BATCH = 2


def clients(encryptor: Encryptor) -> ProtectedTable:
    """The table that is migrated by its description."""
    return ProtectedTable(
        "clients",
        encryptor,
        key=("clinic", "number"),
        tenant="clinic",
        attributes={
            "email": Protected(str, index=IndexedBy("email_tag", normaliser="casefold"), accept_plaintext=SOON),
            "notes": Protected(list, accept_plaintext=SOON),
        },
    )


def client_model(dynamodb: DynamoDb, encryptor: Encryptor) -> Any:
    """Make the model that the same table is migrated by as well."""

    @encrypted(encryptor, tenant="clinic")
    class Client(Model):
        Meta = dynamodb.meta("clients")
        clinic = UnicodeAttribute(hash_key=True)
        number = NumberAttribute(range_key=True)
        email = EncryptedAttribute(
            UnicodeAttribute(), index=IndexedBy("email_tag", normaliser="casefold"), accept_plaintext=SOON
        )
        email_tag = BlindIndexAttribute(null=True)
        notes: Any = EncryptedAttribute(ListAttribute(), accept_plaintext=SOON)

    return Client


def email(number: int) -> str:
    """Return the address of item so many."""
    return f"Ann{number}@example.org"


def notes(number: int) -> list[Any]:
    """Return the notes of item so many."""
    return [f"note {number} of Dr. Example"]


def key(number: int) -> dict[str, Any]:
    """Return the key of item so many, as Python has it."""
    return {"clinic": f"clinic {number % 3}", "number": number}


def keys_of(dynamodb: DynamoDb) -> Encryptor:
    """Make an Encryptor over the key store beside the items."""
    return keys.encryptor(DynamoKeyStore("data-keys", client_factory=dynamodb.client))


Factory = Callable[[str | None], Any]


def of_table(dynamodb: DynamoDb, encryptor: Encryptor, factory: Factory | None = None) -> TableMigration:
    """Make the migration by description."""
    return TableMigration(clients(encryptor), factory or dynamodb.client, segments=2)


def of_model(dynamodb: DynamoDb, encryptor: Encryptor, factory: Factory | None = None) -> TableMigration:
    """Make the migration by model."""
    model: Any = MigratedModel(client_model(dynamodb, encryptor))
    return TableMigration(model, factory or dynamodb.client, segments=2)


MIGRATIONS: Mapping[str, Callable[..., TableMigration]] = {"table": of_table, "model": of_model}

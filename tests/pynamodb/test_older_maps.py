"""Maps and lists that are older than their class: what PynamoDB reads is read as plaintext too, and migrated."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pynamodb.attributes import ListAttribute, MapAttribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.exceptions import AttributeNullError
from pynamodb.models import Model

from fieldcrypt import DecryptionError, Encryptor
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from fieldcrypt_pynamodb import EncryptedAttribute, encrypted
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.support.dynamodb import DynamoDb, raw
from tests.support.wiretap import Secrets

TABLE = "patients"
KEY = {"id": {"N": "1"}}
SOON = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)

BERN = {
    "town": {"S": "Bern on the Aare"},
    "spot": {"M": {"x": {"N": "7.5"}}},  # without what is required of it, further in
    "gone": {"SS": ["a member of old times"]},  # which the class no longer has
    "unknown": {"NULL": True},
}
OLDER = {"address": {"M": BERN}, "former": {"L": [{"M": BERN}, {"M": {}}]}, "loose": {"M": BERN}}


class Spot(MapAttribute[Any, Any]):
    x = NumberAttribute()
    y = NumberAttribute()


class Address(MapAttribute[Any, Any]):
    city = UnicodeAttribute(attr_name="town")
    country = UnicodeAttribute()
    since = UTCDateTimeAttribute()
    spot: Any = Spot()


def inner() -> dict[str, Any]:
    """Attributes of three kinds, as they are declared now."""
    return {
        "address": Address(),
        "former": ListAttribute(of=Address),
        "loose": MapAttribute(),
    }


def model_of(dynamodb: DynamoDb, attributes: dict[str, Any]) -> Any:
    members = {"Meta": dynamodb.meta(TABLE), "id": NumberAttribute(hash_key=True), **attributes}
    return type("Patient", (Model,), members)


@pytest.fixture
def plain(dynamodb: DynamoDb, secrets: Secrets) -> Any:
    """The model without encryption, and a table with an item that is older than it."""
    secrets.allow("Bern on the Aare", "a member of old times", "unknown", Decimal("7.5"))
    plain = model_of(dynamodb, inner())
    plain.create_table(wait=True)
    dynamodb.client().put_item(TableName=TABLE, Item={**KEY, **OLDER})
    return plain


@pytest.fixture(params=[True, False], ids=["bound", "not bound"])
def model(request: pytest.FixtureRequest, dynamodb: DynamoDb, plain: Any, encryptor: Encryptor) -> Any:
    """The model that is encrypted, and accepts plaintext."""
    model = model_of(
        dynamodb,
        {name: EncryptedAttribute(kind, encryptor, accept_plaintext=SOON) for name, kind in inner().items()},
    )
    return encrypted(encryptor)(model) if request.param else model


def read(model: Any) -> list[Any]:
    """What the program sees of the item, by get and by scan."""
    return [
        (
            (each.address.city, each.address.country, each.address.spot.x, each.address.spot.y),
            each.loose["town"],
            [(former.city, former.since) for former in each.former],
        )
        for each in (model.get(1), *model.scan())
    ]


TOWN = "Bern on the Aare"
SEEN = [((TOWN, None, 7.5, None), TOWN, [(TOWN, None), (None, None)])] * 2


def test_read(plain: Any, model: Any) -> None:
    """Plaintext is read as PynamoDB reads it, though members are missing that are required now."""
    assert read(plain) == SEEN
    assert read(model) == SEEN


def test_migrated(dynamodb: DynamoDb, plain: Any, model: Any) -> None:
    """They are encrypted as they are, read as before, and put back as they were."""
    CheckpointTable(client_factory=dynamodb.client).create_table()
    table: Any = MigratedModel(model)
    migration = TableMigration(table, dynamodb.client)
    report = migration.backfill()
    assert (report.changed, report.failed) == (1, 0)
    stored = raw(dynamodb, TABLE, KEY)
    assert all("B" in stored[name] for name in OLDER)
    assert migration.verify().wrong == 0
    assert read(model) == SEEN
    assert migration.undo().changed == 1
    assert raw(dynamodb, TABLE, KEY) == {**KEY, **OLDER}
    assert read(plain) == SEEN


def test_written(plain: Any, model: Any) -> None:
    """What is required is required of writes, as by PynamoDB."""
    for kind in (plain, model):
        with pytest.raises(AttributeNullError):
            kind.get(1).save()


def test_what_pynamodb_does_not_read(dynamodb: DynamoDb, plain: Any, model: Any) -> None:
    """A member of another type is no plaintext of the class, and the error does not tell it."""
    dynamodb.client().put_item(TableName=TABLE, Item={**KEY, "address": {"M": {"town": {"SS": ["Bern on the Aare"]}}}})
    with pytest.raises(TypeError):
        plain.get(1)
    with pytest.raises(DecryptionError) as caught:
        model.get(1)
    assert "Bern" not in repr(caught.value)

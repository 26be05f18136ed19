"""Values in which a normaliser finds nothing: stored without a tag, and never searched for."""

from __future__ import annotations

from typing import Any

import pytest
from pynamodb.attributes import UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, IndexedBy, encrypted
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.support.dynamodb import FIRST, DynamoDb

PHONE, UNKNOWN = "+1 555 0100", "n/a"
NEWER = "Ann \U0001fae8"  # with a character of Unicode 15.0


def people(meta: Any, keys: Encryptor) -> Any:
    """A model with a searchable phone, and its table, whose index has the tags as its key."""

    class ByPhone(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = "by-phone"
            projection = AllProjection()

        phone_tag = BlindIndexAttribute(hash_key=True)

    @encrypted(keys, fields="people")
    class Person(Model):
        Meta = meta
        id = UnicodeAttribute(hash_key=True)
        phone = EncryptedAttribute(UnicodeAttribute(null=True), index=IndexedBy("phone_tag", normaliser="digits"))
        phone_tag = BlindIndexAttribute(null=True)
        name = EncryptedAttribute(UnicodeAttribute(null=True), index=IndexedBy("name_tag", normaliser="casefold"))
        name_tag = BlindIndexAttribute(null=True)
        by_phone = ByPhone()

    Person.create_table(wait=True)
    return Person


@pytest.fixture
def person(meta: Any, keys: Encryptor) -> Any:
    return people(meta, keys)


def tagged(dynamodb: DynamoDb, person: Any) -> dict[str, bool]:
    """Whether each item has a tag of its phone, by id."""
    items = dynamodb.client().scan(TableName=person.Meta.table_name, ConsistentRead=True)["Items"]
    return {item["id"]["S"]: "phone_tag" in item for item in items}


def test_every_way_to_write_stores_it_without_a_tag(dynamodb: DynamoDb, person: Any) -> None:
    """So that it can be in a table whose index has the tag as its key."""
    person("save", phone=UNKNOWN, name=NEWER).save()
    with person.batch_write() as batch:
        batch.save(person("batch", phone=UNKNOWN, name=NEWER))
    connection = Connection(region=FIRST, host=person.Meta.host)
    connection.session.set_credentials("local", "local")
    with TransactWrite(connection=connection) as transaction:
        transaction.save(person("transaction", phone=UNKNOWN, name=NEWER))
    assert tagged(dynamodb, person) == dict.fromkeys(("save", "batch", "transaction"), False)
    assert [(each.phone, each.name, each.name_tag) for each in person.scan()] == [(UNKNOWN, NEWER, None)] * 3


def test_an_update_to_it_takes_the_tag_away(dynamodb: DynamoDb, person: Any) -> None:
    """Else the item would be found by the value that it had; and one from it gives a tag."""
    for first, second, expected in ((PHONE, UNKNOWN, False), (UNKNOWN, PHONE, True)):
        item = person("a", phone=first)
        item.save()
        assert tagged(dynamodb, person) == {"a": not expected}
        item.update(actions=[person.phone.set(second)])
        assert tagged(dynamodb, person) == {"a": expected}
        item.phone = first
        item.save()
        assert tagged(dynamodb, person) == {"a": not expected}


def test_a_search_for_it_is_refused(person: Any) -> None:
    """All such values would count as equal; the error does not show the value."""
    person("a", phone=PHONE).save()
    for ask in (
        lambda: list(person.scan(person.phone == UNKNOWN)),
        lambda: list(person.scan(person.phone.is_in(PHONE, UNKNOWN))),
        lambda: list(person.by_phone.query(UNKNOWN)),
    ):
        with pytest.raises(ValueError, match="digits") as caught:
            ask()
        assert UNKNOWN not in str(caught.value)


def test_it_is_not_among_what_is_found(person: Any) -> None:
    """It neither equals a value that has a tag, nor keeps others from being found."""
    for number, phone in (("a", UNKNOWN), ("b", PHONE), ("c", "555 0199")):
        person(number, phone=phone).save()
    assert [each.id for each in person.by_phone.query("1-555-0100")] == ["b"]
    assert [each.id for each in person.scan(person.phone == PHONE)] == ["b"]


def test_a_migration_agrees(dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
    """Such an item is verified as right."""
    person = people(meta, keys)
    CheckpointTable(client_factory=dynamodb.client).create_table()
    person("a", phone=UNKNOWN, name=NEWER).save()
    person("b", phone=PHONE, name="Ann").save()
    job = TableMigration(MigratedModel(person), client_factory=dynamodb.client)
    assert job.verify().wrong == 0
    assert job.backfill().changed == 0

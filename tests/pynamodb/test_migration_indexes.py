"""Indexes of every kind in a migration of a PynamoDB model."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, encrypted
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import provider as provider
from tests.pynamodb.people import people
from tests.support.dynamodb import DynamoDb, OnMoto
from tests.support.wiretap import Secrets

LOST = ("ssn_last4", "name_prefix_3", "name_ends", "born_range_5", "weight_range", "seen_tag", "who_tag", "where_tag")
SURNAMES = ("Meyer", "Mo", "Øster")


def stored(dynamodb: DynamoDb, table: str) -> list[dict[str, Any]]:
    """The companions of all items."""
    found = dynamodb.client().scan(TableName=table, ConsistentRead=True)["Items"]
    ends = ("_tag", "_last4", "_domain", "_ends", "_range")
    return [
        {
            name: sorted(value["BS"]) if "BS" in value else value
            for name, value in item.items()
            if name.endswith(ends) or name.rpartition("_")[2].isdigit()
        }
        for item in sorted(found, key=lambda item: str(item["id"]))
    ]


@pytest.fixture
def person(dynamodb: DynamoDb, encryptor: Encryptor) -> Any:
    """A model of people, three of whom are in its table."""
    CheckpointTable(client_factory=dynamodb.client).create_table()
    model = people(dynamodb.meta("people"), encryptor)
    for n, surname in enumerate(SURNAMES):
        now = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
        model(
            str(n),
            ssn=f"078-05-112{n}",
            email="a@example.org",
            surname=surname,
            born=dt.date(1980, 5, 17),
            weight=171 + n,
            seen=now,
        ).save()
    return model


class TestIndexes(OnMoto):
    def test_items_get_the_tags_that_the_model_would_have_written(self, dynamodb: DynamoDb, person: Any) -> None:
        """Of attributes as they are indexed, of several together, and in sets."""
        before = stored(dynamodb, "people")
        for n in range(len(SURNAMES)):
            dynamodb.client().update_item(
                TableName="people", Key={"id": {"S": str(n)}}, UpdateExpression=f"REMOVE {', '.join(LOST)}"
            )
        job = TableMigration(MigratedModel(person), segments=2)
        names = ("ssn", "surname", "born", "weight", "seen", "who_tag", "where_tag")
        assert job.plan().stale_tags == {f"people.{name}": 3 for name in names}
        assert (
            "surname has another blind index tag than its value: name_prefix_3, name_ends" in job.verify().reasons["0",]
        )
        assert (job.backfill().changed, job.verify().wrong) == (3, 0)
        assert stored(dynamodb, "people") == before

    def test_an_index_is_dropped_whose_declaration_is_gone(
        self, dynamodb: DynamoDb, person: Any, encryptor: Encryptor
    ) -> None:
        """As long as the model has the attribute that holds its tags; nothing else is erased."""

        @encrypted(encryptor, tenant="clinic", fields="people", same_place=True)
        class Later(Model):
            Meta: Any = dynamodb.meta("people")
            id = UnicodeAttribute(hash_key=True)
            clinic = UnicodeAttribute()
            ssn = EncryptedAttribute(UnicodeAttribute(null=True))
            ssn_last4 = BlindIndexAttribute(null=True)

        job = TableMigration(MigratedModel(Later), segments=2)
        for name in ("ssn", "clinic", "ssn_tag"):
            with pytest.raises(ConfigurationError, match=f"{name} is no companion of people"):
                job.drop_index(name)
        assert job.drop_index("ssn_last4").changed == 3
        assert ["ssn_last4" in item for item in stored(dynamodb, "people")] == [False] * 3
        assert all("ssn_tag" in item for item in stored(dynamodb, "people"))

    def test_an_attribute_that_another_class_has_under_the_name_of_a_companion_stays(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """What is no companion in the class of an item is erased from no item of it."""

        @encrypted(encryptor)
        class Person(Model):
            Meta: Any = dynamodb.meta("staff")
            id = UnicodeAttribute(hash_key=True)
            kind = DiscriminatorAttribute()

        class Nurse(Person, discriminator="nurse"):
            ssn = EncryptedAttribute(UnicodeAttribute(), index="code")
            code = BlindIndexAttribute(null=True)

        class Surgeon(Person, discriminator="surgeon"):
            code = UnicodeAttribute()

        CheckpointTable(client_factory=dynamodb.client).create_table()
        Person.create_table(wait=True)
        Nurse("1", ssn="078-05-1120").save()
        Surgeon("2", code="heart").save()
        job = TableMigration(MigratedModel(Person), segments=2)
        assert job.tagged("code") == {"staff": 1}
        assert job.drop_index("code").changed == 1
        assert [(each.id, each.code) for each in Surgeon.scan()] == [("2", "heart")]
        assert not any(each.code for each in Nurse.scan())

"""Migrations of PynamoDB models: items of several classes in one table, and values that do not come back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pynamodb.attributes import DiscriminatorAttribute, JSONAttribute, MapAttribute, UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt_dynamodb import Protected
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.dynamodb.migrations import TABLE, create, described, encryptor, key, migration, provider
from tests.dynamodb.migrations_met import before
from tests.dynamodb.plaintext import SOON
from tests.support.dynamodb import FIRST, SECOND, DynamoDb, OnMoto, put_raw, raw
from tests.support.wiretap import Secrets

__all__ = ["encryptor", "provider"]

SSN = "078-05-1120"


def put(dynamodb: DynamoDb, number: int, region: str = FIRST, **values: Any) -> None:
    """Write an item as an application without fieldcrypt does."""
    dynamodb.client(region).put_item(TableName=TABLE, Item={"id": {"S": str(number)}, **values})


def stored(dynamodb: DynamoDb, number: int) -> dict[str, Any]:
    """Return an item as DynamoDB has it."""
    found: dict[str, Any] = dynamodb.client().get_item(TableName=TABLE, Key={"id": {"S": str(number)}})["Item"]
    return found


class TestClasses(OnMoto):
    @pytest.fixture
    def people(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> tuple[Any, Any, Any]:
        """A base without a protected attribute, a class with one, and one in which that attribute is plain."""

        @encrypted_model(encryptor)
        class Person(Model):
            Meta = dynamodb.meta(TABLE)
            id = UnicodeAttribute(hash_key=True)
            kind = DiscriminatorAttribute()

        class Nurse(Person, discriminator="nurse"):
            ssn = EncryptedAttribute(UnicodeAttribute(null=True), accept_plaintext=SOON)

        class Surgeon(Person, discriminator="surgeon"):
            ssn = UnicodeAttribute(null=True)

        CheckpointTable(client_factory=dynamodb.client).create_table()
        Person.create_table(wait=True)
        secrets.allow(SSN)
        return Person, Nurse, Surgeon

    def test_an_item_without_a_discriminator_is_a_failure_if_it_has_what_a_class_protects(
        self, dynamodb: DynamoDb, people: tuple[Any, Any, Any]
    ) -> None:
        """It may be older than the discriminator, and be read as of that class by name."""
        put(dynamodb, 1, ssn={"S": SSN})
        put(dynamodb, 2, kind={"S": "nurse"}, ssn={"S": SSN})
        put(dynamodb, 3, note={"S": "nothing"})
        report = TableMigration(MigratedModel(people[0])).backfill()
        assert (report.changed, list(report.failures), report.complete) == (1, [("1",)], False)
        assert "write its kind" in str(report.failures["1",])

    def test_items_of_classes_beside_the_model_are_passed_over(
        self, dynamodb: DynamoDb, people: tuple[Any, Any, Any]
    ) -> None:
        """What is plain in them stays plain."""
        put(dynamodb, 1, kind={"S": "surgeon"}, ssn={"S": SSN})
        put(dynamodb, 2, kind={"S": "nurse"}, ssn={"S": SSN})
        job = TableMigration(MigratedModel(people[1]))
        assert sum(job.plan().passed_over.values()) == 1
        assert job.backfill().complete
        assert [next(iter(stored(dynamodb, number)["ssn"])) for number in (1, 2)] == ["S", "B"]

    def test_an_item_whose_class_changes_while_it_is_encrypted_is_read_again(
        self, dynamodb: DynamoDb, people: tuple[Any, Any, Any]
    ) -> None:
        """It would be bound to the field of a class that it is no longer of."""
        put(dynamodb, 1, kind={"S": "nurse"}, ssn={"S": SSN})

        def move(at: int) -> None:
            put(dynamodb, 1, kind={"S": "surgeon"}, ssn={"S": SSN})

        job = TableMigration(MigratedModel(people[0]), before(dynamodb, "UpdateItem", TABLE, move))
        assert (job.backfill().changed, stored(dynamodb, 1)["ssn"]) == (0, {"S": SSN})


def test_encrypted_attributes_inside_of_maps_are_refused(encryptor: Encryptor) -> None:
    """No step would come to them, and each would call itself complete."""

    class Address(MapAttribute[Any, Any]):
        street = EncryptedAttribute(UnicodeAttribute(), encryptor, name="people.street")

    class Person(Model):
        class Meta:
            table_name = TABLE

        id = UnicodeAttribute(hash_key=True)
        ssn = EncryptedAttribute(UnicodeAttribute(), encryptor)
        address = Address()

    with pytest.raises(ConfigurationError, match=r"Person\.address\.street is encrypted inside of a map"):
        MigratedModel(Person)


class TestCredentials(OnMoto):
    def test_those_of_the_model_are_used_when_its_own_region_is_named(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There are none but in its Meta."""

        class Patient(Model):
            Meta = dynamodb.meta(TABLE, SECOND)
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(), encryptor, accept_plaintext=SOON)

        Patient.create_table(wait=True)
        secrets.allow(SSN)
        put(dynamodb, 1, SECOND, ssn={"S": SSN})
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name, raising=False)
        job = TableMigration(MigratedModel(Patient), region=SECOND)
        job.checkpoints.create_table()
        assert job.backfill().changed == 1


class TestExactness(OnMoto):
    @pytest.mark.parametrize(
        ("plain", "is_held"),
        [
            ("0.1", True),
            ("1E+2", True),
            ("9007199254740993", False),
            ("0.12345678901234567890123456789012345678", False),
        ],
    )
    def test_a_number_that_the_type_does_not_hold_is_a_failure_and_stays(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets, plain: str, is_held: bool
    ) -> None:
        """Of what would be encrypted nobody could tell what it was."""
        secrets.allow(float(plain), Decimal(plain))
        create(dynamodb)
        put_raw(dynamodb, TABLE, {**key(1), "weight": {"N": plain}})
        job = migration(dynamodb, described(encryptor, attributes={"weight": Protected(float, accept_plaintext=SOON)}))
        report = job.backfill()
        assert (report.changed, report.failed) == ((1, 0) if is_held else (0, 1))
        if not is_held:
            assert Decimal(raw(dynamodb, TABLE, key(1))["weight"]["N"]) == Decimal(plain)

    def test_the_null_of_json_is_nothing_before_and_after(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """PynamoDB reads it as None; nothing has no ciphertext, and the text would be read by nobody in the end."""

        class Patient(Model):
            Meta = dynamodb.meta(TABLE)
            id = UnicodeAttribute(hash_key=True)
            notes = EncryptedAttribute(JSONAttribute(null=True), encryptor, accept_plaintext=SOON)

        CheckpointTable(client_factory=dynamodb.client).create_table()
        Patient.create_table(wait=True)
        put(dynamodb, 1, notes={"S": "null"})
        job = TableMigration(MigratedModel(Patient))
        assert Patient.get("1").notes is None
        assert (job.plan().due, job.backfill().complete, job.verify().wrong) == (1, True, 0)
        assert "notes" not in stored(dynamodb, 1)
        assert Patient.get("1").notes is None

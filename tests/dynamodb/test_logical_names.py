"""Tables with a logical name, from which fields, tags and seals take theirs, whatever the table is called."""

from __future__ import annotations

from typing import Any

import pytest
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, ProtectedRecord
from fieldcrypt_dynamodb import (
    EncryptedTable,
    Entity,
    IndexedBy,
    ItemSeal,
    Protected,
    ProtectedTable,
    of_entity,
    of_tenant,
)
from fieldcrypt_pynamodb import EncryptedAttribute, encrypted
from tests.dynamodb.patients import encryptor as encryptor
from tests.support.dynamodb import DynamoDb, OnMoto

SSN = "078-05-1120"
ITEM = {"id": "1", "ssn": SSN, "email": "ann@example.org"}
ATTRIBUTES = {"ssn": str, "email": Protected(str, index=IndexedBy("email_tag"))}
SEAL = ItemSeal("seal", over=("ssn", "email"))


def create(dynamodb: DynamoDb, name: str) -> Any:
    """Make a table of boto3's."""
    return dynamodb.resource().create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


class TestTables(OnMoto):
    @pytest.fixture
    def restored(self, dynamodb: DynamoDb, encryptor: Encryptor) -> Any:
        """A table with another name, and the items that a backup of the first one had."""
        first = create(dynamodb, "patients")
        description = ProtectedTable("patients", encryptor, key=["id"], attributes=ATTRIBUTES, seal=SEAL)
        EncryptedTable(first, description).put_item(Item=ITEM)
        second = create(dynamodb, "restored")
        second.put_item(Item=first.get_item(Key={"id": "1"})["Item"])
        return second

    def test_a_restored_table_is_read_and_searched(self, restored: Any, encryptor: Encryptor) -> None:
        """Values, tags and seals are bound to the logical name."""
        declared: Any = {"key": ["id"], "attributes": ATTRIBUTES, "seal": SEAL, "fields": "patients"}
        table = EncryptedTable(restored, ProtectedTable("restored", encryptor, **declared))
        found = table.scan(FilterExpression="email = :email", ExpressionAttributeValues={":email": "ann@example.org"})
        assert found["Items"] == [ITEM]

    def test_a_record_reads_an_item(self, restored: Any, encryptor: Encryptor) -> None:
        """Of the same name and key."""
        record = ProtectedRecord("patients", encryptor, key="id", fields={"ssn": str})
        item = restored.get_item(Key={"id": "1"})["Item"]
        assert record.decrypt({"id": item["id"], "ssn": item["ssn"].value})["ssn"] == SSN

    @pytest.mark.parametrize(("fields", "moved"), [("patients", True), ("visitors", False), (None, False)])
    def test_values_move_between_tables_of_one_name_alone(
        self, dynamodb: DynamoDb, restored: Any, encryptor: Encryptor, fields: str | None, moved: bool
    ) -> None:
        """So whoever can write to both gains what `same_place=True` allowed, and nothing without it."""
        how: dict[str, Any] = {"key": ["id"], "attributes": ATTRIBUTES, "fields": fields, "same_place": True}
        other = EncryptedTable(create(dynamodb, "visitors"), ProtectedTable("visitors", encryptor, **how))
        other.put_item(Item={**ITEM, "ssn": "219-09-9999"})
        bare = dynamodb.resource().Table("visitors")
        bare.put_item(Item={**bare.get_item(Key={"id": "1"})["Item"], "ssn": restored.scan()["Items"][0]["ssn"]})
        if moved:
            assert other.get_item(Key={"id": "1"})["Item"]["ssn"] == SSN
        else:
            with pytest.raises(DecryptionError):
                other.get_item(Key={"id": "1"})

    def test_an_error_says_that_the_table_may_have_another_name(self, restored: Any, encryptor: Encryptor) -> None:
        """That of a value, and that of a seal."""
        hint = "was the table restored restored or copied from one with another name"
        for how in ({}, {"seal": SEAL}):
            described = ProtectedTable("restored", encryptor, key=["id"], attributes=ATTRIBUTES, **how)  # type: ignore[arg-type]
            with pytest.raises(DecryptionError, match=hint):
                EncryptedTable(restored, described).get_item(Key={"id": "1"})

    def test_an_error_says_that_the_logical_name_may_be_another_one(self, restored: Any, encryptor: Encryptor) -> None:
        """If there is one."""
        described = ProtectedTable("restored", encryptor, key=["id"], attributes=ATTRIBUTES, fields="people")
        with pytest.raises(DecryptionError, match=r"the table is called restored, its fields people\.…"):
            EncryptedTable(restored, described).get_item(Key={"id": "1"})

    def test_an_error_that_says_what_is_wrong_has_no_hint(self, restored: Any, encryptor: Encryptor) -> None:
        """A name would explain nothing."""
        restored.put_item(Item={"id": "2", "ssn": "plain"})
        described = ProtectedTable("restored", encryptor, key=["id"], attributes=ATTRIBUTES)
        with pytest.raises(DecryptionError, match="not encrypted") as caught:
            EncryptedTable(restored, described).get_item(Key={"id": "2"})
        assert caught.value.hint is None

    def test_an_error_under_a_name_that_was_chosen_has_no_hint(self, restored: Any, encryptor: Encryptor) -> None:
        """If the table is called so, too, the name is the first thing that somebody has thought of."""
        described = ProtectedTable("restored", encryptor, key=["id"], attributes=ATTRIBUTES, fields="restored")
        with pytest.raises(DecryptionError) as caught:
            EncryptedTable(restored, described).get_item(Key={"id": "1"})
        assert caught.value.hint is None


@pytest.mark.parametrize("how", [{}, {"tenant": "clinic"}])
def test_two_tables_of_one_name_are_refused(encryptor: Encryptor, how: dict[str, Any]) -> None:
    """Unless both have tenants: items of the same key could be exchanged between them."""
    declared: dict[str, Any] = {"key": ["id"], "attributes": ATTRIBUTES}
    first = ProtectedTable("patients", encryptor, **declared)
    with pytest.raises(ConfigurationError, match="tables patients and restored"):
        ProtectedTable("restored", encryptor, fields="patients", **declared, **how)
    second = ProtectedTable("restored", encryptor, fields="patients", same_place=True, **declared, **how)
    assert [first, second, ProtectedTable("patients", encryptor, **declared)]


def test_two_tables_of_one_name_may_have_tenants(encryptor: Encryptor) -> None:
    """Then items of two tenants cannot be exchanged."""
    declared: dict[str, Any] = {"key": ["id"], "attributes": ATTRIBUTES, "tenant": "clinic", "fields": "patients"}
    assert [ProtectedTable(name, encryptor, **declared) for name in ("east", "west")]


def app(encryptor: Encryptor, table: str, *, fields: str | None = "app", tenant: str | None = "org") -> ProtectedTable:
    entities = {"user": Entity({"ssn": str}, key={"id": "U#*"}, tenant=tenant), "product": Entity(key={"id": "P#*"})}
    return ProtectedTable(table, encryptor, key=["id"], entities=entities, fields=fields)


def test_a_table_of_entities_is_one_place(encryptor: Encryptor) -> None:
    """It has tenants if all entities have that have something to protect."""
    tables = [app(encryptor, "east"), app(encryptor, "west")]
    with pytest.raises(ConfigurationError, match=r"'app' is that of the tables (east|west) and third"):
        app(encryptor, "third", tenant=None)
    assert tables


@pytest.mark.parametrize("entities_first", [True, False])
def test_the_name_of_an_entity_is_no_other_tables(encryptor: Encryptor, entities_first: bool) -> None:
    """Its fields are app.user.ssn, and could be those of a table that is called app.user."""

    def users(table: str, **how: Any) -> ProtectedTable:
        return ProtectedTable(table, encryptor, key=["id"], attributes=ATTRIBUTES, fields="app.user", **how)

    first = app(encryptor, "east", tenant=None) if entities_first else users("users")
    with pytest.raises(ConfigurationError, match=r"'app\.user' is that of the tables"):
        users("users") if entities_first else app(encryptor, "east", tenant=None)
    assert [first, users("users", same_place=True), users("east" if entities_first else "users")]


@pytest.mark.parametrize("narrowed", [lambda table: of_entity(table, "user"), lambda table: of_tenant(table, "x")])
def test_what_a_description_was_narrowed_to_counts(encryptor: Encryptor, narrowed: Any) -> None:
    """Though the description itself is gone."""
    users = narrowed(app(encryptor, "east"))
    with pytest.raises(ConfigurationError, match="tables east and west"):
        app(encryptor, "west", tenant=None)
    assert users


@pytest.mark.parametrize(
    ("fields", "hint"),
    [(None, "was the table restored restored"), ("shop", "the table is called restored, its fields")],
)
def test_an_error_about_an_entity_names_the_table(encryptor: Encryptor, fields: str | None, hint: str) -> None:
    """Not what its entity is called."""
    item = app(encryptor, "app").encrypt_item({"id": "U#1", "org": "x", "ssn": SSN})
    with pytest.raises(DecryptionError, match=hint):
        app(encryptor, "restored", fields=fields).decrypt_item(item)


def test_a_table_that_nobody_describes_any_more_is_in_nobody_s_way(encryptor: Encryptor) -> None:
    """A description within a function counts while it is used."""
    for name in ("east", "west"):
        ProtectedTable(name, encryptor, key=["id"], attributes=ATTRIBUTES, fields="patients")


@pytest.mark.parametrize("fields", ["", 5, b"patients"])
def test_what_is_no_name_is_refused(encryptor: Encryptor, fields: Any) -> None:
    """An empty name would be the table's, unnoticed."""
    with pytest.raises(ConfigurationError, match="the logical name"):
        ProtectedTable("restored", encryptor, key=["id"], attributes=ATTRIBUTES, fields=fields)
    with pytest.raises(ConfigurationError, match="the logical name"):
        encrypted(encryptor, fields=fields)


class TestModels(OnMoto):
    @pytest.fixture
    def patient(self, dynamodb: DynamoDb, encryptor: Encryptor) -> Any:
        """A model with a logical name."""

        @encrypted(encryptor, fields="patients")
        class Patient(Model):
            Meta = dynamodb.meta("restored")
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute())

        Patient.create_table(wait=True)
        return Patient

    def test_its_values_are_those_of_the_record(self, dynamodb: DynamoDb, patient: Any, encryptor: Encryptor) -> None:
        """Whatever the model's table is called."""
        patient("1", ssn=SSN).save()
        item = dynamodb.resource().Table("restored").get_item(Key={"id": "1"})["Item"]
        record = ProtectedRecord("patients", encryptor, key="id", fields={"ssn": str})
        assert record.decrypt({"id": "1", "ssn": item["ssn"].value})["ssn"] == SSN

    def test_an_error_names_the_field(self, patient: Any) -> None:
        """Not the table."""
        with pytest.raises(TypeError) as caught:
            patient.scan(patient.ssn.startswith("078"))
        assert vars(caught.value)["field"] == "patients.ssn"

    def test_an_error_about_a_shared_attribute_names_no_other_model(
        self, dynamodb: DynamoDb, encryptor: Encryptor
    ) -> None:
        """But the attribute alone, which does not know of which model it was asked."""

        class Base(Model):
            ssn = EncryptedAttribute(UnicodeAttribute())

        @encrypted(encryptor, fields="patients")
        class Patient(Base):
            Meta = dynamodb.meta("first")
            id = UnicodeAttribute(hash_key=True)

        @encrypted(encryptor, fields="visitors")
        class Visitor(Base):
            Meta = dynamodb.meta("second")
            id = UnicodeAttribute(hash_key=True)

        for model in (Patient, Visitor):
            with pytest.raises(TypeError) as caught:
                model.scan(model.ssn == SSN)
            assert vars(caught.value)["field"] == "ssn"

    def test_another_table_has_another_name(self, dynamodb: DynamoDb, patient: Any, encryptor: Encryptor) -> None:
        """Else values of two tables could be exchanged."""

        class Visitor(patient):  # type: ignore[misc]
            Meta = dynamodb.meta("visitors")

        with pytest.raises(ConfigurationError, match="Visitor is of another table"):
            Visitor("1", ssn=SSN).save()
        with pytest.raises(ConfigurationError, match="goes on a model with a table"):

            @encrypted(encryptor, fields="patients")
            class Base(Model):
                id = UnicodeAttribute(hash_key=True)

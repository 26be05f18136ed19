"""Decorated models: values bound to item and tenant. Every request is searched for plaintext."""

from __future__ import annotations

import base64
import datetime as dt
import enum
import json
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st
from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import AttributeNullError, DeleteError, PutError, TransactWriteError, UpdateError
from pynamodb.expressions.condition import size
from pynamodb.expressions.operand import Path
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, LocalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite
from sqlalchemy import String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    FieldcryptError,
    LocalKeyProvider,
    MemoryKeyStore,
    key_text,
    row_context,
)
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, IndexedBy, ProtectedAttributeError, encrypted
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy import encrypted as encrypted_rows
from tests.support.doubles import CountingProvider
from tests.support.dynamodb import FIRST, DynamoDb, OnMoto, put_raw, raw
from tests.support.strategies import relaxed
from tests.support.wiretap import Secrets

SSN = "078-05-1120"
OTHER_SSN = "219-09-9999"
EMAIL = "ann@example.org"
UTC = dt.UTC
KEY = {"clinic": {"S": "clinic-7"}, "id": {"N": "1"}}


@pytest.fixture
def keys() -> Encryptor:
    """An Encryptor with a store, as blind indexes need it."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture
def meta(dynamodb: DynamoDb, secrets: Secrets) -> Any:
    """The Meta of an empty table, whose keys are small numbers, as some protected values are."""
    secrets.allow(1, 2, 3)
    return dynamodb.meta("patients")


class Address(MapAttribute[Any, Any]):
    """A map with declared attributes."""

    street = UnicodeAttribute(attr_name="s")
    number = NumberAttribute(null=True)


def patients(meta: Any, keys: Encryptor) -> Any:
    """A model with protected attributes of every kind, whose tenant is part of the key, and its table."""

    class ByName(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = "by-name"
            projection = AllProjection()

        name = UnicodeAttribute(hash_key=True)

    class ByWard(LocalSecondaryIndex[Any]):
        class Meta:
            index_name = "by-ward"
            projection = IncludeProjection(["ssn"])

        clinic = UnicodeAttribute(hash_key=True)
        ward = UnicodeAttribute(range_key=True)

    @encrypted(keys, tenant="clinic")
    class Patient(Model):
        Meta = meta

        clinic = UnicodeAttribute(hash_key=True)
        id = NumberAttribute(range_key=True)
        name = UnicodeAttribute(null=True)
        ward = UnicodeAttribute(null=True)
        visits = NumberAttribute(default=0)
        expires = TTLAttribute(null=True)
        version = VersionAttribute()
        by_name = ByName()
        by_ward = ByWard()

        ssn = EncryptedAttribute(UnicodeAttribute(null=True))
        email = EncryptedAttribute(UnicodeAttribute(null=True), index=IndexedBy("email_tag", normaliser="casefold"))
        email_tag = BlindIndexAttribute(null=True)
        weight = EncryptedAttribute(NumberAttribute(null=True))
        scan_ = EncryptedAttribute(BinaryAttribute(legacy_encoding=False, null=True), pad=64)
        alive = EncryptedAttribute(BooleanAttribute(default=True))
        born = EncryptedAttribute(UTCDateTimeAttribute(null=True, attr_name="b"))
        notes = EncryptedAttribute(JSONAttribute(null=True))
        allergies = EncryptedAttribute(UnicodeSetAttribute())
        doses = EncryptedAttribute(NumberSetAttribute())
        history: Any = EncryptedAttribute(ListAttribute(null=True))
        address = EncryptedAttribute(Address(null=True))
        extra: Any = EncryptedAttribute(MapAttribute(null=True))

    Patient.create_table(wait=True)
    return Patient


VALUES: dict[str, Any] = {
    "ssn": SSN,
    "email": EMAIL,
    "weight": 71.5,
    "scan_": b"\x00" + SSN.encode(),
    "alive": False,
    "born": dt.datetime(1980, 2, 29, 12, tzinfo=UTC),
    "notes": {"secret": [SSN, None, 1.5]},
    "allergies": {SSN, "nuts"},
    "doses": {1, 2.5},
    "history": [SSN, {"ssn": SSN}, None, True],
}
PROTECTED = {*VALUES, "address", "extra"}


def ann(model: Any, number: int = 1, clinic: str = "clinic-7", **other: Any) -> Any:
    """A patient with all values."""
    values = {**VALUES, "address": Address(street=SSN, number=3), "extra": {"ssn": SSN}, "name": "Ann", "ward": "W"}
    return model(clinic, number, **{**values, **other})


def check(patient: Any, **other: Any) -> None:
    """All values are there."""
    expected = {**VALUES, **other}
    assert {name: getattr(patient, name) for name in expected} == expected
    assert (patient.address.street, patient.address.number, patient.extra["ssn"]) == (SSN, 3, SSN)
    assert isinstance(patient.address, Address)


class TestOperations:
    """Each of PynamoDB's operations, on a model whose attributes are protected whatever their kind."""

    def test_save_and_get(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """All values come back, and all are binary in the item."""
        model = patients(meta, keys)
        ann(model).save()
        check(model.get("clinic-7", 1))
        item = raw(dynamodb, "patients", KEY)
        names = (PROTECTED - {"born"}) | {"b", "email_tag"}
        assert {name: list(item[name]) for name in names} == {name: ["B"] for name in names}

    def test_refresh(self, meta: Any, keys: Encryptor) -> None:
        """What another instance has saved."""
        model = patients(meta, keys)
        patient = ann(model)
        patient.save()
        again = model.get("clinic-7", 1)
        again.ssn = OTHER_SSN
        again.save()
        patient.refresh()
        check(patient, ssn=OTHER_SSN)

    def test_query(self, meta: Any, keys: Encryptor) -> None:
        """With a condition on the range key and a filter on another attribute."""
        model = patients(meta, keys)
        for number in range(4):
            ann(model, number).save()
        found = list(model.query("clinic-7", model.id > 1, filter_condition=model.name == "Ann"))
        assert [patient.id for patient in found] == [2, 3]
        check(found[0])

    def test_scan(self, meta: Any, keys: Encryptor) -> None:
        """Of several tenants at once."""
        model = patients(meta, keys)
        ann(model).save()
        ann(model, clinic="clinic-8").save()
        found = list(model.scan())
        assert {patient.clinic for patient in found} == {"clinic-7", "clinic-8"}
        for patient in found:
            check(patient)

    def test_batch_write_and_batch_get(self, meta: Any, keys: Encryptor) -> None:
        """More than one batch of each."""
        model = patients(meta, keys)
        with model.batch_write() as batch:
            for number in range(30):
                batch.save(ann(model, number, ssn=f"{SSN}-{number}"))
        found = {patient.id: patient for patient in model.batch_get([("clinic-7", number) for number in range(30)])}
        assert {number: patient.ssn for number, patient in found.items()} == {n: f"{SSN}-{n}" for n in range(30)}
        check(found[7], ssn=f"{SSN}-7")

    def test_batch_delete(self, meta: Any, keys: Encryptor) -> None:
        """By instances."""
        model = patients(meta, keys)
        ann(model).save()
        with model.batch_write() as batch:
            batch.delete(ann(model))
        assert list(model.scan()) == []

    def test_transactions(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """Save, update, delete and condition check in one; then get."""
        model = patients(meta, keys)
        second, third = ann(model, 2), ann(model, 3)
        second.save()
        third.save()
        ann(model, 4).save()
        connection = Connection(region=FIRST, host=dynamodb.endpoints[FIRST])
        connection.session.set_credentials("local", "local")
        with TransactWrite(connection=connection) as transaction:
            transaction.save(ann(model), condition=model.ssn.does_not_exist())
            transaction.update(second, [model.ssn.set(OTHER_SSN)], condition=model.email == EMAIL)
            transaction.delete(third, condition=model.ssn.exists())
            transaction.condition_check(model, "clinic-7", 4, condition=model.email == EMAIL)
        with TransactGet(connection=connection) as transaction:
            first, changed = transaction.get(model, "clinic-7", 1), transaction.get(model, "clinic-7", 2)
        check(first.get())
        check(changed.get(), ssn=OTHER_SSN)
        with pytest.raises(model.DoesNotExist):
            model.get("clinic-7", 3)
        with pytest.raises(TransactWriteError), TransactWrite(connection=connection) as transaction:
            transaction.condition_check(model, "clinic-7", 4, condition=model.email == "bob@example.org")

    def test_delete(self, meta: Any, keys: Encryptor) -> None:
        """With a condition."""
        model = patients(meta, keys)
        patient = ann(model)
        patient.save()
        with pytest.raises(DeleteError):
            patient.delete(condition=model.ssn.does_not_exist())
        patient.delete(condition=model.ssn.exists())
        assert list(model.scan()) == []

    def test_update(self, meta: Any, keys: Encryptor) -> None:
        """Values of every kind; the instance has them afterwards."""
        model = patients(meta, keys)
        patient = model("clinic-7", 1)
        patient.save()
        values = {**VALUES, "address": Address(street=SSN, number=3), "extra": {"ssn": SSN}}
        patient.update(actions=[getattr(model, name).set(value) for name, value in values.items()])
        check(patient)
        check(model.get("clinic-7", 1))

    def test_an_update_removes(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """By remove(), by None and by an empty set; the tag as well."""
        model = patients(meta, keys)
        patient = ann(model)
        patient.save()
        patient.update(
            actions=[model.email.remove(), model.ssn.set(None), model.allergies.set(set()), model.visits.add(2)]
        )
        assert (patient.email, patient.ssn, patient.allergies, patient.visits) == (None, None, None, 2)
        assert {"email", "email_tag", "ssn", "allergies"}.isdisjoint(raw(dynamodb, "patients", KEY))

    def test_an_update_sets_what_is_not_there(self, meta: Any, keys: Encryptor) -> None:
        """`attribute | value`, where no tag would have to follow."""
        model = patients(meta, keys)
        patient = model("clinic-7", 1)
        patient.save()
        patient.update(actions=[model.ssn.set(model.ssn | SSN)])
        patient.update(actions=[model.ssn.set(model.ssn | OTHER_SSN)])
        assert patient.ssn == SSN
        with pytest.raises(ProtectedAttributeError, match="'email' is searchable, and its tag would not follow"):
            patient.update(actions=[model.email.set(model.email | EMAIL)])

    def test_indexes(self, meta: Any, keys: Encryptor) -> None:
        """Query and scan of global and local ones."""
        model = patients(meta, keys)
        ann(model).save()
        check(next(model.by_name.query("Ann")))
        check(next(model.by_name.scan()))
        assert next(model.by_ward.query("clinic-7", model.ward == "W")).ssn == SSN
        assert next(model.by_ward.scan()).ssn == SSN
        assert model.by_name.count("Ann") == 1

    def test_versions_guard_writes(self, meta: Any, keys: Encryptor) -> None:
        """The condition of the version and a condition of the user's together."""
        model = patients(meta, keys)
        patient = ann(model)
        patient.save()
        stale = model.get("clinic-7", 1)
        patient.update(actions=[model.ssn.set(OTHER_SSN)], condition=model.email == EMAIL)
        assert patient.version == 2
        with pytest.raises(UpdateError):
            stale.update(actions=[model.ssn.set(SSN)])
        with pytest.raises(PutError):
            stale.save()
        check(model.get("clinic-7", 1), ssn=OTHER_SSN)

    def test_defaults_and_null(self, meta: Any, keys: Encryptor) -> None:
        """A default is encrypted; what is absent stays absent, and what is required is required."""
        model = patients(meta, keys)
        model("clinic-7", 1).save()
        read = model.get("clinic-7", 1)
        assert (read.alive, read.ssn, read.allergies) == (True, None, None)
        read.alive = None
        with pytest.raises(AttributeNullError):
            read.save()

    def test_expiry_stays_readable(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """DynamoDB has to read it."""
        model = patients(meta, keys)
        patient = ann(model, expires=dt.timedelta(days=1))
        patient.save()
        assert list(raw(dynamodb, "patients", KEY)["expires"]) == ["N"]
        assert model.get("clinic-7", 1).expires == patient.expires

    def test_attributes_to_get(self, meta: Any, keys: Encryptor) -> None:
        """Key and tenant are read as well, where something is decrypted."""
        model = patients(meta, keys)
        ann(model).save()
        ways: list[Callable[[Any], Any]] = [
            lambda names: model.get("clinic-7", 1, attributes_to_get=names),
            lambda names: next(model.query("clinic-7", attributes_to_get=names)),
            lambda names: next(model.scan(attributes_to_get=names)),
            lambda names: next(model.batch_get([("clinic-7", 1)], attributes_to_get=names)),
            lambda names: next(model.by_name.query("Ann", attributes_to_get=names)),
        ]
        for way in ways:
            read = way(["ssn", "name"])
            assert (read.ssn, read.name, read.email, read.clinic, read.id) == (SSN, "Ann", None, "clinic-7", 1)
            assert (way(["name"]).name, way(["name"]).id) == ("Ann", None)
            assert way([model.born]).born == VALUES["born"]

    def test_dynamodb_dicts(self, meta: Any, keys: Encryptor) -> None:
        """What DynamoDB has, for JSON; it reads back."""
        model = patients(meta, keys)
        text = json.dumps(ann(model).to_dynamodb_dict())
        assert SSN not in text
        again = model()
        again.from_dynamodb_dict(json.loads(text))
        check(again)

    def test_simple_dicts(self, meta: Any, keys: Encryptor) -> None:
        """Ciphertext as base64, without `force` as well; it reads back."""
        model = patients(meta, keys)
        simple = ann(model).to_simple_dict()
        assert (simple["name"], simple["id"]) == ("Ann", 1)
        assert base64.b64decode(simple["ssn"])
        assert SSN not in json.dumps(simple)
        again = model()
        again.from_simple_dict(json.loads(json.dumps(simple)))
        check(again)

    def test_raw_data(self, meta: Any, keys: Encryptor) -> None:
        """`serialize` and `from_raw_data`, for who uses boto3 beside it."""
        model = patients(meta, keys)
        check(model.from_raw_data(ann(model).serialize()))
        again = model()
        again.deserialize(ann(model).serialize())
        check(again)

    def test_count(self, meta: Any, keys: Encryptor) -> None:
        """Of the table and of a key, as ever."""
        model = patients(meta, keys)
        ann(model).save()
        ann(model, 2).save()
        assert model.count() == 2
        assert model.count("clinic-7", model.id > 1) == 1

    def test_key_provider_calls_do_not_grow_with_items(self, meta: Any) -> None:
        """One wrap for each tenant's data key, and one for the index key."""
        provider = CountingProvider()
        model = patients(meta, Encryptor(provider, MemoryKeyStore()))
        counts = []
        for number in range(3):
            ann(model, number).save()
            list(model.scan(model.email == EMAIL))
            counts.append((provider.wraps, provider.unwraps))
        assert counts[0] == counts[1] == counts[2]


class TestBinding(OnMoto):
    def test_values_are_bound_to_hash_and_range_key(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """As the core names them, with what boto3 gives for an item's key."""
        model = patients(meta, keys)
        ann(model).save()
        item = raw(dynamodb, "patients", KEY)
        context = row_context("clinic-7", Decimal("1"))
        field = keys.field("patients.ssn", str)
        assert field.decrypt(item["ssn"]["B"], tenant="clinic-7", context=context) == SSN

    @pytest.mark.parametrize(
        ("attribute", "key"),
        [
            (lambda: UnicodeAttribute(hash_key=True), "é"),
            (lambda: NumberAttribute(hash_key=True), 7),
            (lambda: NumberAttribute(hash_key=True), 100.0),
            (lambda: NumberAttribute(hash_key=True), -0.25),
            (lambda: NumberAttribute(hash_key=True), 1e22),
            (lambda: BinaryAttribute(hash_key=True, legacy_encoding=False), b"\x00\xff"),
            (lambda: BinaryAttribute(hash_key=True, legacy_encoding=True), b"\x00\xff"),
            (lambda: UTCDateTimeAttribute(hash_key=True), dt.datetime(2026, 1, 1, tzinfo=UTC)),
        ],
        ids=str,
    )
    def test_a_key_of_each_type_is_what_boto3_reads(
        self, moto: DynamoDb, keys: Encryptor, attribute: Any, key: Any
    ) -> None:
        """So that it can name the item. ministack takes 100.0 and 100 for two keys, and DynamoDB does not."""

        @encrypted(keys)
        class Item(Model):
            Meta = moto.meta("patients")
            id = attribute()
            ssn = EncryptedAttribute(UnicodeAttribute())

        Item.create_table(wait=True)
        Item(key, ssn=SSN).save()
        (item,) = moto.client().scan(TableName="patients")["Items"]
        item = {name: TypeDeserializer().deserialize(content) for name, content in item.items()}
        part = item["id"] if isinstance(item["id"], (str, Decimal)) else bytes(item["id"])
        field = keys.field("patients.ssn", str)
        assert field.decrypt(bytes(item["ssn"]), context=row_context(part)) == SSN
        assert Item.get(key).ssn == SSN

    def test_a_member_of_a_string_enum_is_its_text(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """In a key and as a tenant: DynamoDB knows nothing of the member."""

        class Kind(enum.StrEnum):
            GOLD = "au"

        @encrypted(keys, tenant="kind")
        class Item(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            kind = UnicodeAttribute()
            ssn = EncryptedAttribute(UnicodeAttribute())

        Item.create_table(wait=True)
        Item(Kind.GOLD, kind=Kind.GOLD, ssn=SSN).save()
        assert Item.get("au").ssn == SSN

    def test_sqlalchemy_reads_the_same(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """A row and an item of the same name, key and tenant."""

        @encrypted(keys, tenant="clinic")
        class Item(Model):
            Meta = meta
            id = NumberAttribute(hash_key=True)
            clinic = NumberAttribute()
            ssn = EncryptedAttribute(UnicodeAttribute())

        class Base(DeclarativeBase):
            pass

        @encrypted_rows(keys, row="id", tenant="clinic")
        class Row(Base):
            __tablename__ = "patients"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            clinic: Mapped[int]
            ssn: Mapped[str] = mapped_column(Encrypted(String))

        data = Item(7, clinic=9, ssn=SSN).serialize()["ssn"]["B"]
        engine = create_engine("sqlite://")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.connection().exec_driver_sql("INSERT INTO patients VALUES (7, 9, ?)", (data,))
            assert session.get_one(Row, 7).ssn == SSN

    def test_a_value_of_another_item_does_not_decrypt(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """Of the same tenant and attribute."""
        model = patients(meta, keys)
        ann(model).save()
        ann(model, 2).save()
        one, two = raw(dynamodb, "patients", KEY), raw(dynamodb, "patients", {**KEY, "id": {"N": "2"}})
        put_raw(dynamodb, "patients", {**one, "ssn": two["ssn"]})
        with pytest.raises(DecryptionError):
            model.get("clinic-7", 1)

    def test_a_value_of_another_attribute_does_not_decrypt(
        self, dynamodb: DynamoDb, meta: Any, keys: Encryptor
    ) -> None:
        """Of the same item."""
        model = patients(meta, keys)
        ann(model).save()
        item = raw(dynamodb, "patients", KEY)
        put_raw(dynamodb, "patients", {**item, "ssn": item["email"]})
        with pytest.raises(DecryptionError):
            next(model.scan())

    def test_an_item_that_is_given_to_another_tenant_does_not_decrypt(
        self, dynamodb: DynamoDb, meta: Any, keys: Encryptor
    ) -> None:
        """Nor one whose tenant's name is part of another's."""
        model = tenants(meta, keys)
        model("1", clinic="clinic-7", ssn=SSN).save()
        item = raw(dynamodb, "patients", {"id": {"S": "1"}})
        put_raw(dynamodb, "patients", {**item, "clinic": {"S": "clinic"}})
        with pytest.raises(DecryptionError):
            model.get("1")

    def test_plaintext_in_the_item_is_not_read(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """Whoever can write to the table cannot put values there."""
        model = tenants(meta, keys)
        model("1", clinic="clinic-7", ssn=SSN).save()
        item = raw(dynamodb, "patients", {"id": {"S": "1"}})
        put_raw(dynamodb, "patients", {**item, "ssn": {"S": "forged"}})
        with pytest.raises(DecryptionError, match="ssn"):
            model.get("1")

    def test_a_changed_key_is_encrypted_anew(self, meta: Any, keys: Encryptor) -> None:
        """An instance that is saved under another key or tenant is another item."""
        model = tenants(meta, keys)
        item = model("1", clinic="clinic-7", ssn=SSN)
        item.save()
        item.id, item.clinic = "2", "clinic-8"
        item.save()
        assert (model.get("1").clinic, model.get("2").clinic) == ("clinic-7", "clinic-8")
        assert model.get("1").ssn == model.get("2").ssn == SSN

    def test_what_cannot_be_read_is_not_lost(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """An instance keeps what it had when it cannot be refreshed, so that saving it harms nothing."""
        model = tenants(meta, keys)
        item = model("1", clinic="clinic-7", ssn=SSN)
        item.save()
        put_raw(
            dynamodb, "patients", {**raw(dynamodb, "patients", {"id": {"S": "1"}}), "ssn": {"B": b"\x01" + bytes(80)}}
        )
        with pytest.raises(FieldcryptError):
            item.refresh()
        assert (item.clinic, item.ssn) == ("clinic-7", SSN)

    @given(number=st.integers(-(10**37), 10**37) | st.floats(-1e15, 1e15).map(lambda n: round(n, 6)), text=st.text())
    @relaxed
    def test_items_round_trip(self, number: float, text: str) -> None:
        """Whatever the key and the value; a number is the same however it is written."""
        keys = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())

        @encrypted(keys)
        class Item(Model):
            class Meta:
                table_name = "items"

            id = NumberAttribute(hash_key=True)
            secret = EncryptedAttribute(UnicodeAttribute())

        item = Item(number, secret=text).serialize()
        item["id"] = {
            "N": format(Context(prec=60).normalize(Decimal(item["id"]["N"])), "f")
        }  # as DynamoDB gives it back
        assert Item.from_raw_data(item).secret == text


def tenants(meta: Any, keys: Encryptor) -> Any:
    """A model whose tenant is no part of the key, and its table."""

    @encrypted(keys, tenant="clinic")
    class Patient(Model):
        Meta = meta
        id = UnicodeAttribute(hash_key=True)
        clinic = UnicodeAttribute(null=True)
        name = UnicodeAttribute(null=True)
        ssn = EncryptedAttribute(UnicodeAttribute(null=True))

    Patient.create_table(wait=True)
    return Patient


class TestTenants:
    def test_an_update_with_a_wrong_tenant_changes_nothing(self, meta: Any, keys: Encryptor) -> None:
        """The instance may be out of date, or made of what a request said: the tenant could not read the value."""
        model = tenants(meta, keys)
        model("1", clinic="clinic-7", ssn=SSN).save()
        with pytest.raises(UpdateError):
            model("1", clinic="clinic-8").update(actions=[model.ssn.set(OTHER_SSN)])
        assert model.get("1").ssn == SSN

    def test_an_update_of_an_item_without_a_tenant_changes_nothing(
        self, dynamodb: DynamoDb, meta: Any, keys: Encryptor
    ) -> None:
        """It has one that is not known."""
        model = tenants(meta, keys)
        put_raw(dynamodb, "patients", {"id": {"S": "1"}})
        with pytest.raises(UpdateError):
            model("1", clinic="clinic-8").update(actions=[model.ssn.set(OTHER_SSN)])

    def test_an_update_that_makes_the_item_sets_its_tenant(self, meta: Any, keys: Encryptor) -> None:
        """So that the value can be read."""
        model = tenants(meta, keys)
        model("1", clinic="clinic-7").update(actions=[model.ssn.set(SSN)])
        read = model.get("1")
        assert (read.clinic, read.ssn) == ("clinic-7", SSN)

    def test_other_updates_need_no_tenant(self, meta: Any, keys: Encryptor) -> None:
        """Only what is encrypted depends on it."""
        model = tenants(meta, keys)
        model("1", clinic="clinic-7", ssn=SSN).save()
        model("1").update(actions=[model.name.set("Ann")])
        assert model.get("1").name == "Ann"

    @pytest.mark.parametrize("change", [lambda m: m.clinic.set("clinic-8"), lambda m: m.clinic.remove()])
    def test_the_tenant_is_not_changed_by_an_update(self, meta: Any, keys: Encryptor, change: Any) -> None:
        """The values would not be re-encrypted."""
        model = tenants(meta, keys)
        item = model("1", clinic="clinic-7", ssn=SSN)
        item.save()
        with pytest.raises(ProtectedAttributeError, match=r"'clinic'.*save\(\)"):
            item.update(actions=[change(model)])

    def test_a_missing_tenant_is_told_before_anything_is_sent(self, meta: Any, keys: Encryptor) -> None:
        """When a value is to be encrypted."""
        model = tenants(meta, keys)
        with pytest.raises(ProtectedAttributeError, match="no 'clinic', the tenant"):
            model("1", ssn=SSN).save()
        with pytest.raises(ProtectedAttributeError, match="no 'clinic', the tenant"):
            model("1").update(actions=[model.ssn.set(SSN)])
        model("1").save()
        assert model.get("1").ssn is None

    def test_an_index_without_the_tenant_says_to_project_it(self, meta: Any, keys: Encryptor) -> None:
        """If it has values that need it."""

        class ByName(GlobalSecondaryIndex[Any]):
            class Meta:
                index_name = "by-name"
                projection = IncludeProjection(["ssn"])

            name = UnicodeAttribute(hash_key=True)

        @encrypted(keys, tenant="clinic")
        class Patient(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            clinic = UnicodeAttribute()
            name = UnicodeAttribute()
            by_name = ByName()
            ssn = EncryptedAttribute(UnicodeAttribute(null=True))

        Patient.create_table(wait=True)
        Patient("1", clinic="clinic-7", name="Ann", ssn=SSN).save()
        Patient("2", clinic="clinic-7", name="Bob").save()
        assert next(Patient.by_name.query("Bob")).id == "2"
        with pytest.raises(ProtectedAttributeError, match=r"no 'clinic', the tenant.*project it"):
            next(Patient.by_name.query("Ann"))

    def test_a_tenant_may_be_a_number(self, meta: Any, keys: Encryptor) -> None:
        """Its text is that of key_text."""

        @encrypted(keys, tenant="clinic")
        class Patient(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            clinic = NumberAttribute()
            ssn = EncryptedAttribute(UnicodeAttribute())

        Patient.create_table(wait=True)
        Patient("1", clinic=7.0, ssn=SSN).save()
        assert Patient.get("1").ssn == SSN
        data = Patient("1", clinic=7, ssn=SSN).serialize()["ssn"]["B"]
        field = keys.field("patients.ssn", str)
        assert field.decrypt(data, tenant=key_text(Decimal(7)), context=row_context("1")) == SSN


class TestInheritance(OnMoto):
    def polymorphic(self, meta: Any, keys: Encryptor) -> Any:
        @encrypted(keys, tenant="clinic")
        class Person(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            clinic = UnicodeAttribute()
            kind = DiscriminatorAttribute()
            ssn = EncryptedAttribute(UnicodeAttribute(null=True))

        class Nurse(Person, discriminator="nurse"):
            licence = EncryptedAttribute(UnicodeAttribute(null=True))

        class Patient(Person, discriminator="patient"):
            email = EncryptedAttribute(UnicodeAttribute(null=True), index="email_tag")
            email_tag = BlindIndexAttribute(null=True)

        Person.create_table(wait=True)
        return Person, Nurse, Patient

    def test_a_base_reads_its_subclasses(self, meta: Any, keys: Encryptor) -> None:
        """Each with its own attributes."""
        person, nurse, patient = self.polymorphic(meta, keys)
        nurse("1", clinic="clinic-7", ssn=SSN, licence=OTHER_SSN).save()
        patient("2", clinic="clinic-7", ssn=SSN, email=EMAIL).save()
        found = {item.id: item for item in person.scan()}
        assert (type(found["1"]), found["1"].licence) == (nurse, OTHER_SSN)
        assert (type(found["2"]), found["2"].email) == (patient, EMAIL)
        assert [item.id for item in patient.scan()] == ["2"]
        assert person.get("1", attributes_to_get=["licence"]).licence == OTHER_SSN

    def test_a_base_searches_an_attribute_of_a_subclass(self, meta: Any, keys: Encryptor) -> None:
        """And refuses what would send its values."""
        person, _, patient = self.polymorphic(meta, keys)
        patient("2", clinic="clinic-7", email=EMAIL).save()
        assert [item.id for item in person.scan(patient.email == EMAIL)] == ["2"]
        with pytest.raises(ProtectedAttributeError):
            person.scan(Path("licence") == OTHER_SSN)

    def test_a_subclass_updates_what_it_inherits(self, meta: Any, keys: Encryptor) -> None:
        """The field is the table's, whichever class the attribute was declared in."""
        _, nurse, _ = self.polymorphic(meta, keys)
        item = nurse("1", clinic="clinic-7", ssn=SSN)
        item.save()
        item.update(actions=[nurse.ssn.set(OTHER_SSN), nurse.licence.set(SSN)])
        assert (nurse.get("1").ssn, nurse.get("1").licence) == (OTHER_SSN, SSN)

    def test_a_subclass_alone_cannot_be_decorated(self, meta: Any, keys: Encryptor) -> None:
        """Its base would read its items, and not know how."""

        class Person(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            kind = DiscriminatorAttribute()

        with pytest.raises(ConfigurationError, match="Person reads and writes what Nurse does"):

            @encrypted(keys)
            class Nurse(Person, discriminator="nurse"):
                licence = EncryptedAttribute(UnicodeAttribute())

    def test_a_subclass_cannot_have_plain_what_is_protected(self, meta: Any, keys: Encryptor) -> None:
        """It would write plaintext into the same table; nor can another attribute have the name in the item."""

        @encrypted(keys)
        class Person(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(null=True))

        class Plain(Person):
            ssn = UnicodeAttribute()

        class Twice(Person):
            number = UnicodeAttribute(attr_name="ssn")

        with pytest.raises(ConfigurationError, match=r"Plain\.ssn is protected in a base"):
            Plain("1", ssn=OTHER_SSN).save()
        with pytest.raises(ConfigurationError, match="Twice has several attributes 'ssn'"):
            Twice("1", number=OTHER_SSN).save()

    def test_a_base_that_has_the_attributes_itself_is_decorated_as_well(self, meta: Any, keys: Encryptor) -> None:
        """It shares them with the model."""

        class Person(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(), keys)

        with pytest.raises(ConfigurationError, match="Person reads and writes what Nurse does"):

            @encrypted(keys)
            class Nurse(Person):
                pass

    def test_an_abstract_base_serves_several_tables(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """Each table has a field of its own, so that values cannot be exchanged between them."""

        @encrypted(keys)
        class Base(Model):
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute())

        class First(Base):
            Meta = meta

        class Second(Base):
            class Meta(meta):  # type: ignore[misc]
                table_name = "second"

        data = {model: model("1", ssn=SSN).serialize() for model in (First, Second)}
        assert First.from_raw_data(data[First]).ssn == Second.from_raw_data(data[Second]).ssn == SSN
        with pytest.raises(DecryptionError):
            First.from_raw_data(data[Second])
        with pytest.raises(ConfigurationError, match="Base has no table"):
            Base("1", ssn=SSN).serialize()

    def test_what_a_model_overrides_comes_first(self, meta: Any, keys: Encryptor) -> None:
        """Its own methods, and those of its abstract bases, call ours."""
        calls = []

        class Logged(Model):
            def update(self, actions: Any, condition: Any = None, *, add_version_condition: bool = True) -> Any:
                calls.append("Logged")
                return super().update(actions, condition, add_version_condition=add_version_condition)

        @encrypted(keys)
        class Item(Logged):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(null=True))

            def update(self, actions: Any, condition: Any = None, *, add_version_condition: bool = True) -> Any:
                calls.append("Item")
                return super().update([*actions, Item.ssn.set(SSN)], condition)

        Item.create_table(wait=True)
        item = Item("1")
        item.update([Item.ssn.remove()][:0])
        assert (item.ssn, calls) == (SSN, ["Item", "Logged"])

    def test_mixins_keep_their_place(self, meta: Any, keys: Encryptor) -> None:
        """Before Model or after it, as they were."""

        class Mixin:
            pass

        class Before(Mixin, Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)

        class After(Model, Mixin):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)

        orders = []
        for model in (encrypted(keys)(Before), encrypted(keys)(After)):
            orders.append([base for base in model.__mro__ if base in (Mixin, Model)])
        assert orders == [[Mixin, Model], [Model, Mixin]]

    def test_a_model_can_be_decorated_anew(self, meta: Any, keys: Encryptor) -> None:
        """In tests, for example, with other keys."""
        other = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())

        class Item(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute())

        encrypted(keys)(Item)("1", ssn=SSN).serialize()
        data = encrypted(other)(Item)("1", ssn=SSN).serialize()["ssn"]["B"]
        assert other.field("patients.ssn", str).decrypt(data, context=row_context("1")) == SSN

    def test_a_subclass_may_be_decorated_on_its_own(self, meta: Any, keys: Encryptor) -> None:
        """With a tenant that its base does not have; the base reads it by its class."""

        @encrypted(keys)
        class Person(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            kind = DiscriminatorAttribute()
            ssn = EncryptedAttribute(UnicodeAttribute(null=True))

        @encrypted(keys, tenant="clinic")
        class Nurse(Person, discriminator="nurse"):
            clinic = UnicodeAttribute()

        data = Nurse("1", clinic="clinic-7", ssn=SSN).serialize()
        assert Person.from_raw_data(data).ssn == SSN
        field = keys.field("patients.ssn", str)
        assert field.decrypt(data["ssn"]["B"], tenant="clinic-7", context=row_context("1")) == SSN

    def test_items_of_an_undecorated_model_can_be_taken_over(self, meta: Any, keys: Encryptor) -> None:
        """Read through it, saved through the decorated one."""

        class Before(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(), keys)

        @encrypted(keys)
        class Item(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute())

        Before.create_table(wait=True)
        Before("1", ssn=SSN).save()
        with pytest.raises(DecryptionError):
            Item.get("1")
        for item in Before.scan():
            Item(**item.attribute_values).save()
        assert Item.get("1").ssn == SSN
        with pytest.raises(DecryptionError):
            Before.get("1")

    def test_a_table_that_is_renamed_before_use_has_fields_of_that_name(self, meta: Any, keys: Encryptor) -> None:
        """As PynamoDB reads the name when it is used."""

        @encrypted(keys)
        class Item(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute())

        Item("1", ssn=SSN).serialize()
        Item.Meta.table_name = "staging-patients"
        data = Item("1", ssn=SSN).serialize()["ssn"]["B"]
        assert keys.field("staging-patients.ssn", str).decrypt(data, context=row_context("1")) == SSN


class TestRefusals(OnMoto):
    @pytest.mark.parametrize(
        "condition",
        [
            lambda m: Path("ssn") == SSN,
            lambda m: Path(m.ssn) == SSN,
            lambda m: ~(Path("ssn") == SSN) | m.name.exists(),
            lambda m: Path("ssn").startswith("0"),
            lambda m: m.name == m.ssn,
            lambda m: size(m.ssn) > 3,
            lambda m: size("ssn") > 3,
            lambda m: Path("address.s") == SSN,
            lambda m: Path("history[0]") == SSN,
            lambda m: Path("address.s").exists(),
            lambda m: Path("history[0]").exists(),
            lambda m: Path("email_tag") == b"x",
            lambda m: m.name.exists() & (Path("b") > "1980"),
        ],
    )
    def test_no_condition_has_dynamodb_compare_protected_values(
        self, meta: Any, keys: Encryptor, condition: Any, secrets: Secrets
    ) -> None:
        """However the attribute is named, and wherever a condition is taken."""
        model = patients(meta, keys)
        patient = ann(model)
        before = secrets.requests
        uses: list[Callable[[Any], Any]] = [
            model.scan,
            lambda c: model.query("clinic-7", filter_condition=c),
            lambda c: model.query("clinic-7", c),
            lambda c: model.count("clinic-7", filter_condition=c),
            lambda c: model.by_name.query("Ann", filter_condition=c),
            patient.save,
            patient.delete,
            lambda c: patient.update([model.name.set("x")], c),
            lambda c: patient.get_save_kwargs_from_instance(c),
            lambda c: patient.get_delete_kwargs_from_instance(c),
            lambda c: patient.get_update_kwargs_from_instance([model.name.set("x")], c),
            lambda c: model.get_operation_kwargs_from_class("clinic-7", 1, c),
        ]
        for use in uses:
            with pytest.raises(ProtectedAttributeError) as caught:
                use(condition(model))
            assert SSN not in str(caught.value)
        assert secrets.requests == before

    @pytest.mark.parametrize(
        "condition",
        [
            lambda m: m.ssn == SSN,
            lambda m: m.ssn != SSN,
            lambda m: m.email != EMAIL,
            lambda m: m.ssn.is_in(SSN),
            lambda m: m.ssn.startswith(SSN),
            lambda m: m.ssn.is_type(),
            lambda m: m.email == None,  # noqa: E711
            lambda m: m.email == m.name,
            lambda m: m.email_tag == b"x",
            lambda m: m.email_tag.startswith(b"x"),
            lambda m: m.weight > 3,
            lambda m: m.weight + 3,
            lambda m: m.weight - 3,
            lambda m: 3 - m.weight,
            lambda m: m.weight.between(1, 3),
            lambda m: m.ssn.contains(SSN),
            lambda m: m.history.append([SSN]),
            lambda m: m.history.prepend([SSN]),
            lambda m: m.history[0],
            lambda m: m.allergies.delete({SSN}),
            lambda m: m.allergies.add({SSN}),
            lambda m: m.extra["ssn"],
            lambda m: m.email_tag.set(b"x"),
            lambda m: m.email_tag.remove(),
            lambda m: m.ssn.set(m.name),
            lambda m: m.ssn.set(m.email),
            lambda m: m.ssn.set(m.name | SSN),
        ],
    )
    def test_an_expression_that_cannot_work_is_refused_where_it_is_written(
        self, meta: Any, keys: Encryptor, condition: Any
    ) -> None:
        """The error names the attribute."""
        model = patients(meta, keys)
        with pytest.raises(ProtectedAttributeError, match="attribute '") as caught:
            condition(model)
        assert SSN not in str(caught.value)

    @pytest.mark.parametrize(
        "action",
        [
            lambda m: Path("ssn").set(SSN),
            lambda m: Path(m.ssn).set(SSN),
            lambda m: Path("history").set(Path("history").append([SSN])),
            lambda m: Path("weight").set(Path("weight") + 1),
            lambda m: Path("ssn").set(Path("name")),
            lambda m: m.name.set(m.ssn),
            lambda m: m.name.set(Path("ssn") | "x"),
            lambda m: Path("address.s").set(SSN),
            lambda m: Path("address.s").remove(),
            lambda m: Path("history[0]").remove(),
            lambda m: Path("history[0]").set(SSN),
            lambda m: Path("email_tag").set(b"x"),
            lambda m: Path("email_tag").remove(),
            lambda m: m.clinic.set("x"),
            lambda m: m.id.set(2),
        ],
    )
    def test_no_update_writes_what_could_not_be_read(
        self, meta: Any, keys: Encryptor, action: Any, secrets: Secrets
    ) -> None:
        """Plaintext, ciphertext of another place, tags, and parts of what values are bound to."""
        model = patients(meta, keys)
        patient = ann(model)
        before = secrets.requests
        updates: list[Callable[[Any], Any]] = [
            lambda action: patient.update([action]),
            lambda action: patient.get_update_kwargs_from_instance([action]),
            lambda action: patient.get_update_kwargs_from_instance((action,)),
        ]
        for update in updates:
            with pytest.raises(ProtectedAttributeError) as caught:
                update(action(model))
            assert SSN not in str(caught.value)
        with pytest.raises(TypeError):
            patient.update((action(model),))
        assert secrets.requests == before

    def test_where_the_item_is_not_known_it_is_said_what_to_do(
        self, dynamodb: DynamoDb, meta: Any, keys: Encryptor
    ) -> None:
        """An update by way of the connection, for example."""
        model = patients(meta, keys)
        with pytest.raises(ProtectedAttributeError, match=r"'ssn' is bound to its item.*item\.update") as caught:
            model._get_connection().update_item("clinic-7", range_key="1", actions=[model.ssn.set(SSN)])
        assert SSN not in str(caught.value)
        assert SSN not in repr(model.ssn.set(SSN))
        with pytest.raises(ProtectedAttributeError, match="'email' is bound to its item"):
            model._get_connection().scan(filter_condition=model.email == EMAIL)

    def test_an_update_needs_the_tenant_of_an_instance_that_an_index_gave(
        self, dynamodb: DynamoDb, meta: Any, keys: Encryptor
    ) -> None:
        """And says so, before it is sent; a condition shows nothing either."""
        model = patients(meta, keys)
        patient = model.from_raw_data({"id": {"N": "1"}, "name": {"S": "Ann"}})
        with pytest.raises(ProtectedAttributeError, match="no 'clinic'"):
            patient.update(actions=[model.ssn.set(SSN)])
        assert EMAIL not in repr(model.email == EMAIL)

    def test_a_tag_is_not_assigned(self, meta: Any, keys: Encryptor) -> None:
        """It follows the value."""
        model = patients(meta, keys)
        with pytest.raises(ProtectedAttributeError, match="'email_tag' holds tags"):
            model("clinic-7", 1, email_tag=b"x")

    def test_a_wrong_value_is_told_without_being_shown(self, meta: Any, keys: Encryptor) -> None:
        """By save and by set."""
        model = patients(meta, keys)
        patient = ann(model)
        attempts: list[Callable[[], Any]] = [
            ann(model, weight=SSN).save,
            lambda: model.weight.set(SSN),
            lambda: patient.update([model.ssn.set(SSN.encode())]),
        ]
        for attempt in attempts:
            with pytest.raises(TypeError) as caught:
                attempt()
            assert SSN not in str(caught.value)

    def test_the_repr_of_an_instance_shows_no_protected_value(self, meta: Any, keys: Encryptor) -> None:
        """It is what ends up in logs."""
        text = repr(ann(patients(meta, keys)))
        assert SSN not in text
        assert "ssn=<protected>" in text
        assert "name='Ann'" in text


def declared(keys: Encryptor | None, tenant: str | None = None, **attributes: Any) -> Any:
    meta = type("Meta", (), {"table_name": "items"})
    defaults = {"id": UnicodeAttribute(hash_key=True), "ssn": EncryptedAttribute(UnicodeAttribute())}
    body = {key: value for key, value in {**defaults, **attributes}.items() if value is not None}
    model: Any = type("Item", (Model,), {"Meta": meta, **body})
    return encrypted(keys, tenant=tenant)(model)


class TestDeclarations(OnMoto):
    @pytest.mark.parametrize(
        ("tenant", "attributes", "message"),
        [
            (None, {"id": None}, "no hash key"),
            ("clinic", {}, "no such attribute"),
            ("ssn", {}, "encrypted itself"),
            ("tag", {"tag": BlindIndexAttribute(null=True)}, "encrypted itself"),
            ("clinic", {"clinic": VersionAttribute()}, "names no tenant"),
            ("clinic", {"clinic": TTLAttribute()}, "names no tenant"),
            ("clinic", {"clinic": DiscriminatorAttribute()}, "names no tenant"),
            ("clinic", {"clinic": BooleanAttribute()}, "a text or a number"),
            ("clinic", {"clinic": MapAttribute()}, "a text or a number"),
            ("clinic", {"clinic": BinaryAttribute(legacy_encoding=False)}, "a text or a number"),
            (None, {"id": BlindIndexAttribute(hash_key=True)}, "cannot be a key"),
            (None, {"id": BooleanAttribute(hash_key=True)}, "cannot be a key"),
            (None, {"email": EncryptedAttribute(UnicodeAttribute(), index="tag")}, "indexed by 'tag', which is no"),
            (
                None,
                {"email": EncryptedAttribute(UnicodeAttribute(), index="tag"), "tag": UnicodeAttribute()},
                "indexed by 'tag', which is no",
            ),
            (
                None,
                {
                    "email": EncryptedAttribute(UnicodeAttribute(), index=IndexedBy("tag", per_tenant=True)),
                    "tag": BlindIndexAttribute(),
                },
                r"tags per tenant: @encrypted\(…, tenant=…\)",
            ),
            (
                None,
                {
                    "email": EncryptedAttribute(UnicodeAttribute(), index="tag"),
                    "phone": EncryptedAttribute(UnicodeAttribute(), index="tag"),
                    "tag": BlindIndexAttribute(),
                },
                "have the companion 'tag'",
            ),
            (
                None,
                {
                    "email": EncryptedAttribute(UnicodeAttribute(), name="x"),
                    "phone": EncryptedAttribute(UnicodeAttribute(), name="x"),
                },
                "have the field 'x'",
            ),
        ],
    )
    def test_what_cannot_work_is_refused_at_decoration(
        self, keys: Encryptor, tenant: str | None, attributes: dict[str, Any], message: str
    ) -> None:
        """With what is wrong."""
        with pytest.raises(ConfigurationError, match=message):
            declared(keys, tenant, **attributes)

    def test_an_attribute_without_an_encryptor_is_refused_at_decoration(self) -> None:
        """If the decorator has none either."""
        with pytest.raises(ConfigurationError, match=r"Item\.ssn has no encryptor"):
            declared(None)

    def test_an_attribute_may_have_an_encryptor_of_its_own(self, keys: Encryptor) -> None:
        """It goes before the decorator's."""
        other = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
        model = declared(other, ssn=EncryptedAttribute(UnicodeAttribute(), keys))
        data = model("1", ssn=SSN).serialize()["ssn"]["B"]
        assert keys.field("items.ssn", str).decrypt(data, context=row_context("1")) == SSN

    def test_an_undecorated_model_needs_an_encryptor_in_the_attribute(self) -> None:
        """At first use it is said."""

        class Item(Model):
            class Meta:
                table_name = "items"

            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute())

        with pytest.raises(ConfigurationError, match="'ssn' has no encryptor, so its model has to be decorated"):
            Item("1", ssn=SSN).serialize()

    def test_an_undecorated_model_has_no_searchable_attributes(self, keys: Encryptor) -> None:
        """Nobody would make the tags."""

        class Item(Model):
            class Meta:
                table_name = "items"

            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(), keys, index="tag")
            tag = BlindIndexAttribute()

        with pytest.raises(ConfigurationError, match="'ssn' is searchable, so its model has to be decorated"):
            Item("1", ssn=SSN).serialize()

    def test_an_encrypted_attribute_within_a_map_is_refused(self, keys: Encryptor) -> None:
        """It would not be bound to the item; also in a list of maps."""

        class Card(MapAttribute[Any, Any]):
            number = EncryptedAttribute(UnicodeAttribute(), keys, name="cards.number")

        class Wallet(MapAttribute[Any, Any]):
            card = Card()

        for attribute in (Card(), Wallet(), ListAttribute(of=Card)):
            with pytest.raises(ConfigurationError, match=r"Item\.x\..*number is encrypted within a map"):
                declared(keys, x=attribute)

    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("ssn", UnicodeAttribute(hash_key=True)),
            ("tag", BinaryAttribute(hash_key=True, legacy_encoding=False)),
            ("ssn", UnicodeAttribute(range_key=True)),
        ],
    )
    def test_an_index_that_would_be_queried_by_plaintext_is_refused(self, keys: Encryptor, name: str, key: Any) -> None:
        """Only tags can be keys of an index."""
        meta = type("Meta", (), {"index_name": "by-x", "projection": AllProjection()})
        other = {} if key.is_hash_key else {"name": UnicodeAttribute(hash_key=True)}
        index: Any = type("Index", (GlobalSecondaryIndex,), {"Meta": meta, name: key, **other})
        with pytest.raises(ConfigurationError, match=f"'by-x' of Item has the key '{name}'"):
            declared(
                keys, ssn=EncryptedAttribute(UnicodeAttribute(), index="tag"), tag=BlindIndexAttribute(), by=index()
            )

    @pytest.mark.parametrize("decorated", [str, "Item", MapAttribute])
    def test_only_models_are_decorated(self, keys: Encryptor, decorated: Any) -> None:
        """And by an Encryptor."""
        with pytest.raises(ConfigurationError, match="goes on models"):
            encrypted(keys)(decorated)
        with pytest.raises(ConfigurationError, match="is no Encryptor"):
            encrypted(decorated)

    def test_the_tenant_of_an_abstract_base_is_checked_if_it_is_there(self, keys: Encryptor) -> None:
        """If not, when a model of it is used."""

        class Base(Model):
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute())

        with pytest.raises(ConfigurationError, match="encrypted itself"):
            encrypted(keys, tenant="ssn")(Base)
        encrypted(keys, tenant="clinic")(Base)

        class Item(Base):
            class Meta:
                table_name = "items"

        with pytest.raises(ConfigurationError, match="Item has no such attribute"):
            Item("1", ssn=SSN).serialize()

    @pytest.mark.parametrize("inner", [JSONAttribute(), UnicodeSetAttribute(), ListAttribute(), MapAttribute()])
    def test_an_attribute_that_has_no_tags_cannot_be_searched(self, inner: Any) -> None:
        """It says which do."""
        with pytest.raises(ConfigurationError, match="cannot be searched: only text"):
            EncryptedAttribute(inner, index="tag")
        with pytest.raises(ConfigurationError, match="index is the name"):
            EncryptedAttribute(inner, index=5)  # type: ignore[arg-type]

    def test_few_values_cannot_be_searched_unless_that_is_accepted(self) -> None:
        """Their tags tell them."""
        with pytest.raises(ConfigurationError, match="accept_low_cardinality"):
            EncryptedAttribute(BooleanAttribute(), index="tag")
        EncryptedAttribute(BooleanAttribute(), index=IndexedBy("tag", accept_low_cardinality=True))

    def test_a_companion_is_absent_where_there_is_no_value(self) -> None:
        """So it cannot be required."""
        with pytest.raises(ConfigurationError, match="null=True"):
            BlindIndexAttribute(null=False)

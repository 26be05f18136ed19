"""Decorated models: every operation of PynamoDB, bound to the item's key and tenant."""

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
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import AttributeNullError, DeleteError, PutError, TransactWriteError, UpdateError
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite
from sqlalchemy import String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    FieldcryptError,
    LocalKeyProvider,
    MemoryKeyStore,
    key_text,
    row_context,
)
from fieldcrypt_pynamodb import EncryptedAttribute, ProtectedAttributeError, encrypted
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy import encrypted as encrypted_rows
from tests.pynamodb.patients import (
    EMAIL,
    KEY,
    OTHER_SSN,
    PROTECTED,
    SSN,
    UTC,
    VALUES,
    Address,
    ann,
    check,
    patients,
    tenants,
)
from tests.support.doubles import CountingProvider
from tests.support.dynamodb import FIRST, DynamoDb, OnMoto, put_raw, raw
from tests.support.strategies import relaxed


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

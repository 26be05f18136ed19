"""Models that inherit attributes, and those of items of several classes."""

from __future__ import annotations

from typing import Any

import pytest
from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute
from pynamodb.expressions.operand import Path
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, LocalKeyProvider, MemoryKeyStore, row_context
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, ProtectedAttributeError, encrypted
from tests.pynamodb.patients import EMAIL, OTHER_SSN, SSN
from tests.support.dynamodb import DynamoDb, OnMoto


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

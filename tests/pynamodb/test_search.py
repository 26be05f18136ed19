"""Searching protected attributes by blind index. Every request is searched for plaintext."""

from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal
from typing import Any

import pytest
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.exceptions import PutError, UpdateError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore, Purpose
from fieldcrypt_pynamodb import (
    BlindIndexAttribute,
    EncryptedAttribute,
    IndexedBy,
    ProtectedAttributeError,
    Tag,
    encrypted,
    of_tenant,
)
from tests.conftest import Clock
from tests.support.dynamodb import DynamoDb, OnMoto, put_raw, raw

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
DAY = 86_400


def patients(
    meta: Any, keys: Encryptor, index: Any = "email_tag", projection: Any = None, inner: Any = UnicodeAttribute
) -> Any:
    """A model with a searchable attribute, an index of its tags and one by clinic and tag; and its table."""

    class EmailIndex(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = "by-email"

        Meta.projection = projection or AllProjection()  # type: ignore[attr-defined]
        email_tag = BlindIndexAttribute(hash_key=True)

    class ClinicIndex(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = "by-clinic"
            projection = AllProjection()

        clinic = UnicodeAttribute(hash_key=True)
        email_tag = BlindIndexAttribute(range_key=True)

    @encrypted(keys, tenant="clinic")
    class Patient(Model):
        Meta = meta
        id = UnicodeAttribute(hash_key=True)
        clinic = UnicodeAttribute(default="clinic-7")
        name = UnicodeAttribute(null=True)
        email = EncryptedAttribute(inner(null=True), index=index)
        email_tag = BlindIndexAttribute(null=True)
        by_email = EmailIndex()
        by_clinic = ClinicIndex()

    Patient.create_table(wait=True)
    return Patient


def ids(found: Any) -> list[str]:
    return sorted(item.id for item in found)


def test_pickles_of_tags_travel_between_versions() -> None:
    """And so do instances of models, which have them: 0.1 looks for the class in a module that has moved."""
    by_first_version = (
        b"\x80\x04\x8c\x1dfieldcrypt_pynamodb.companion\x94\x8c\x03Tag\x94\x93\x94C\x03tag\x94\x85\x94\x81\x94."
    )
    assert type(pickle.loads(by_first_version)) is Tag
    assert b"fieldcrypt_pynamodb.companion\x94" in pickle.dumps(Tag(b"tag"), 4)


class TestSearch:
    def test_an_index_is_queried_by_the_plain_value(self, meta: Any, keys: Encryptor) -> None:
        """The tags are computed; of nobody has it, nothing is found."""
        model = patients(meta, keys)
        model("1", email=ANN).save()
        model("2", email=BOB).save()
        model("3").save()
        assert ids(model.by_email.query(ANN)) == ["1"]
        assert ids(model.by_email.query(EVE)) == []
        assert ids(model.query(BOB, index_name="by-email")) == ["2"]

    def test_before_anything_is_tagged_nothing_is_found(self, meta: Any, keys: Encryptor) -> None:
        """There is no index key yet, and none is made."""
        model = patients(meta, keys)
        assert ids(model.by_email.query(ANN)) == ids(model.scan(model.email == ANN)) == []
        assert model.by_email.count(ANN) == 0

    def test_a_scan_finds_by_equality(self, meta: Any, keys: Encryptor) -> None:
        """One value, several, and together with other conditions."""
        model = patients(meta, keys)
        for number, mail in enumerate((ANN, BOB, EVE)):
            model(str(number), email=mail, name=f"n{number}").save()
        assert ids(model.scan(model.email == ANN)) == ["0"]
        assert ids(model.scan(model.email.is_in(ANN, EVE))) == ["0", "2"]
        assert ids(model.scan((model.name == "n1") & (model.email == BOB))) == ["1"]
        assert ids(model.scan((model.name == "n1") | (model.email == ANN))) == ["0", "1"]
        assert ids(model.scan(~(model.email == ANN))) == ids(model.scan(model.email != ANN)) == ["1", "2"]
        assert ids(model.query("1", filter_condition=model.email == BOB)) == ["1"]
        assert model.count("1", filter_condition=model.email == BOB) == 1

    def test_a_range_key_of_tags_is_queried_by_the_plain_value(self, meta: Any, keys: Encryptor) -> None:
        """Of an index whose hash key is another attribute."""
        model = patients(meta, keys)
        model("1", email=ANN).save()
        model("2", email=BOB).save()
        model("3", email=ANN, clinic="clinic-8").save()
        assert ids(model.by_clinic.query("clinic-7", model.email == ANN)) == ["1"]
        assert model.by_clinic.count("clinic-7", model.email == ANN) == 1

    def test_values_are_normalised(self, meta: Any, keys: Encryptor) -> None:
        """When they are written and when they are searched for."""
        model = patients(meta, keys, IndexedBy("email_tag", normaliser="casefold"))
        model("1", email=ANN.upper()).save()
        assert ids(model.by_email.query(ANN)) == ["1"]
        assert model.get("1").email == ANN.upper()

    @pytest.mark.parametrize(
        ("inner", "value", "equal", "other"),
        [
            (NumberAttribute, 7, 7.0, 8),
            (
                UTCDateTimeAttribute,
                dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
                dt.datetime(2026, 1, 1),
                dt.datetime(2027, 1, 1),
            ),
            (lambda null: BinaryAttribute(legacy_encoding=True, null=null), b"\x00", b"\x00", b"\x01"),
        ],
    )
    def test_numbers_times_and_bytes_are_found(
        self, meta: Any, keys: Encryptor, inner: Any, value: Any, equal: Any, other: Any
    ) -> None:
        """By equal ones."""
        model = patients(meta, keys, inner=inner)
        model("1", email=value).save()
        assert ids(model.by_email.query(equal)) == ids(model.scan(model.email == equal)) == ["1"]
        assert ids(model.by_email.query(other)) == ids(model.scan(model.email == other)) == []

    def test_the_tag_is_that_of_the_core(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """So other programs find the item; a number's is that of a Decimal."""
        model = patients(meta, keys)
        model("1", email=ANN).save()
        item = raw(dynamodb, "patients", {"id": {"S": "1"}})
        assert item["email_tag"]["B"] == keys.blind_index("patients.email", str).tag(ANN)
        number = model("1", email=ANN)
        assert number.serialize()["email_tag"] == item["email_tag"]
        other = patients(type("Meta", (meta,), {"table_name": "numbers"}), keys, inner=NumberAttribute)
        tag = other("1", email=7).serialize()["email_tag"]["B"]
        assert tag == keys.blind_index("numbers.email", Decimal).tag(Decimal(7))

    @pytest.mark.parametrize("ask", [lambda m: m.by_email.query(5), lambda m: m.scan(m.email == 5)])
    def test_a_value_of_another_type_is_a_type_error(self, meta: Any, keys: Encryptor, ask: Any) -> None:
        """Before anything is sent."""
        model = patients(meta, keys)
        model("1", email=ANN).save()
        with pytest.raises(TypeError, match="expected str, got int"):
            list(ask(model))


class TestWrites:
    def test_every_write_keeps_the_tag_in_step(self, meta: Any, keys: Encryptor) -> None:
        """Save, batch, update, and all of them again with another value or with none."""
        model = patients(meta, keys)
        item = model("1", email=ANN)
        item.save()
        item.email = BOB
        item.save()
        assert (ids(model.by_email.query(ANN)), ids(model.by_email.query(BOB))) == ([], ["1"])
        item.update(actions=[model.email.set(EVE)])
        assert (ids(model.by_email.query(BOB)), ids(model.by_email.query(EVE))) == ([], ["1"])
        item.update(actions=[model.email.remove()])
        assert ids(model.scan(model.email_tag.exists())) == []
        with model.batch_write() as batch:
            batch.save(model("1", email=ANN))
        read = model.get("1")
        assert ids(model.by_email.query(ANN)) == ["1"]
        read.email = None
        read.save()
        assert ids(model.scan(model.email_tag.exists())) == []

    def test_conditions_of_writes_compare_tags(self, meta: Any, keys: Encryptor) -> None:
        """Of save, update and delete."""
        model = patients(meta, keys)
        item = model("1", email=ANN, name="Ann")
        item.save()
        with pytest.raises(PutError):
            item.save(condition=model.email == BOB)
        with pytest.raises(UpdateError):
            item.update(actions=[model.name.set("x")], condition=model.email == BOB)
        item.update(actions=[model.email.set(BOB)], condition=model.email == ANN)
        item.delete(condition=model.email.is_in(ANN, BOB))
        assert ids(model.scan()) == []

    def test_an_instance_has_the_tag_that_it_was_written_with(self, meta: Any, keys: Encryptor) -> None:
        """And the one that it was read with; it can be written again."""
        model = patients(meta, keys)
        item = model("1", email=ANN)
        item.save()
        assert item.email_tag == model.get("1").email_tag == keys.blind_index("patients.email", str).tag(ANN)
        model.get("1").save()
        assert ids(model.by_email.query(ANN)) == ["1"]


class TestCopiedTags:
    def test_an_item_that_only_has_the_tag_is_not_found(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """Whoever writes to the table can copy one, and point a search at an item of his choice."""
        model = patients(meta, keys)
        model("1", email=ANN).save()
        model("2", email=EVE).save()
        model("3").save()
        tag = raw(dynamodb, "patients", {"id": {"S": "1"}})["email_tag"]
        for key in ("2", "3"):
            put_raw(dynamodb, "patients", {**raw(dynamodb, "patients", {"id": {"S": key}}), "email_tag": tag})
        assert ids(model.by_email.query(ANN)) == ["1"]
        assert ids(model.scan(model.email == ANN)) == ["1"]
        assert ids(model.scan(model.email.is_in(ANN, BOB))) == ["1"]
        assert ids(model.by_clinic.query("clinic-7", model.email == ANN)) == ["1"]

    @pytest.mark.parametrize("projection", [KeysOnlyProjection(), IncludeProjection(["clinic"])])
    def test_an_index_that_cannot_be_compared_with_is_refused(
        self, meta: Any, keys: Encryptor, projection: Any
    ) -> None:
        """It has not the attribute; the error says to project it."""
        model = patients(meta, keys, projection=projection)
        with pytest.raises(ProtectedAttributeError, match=r"'by-email' has no 'email'.*Project the attribute"):
            model.by_email.query(ANN)
        with pytest.raises(ProtectedAttributeError, match="Project the attribute"):
            model.by_email.scan(model.email == ANN)

    def test_an_index_with_the_attribute_and_the_tenant_is_enough(self, meta: Any, keys: Encryptor) -> None:
        """Nothing else has to be projected; nor to be asked for."""
        model = patients(meta, keys, projection=IncludeProjection(["clinic", "email"]))
        model("1", email=ANN, name="Ann").save()
        (found,) = model.by_email.query(ANN)
        assert (found.email, found.name) == (ANN, None)
        (found,) = model.by_email.query(ANN, attributes_to_get=["id"])
        assert (found.id, found.email) == ("1", ANN)


class TestShortTags(OnMoto):
    def short(self, meta: Any, keys: Encryptor) -> Any:
        """Two hundred items under tags of a byte, so that some share one."""
        model = patients(meta, keys, IndexedBy("email_tag", tag_size=1))
        with model.batch_write() as batch:
            for number in range(200):
                batch.save(model(f"{number:03}", email=f"{number}-{ANN}"))
        return model

    def test_only_what_was_looked_for_is_found(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """By query and scan; other items have the tag."""
        model = self.short(meta, keys)
        shared = 0
        for number in range(0, 200, 10):
            sought = f"{number}-{ANN}"
            tag = keys.blind_index("patients.email", str, tag_size=1).tag(sought)
            client = dynamodb.client()
            candidates = client.query(
                TableName="patients",
                IndexName="by-email",
                KeyConditionExpression="email_tag = :t",
                ExpressionAttributeValues={":t": {"B": tag}},
            )["Count"]
            shared += candidates - 1
            assert ids(model.by_email.query(sought)) == [f"{number:03}"]
        assert shared
        assert ids(model.scan((model.email == f"7-{ANN}") & model.name.does_not_exist())) == ["007"]

    def test_a_limit_counts_what_is_found(self, meta: Any, keys: Encryptor) -> None:
        """And not what was read."""
        model = self.short(meta, keys)
        assert ids(model.scan(model.email == f"199-{ANN}", limit=1)) == ["199"]
        assert ids(model.by_email.query(f"199-{ANN}", limit=1)) == ["199"]

    @pytest.mark.parametrize(
        "ask",
        [
            lambda m: m.by_email.count(ANN),
            lambda m: m.count("1", filter_condition=m.email == ANN),
            lambda m: m("1").save(condition=m.email == ANN),
            lambda m: m("1").delete(condition=m.email == ANN),
            lambda m: m("1").update(actions=[m.name.set("x")], condition=m.email == ANN),
            lambda m: m.get_operation_kwargs_from_class("1", condition=m.email == ANN),
            lambda m: m.scan((m.email == ANN) | m.name.exists()),
            lambda m: m.scan(~(m.email == ANN)),
            lambda m: m.scan(~((m.email == ANN) & m.name.exists())),
        ],
    )
    def test_what_dynamodb_would_decide_by_a_shared_tag_is_refused(self, meta: Any, keys: Encryptor, ask: Any) -> None:
        """Counts, writes and negations cannot be put right after decryption."""
        model = patients(meta, keys, IndexedBy("email_tag", tag_size=1))
        with pytest.raises(ProtectedAttributeError, match="shorter than 16 bytes"):
            ask(model)


class TestTenants(OnMoto):
    INDEX = IndexedBy("email_tag", per_tenant=True)

    def test_a_search_names_the_tenant(self, meta: Any, keys: Encryptor) -> None:
        """In scans, in an index of tags and in one whose range key is a tag."""
        model = patients(meta, keys, self.INDEX)
        for clinic in ("clinic-7", "clinic-8"):
            model(clinic, clinic=clinic, email=ANN).save()
        sought = of_tenant(model.email, "clinic-7") == ANN
        assert ids(model.scan(sought)) == ["clinic-7"]
        assert ids(model.by_email.query(sought)) == ["clinic-7"]
        assert ids(model.by_clinic.query("clinic-7", sought)) == ["clinic-7"]
        assert ids(model.by_clinic.query("clinic-8", sought)) == []
        assert ids(model.scan(of_tenant(model.email, "clinic-8").is_in(ANN, BOB))) == ["clinic-8"]
        assert model.by_email.count(sought) == 1

    def test_tags_of_two_tenants_differ(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """Who reads the table cannot tell that they have a value in common."""
        model = patients(meta, keys, self.INDEX)
        tags = [model("1", clinic=f"clinic-{n}", email=ANN).serialize()["email_tag"]["B"] for n in range(2)]
        assert tags[0] != tags[1]

    def test_an_update_tags_for_the_tenant(self, meta: Any, keys: Encryptor) -> None:
        """Of the item."""
        model = patients(meta, keys, self.INDEX)
        item = model("1", clinic="clinic-7", email=BOB)
        item.save()
        item.update(actions=[model.email.set(ANN)])
        assert ids(model.by_email.query(of_tenant(model.email, "clinic-7") == ANN)) == ["1"]

    def test_a_tag_that_was_copied_to_another_tenant_is_not_found(
        self, dynamodb: DynamoDb, meta: Any, keys: Encryptor
    ) -> None:
        """Even if that has the same value."""
        model = patients(meta, keys, self.INDEX)
        model("1", clinic="clinic-7", email=ANN).save()
        model("2", clinic="clinic-8", email=ANN).save()
        tag = raw(dynamodb, "patients", {"id": {"S": "1"}})["email_tag"]
        put_raw(dynamodb, "patients", {**raw(dynamodb, "patients", {"id": {"S": "2"}}), "email_tag": tag})
        assert ids(model.scan(of_tenant(model.email, "clinic-7") == ANN)) == ["1"]

    @pytest.mark.parametrize(
        "ask", [lambda m: m.by_email.query(ANN), lambda m: m.scan(m.email == ANN), lambda m: m.email.is_in(ANN)]
    )
    def test_a_search_without_a_tenant_is_refused(self, meta: Any, keys: Encryptor, ask: Any) -> None:
        """It says how to name it."""
        model = patients(meta, keys, self.INDEX)
        with pytest.raises(ProtectedAttributeError, match=r"of_tenant\(attribute, tenant\)"):
            ask(model)

    def test_of_tenant_takes_attributes_with_tags_per_tenant(self, meta: Any, keys: Encryptor) -> None:
        """And a tenant."""
        model = patients(meta, keys)
        for attribute in (model.email, model.name, "email"):
            with pytest.raises(ProtectedAttributeError, match="per_tenant=True"):
                of_tenant(attribute, "clinic-7")
        with pytest.raises(ProtectedAttributeError, match="is queried by the attribute that it indexes"):
            model.by_email.query(model.name == "x")
        model = patients(type("Meta", (meta,), {}), keys, self.INDEX)
        with pytest.raises(ProtectedAttributeError, match="None is not"):
            of_tenant(model.email, None)


def _has_old_tag(model: Any, key: Any) -> bool:
    return bool(key["email_tag"]["B"] == model.get("old-0").email_tag)


class TestRotation:
    """A new index key tags after 80 minutes and a bit; an old one is searched for until it is retired."""

    @pytest.fixture
    def rotated(self, meta: Any, clock: Clock) -> tuple[Any, Encryptor]:
        keys = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
        model = patients(meta, keys)
        for number in range(3):
            model(f"old-{number}", email=ANN).save()
        model("bob", email=BOB).save()
        clock.advance(DAY)
        keys.data_keys.rotate(purpose=Purpose.BLIND_INDEX)
        clock.advance(DAY)
        for number in range(3):
            model(f"new-{number}", email=ANN).save()
        return model, keys

    ALL: tuple[str, ...] = ("new-0", "new-1", "new-2", "old-0", "old-1", "old-2")

    def test_items_are_found_under_both_keys(self, rotated: tuple[Any, Encryptor], dynamodb: DynamoDb) -> None:
        """By query, scan, condition and count."""
        model, keys = rotated
        assert len(keys.blind_index("patients.email", str).tags(ANN)) == 2
        for found in (
            model.by_email.query(ANN),
            model.scan(model.email == ANN),
            model.by_clinic.query("clinic-7", model.email == ANN),
        ):
            assert tuple(ids(found)) == self.ALL
        assert model.by_email.count(ANN) == 6
        model.get("old-0").delete(condition=model.email == ANN)

    @pytest.mark.parametrize("limit", [1, 2, 3, 4])
    @pytest.mark.parametrize("page_size", [None, 1, 2, 3])
    def test_a_search_can_be_continued(self, rotated: tuple[Any, Encryptor], limit: int, page_size: int | None) -> None:
        """From `last_evaluated_key`, across the queries for both keys, and without an item twice."""
        model, _ = rotated
        found, last, pages = [], None, 0
        while pages == 0 or last is not None:
            results = model.by_email.query(ANN, limit=limit, page_size=page_size, last_evaluated_key=last)
            found += [item.id for item in results]
            last, pages = results.last_evaluated_key, pages + 1
            assert results.total_count <= limit
            assert pages < 20
        assert sorted(found) == list(self.ALL)

    def test_a_key_that_was_retired_is_no_longer_searched(self, rotated: tuple[Any, Encryptor]) -> None:
        """After all items were saved anew; a search that had stopped among its items says so."""
        model, keys = rotated
        stopped = [model.by_email.query(ANN, limit=limit) for limit in (2, 5)]  # among the items of each key
        for results in stopped:
            list(results)
        (old,) = (each.last_evaluated_key for each in stopped if _has_old_tag(model, each.last_evaluated_key))
        for item in model.scan():
            item.save()
        keys.data_keys.retire_index_keys()
        assert len(keys.blind_index("patients.email", str).tags(ANN)) == 1
        assert tuple(ids(model.by_email.query(ANN))) == self.ALL
        assert ids(model.by_email.query(BOB)) == ["bob"]
        with pytest.raises(ProtectedAttributeError, match="retired"):
            model.by_email.query(ANN, last_evaluated_key=old)


class TestDeclarations(OnMoto):
    def test_an_index_of_tags_that_nothing_has_is_refused(self, meta: Any, keys: Encryptor) -> None:
        """When it is queried."""

        class PhoneIndex(GlobalSecondaryIndex[Any]):
            class Meta:
                index_name = "by-phone"
                projection = AllProjection()

            phone_tag = BlindIndexAttribute(hash_key=True)

        @encrypted(keys)
        class Patient(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            phone = EncryptedAttribute(UnicodeAttribute(null=True))
            by_phone = PhoneIndex()

        with pytest.raises(ProtectedAttributeError, match="'by-phone' is one of 'phone_tag'"):
            Patient.by_phone.query("1")

    def test_renamed_attributes_are_found(self, dynamodb: DynamoDb, meta: Any, keys: Encryptor) -> None:
        """`attr_name` of the attribute, its companion and the index key."""

        class EmailIndex(GlobalSecondaryIndex[Any]):
            class Meta:
                index_name = "by-email"
                projection = AllProjection()

            tag = BlindIndexAttribute(hash_key=True, attr_name="t")

        @encrypted(keys)
        class Patient(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True, attr_name="i")
            email = EncryptedAttribute(UnicodeAttribute(attr_name="e"), index="email_tag")
            email_tag = BlindIndexAttribute(attr_name="t")
            by_email = EmailIndex()

        Patient.create_table(wait=True)
        Patient("1", email=ANN).save()
        assert set(raw(dynamodb, "patients", {"i": {"S": "1"}})) == {"i", "e", "t"}
        assert ids(Patient.by_email.query(ANN)) == ids(Patient.scan(Patient.email == ANN)) == ["1"]

    def test_a_store_is_needed_for_tags(self, meta: Any) -> None:
        """There is nothing to keep index keys in otherwise."""
        model = patients(meta, Encryptor(LocalKeyProvider.generate()))
        with pytest.raises(ConfigurationError):
            model("1", email=ANN).save()

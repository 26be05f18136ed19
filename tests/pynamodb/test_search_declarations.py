"""How indexes of all kinds are declared: companions, tenants, classes of items, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pynamodb.attributes import (
    DiscriminatorAttribute,
    JSONAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt.search import Prefixes, Range, first, last, year
from fieldcrypt_pynamodb import (
    BlindIndexAttribute,
    BlindIndexSetAttribute,
    CompoundIndex,
    EncryptedAttribute,
    IndexedBy,
    ProtectedAttributeError,
    encrypted,
    of_tenant,
)
from tests.pynamodb.people import DateAttribute, people
from tests.support.dynamodb import DynamoDb, OnMoto, put_raw, raw

BORN = dt.date(1980, 2, 29)
LADDER = Prefixes(3, 4)
PREFIXED = IndexedBy("p", of=LADDER, accept_leakage=True)


def ids(found: Any) -> list[str]:
    return sorted(item.id for item in found)


class TestTenants(OnMoto):
    def test_each_kind_is_asked_of_a_tenant(self, meta: Any, keys: Encryptor) -> None:
        """And finds no items of others, though they have the same values."""
        model = people(meta, keys, per_tenant=True)
        for clinic in ("clinic-7", "clinic-8"):
            model(
                clinic, clinic=clinic, ssn="078-05-1120", email="a@b.org", surname="Meyer", born=BORN, weight=70
            ).save()
        of = {
            name: of_tenant(getattr(model, name), "clinic-8") for name in ("ssn", "email", "surname", "born", "weight")
        }
        for asked in (
            of["ssn"] == "078-05-1120",
            of["ssn"].part("last 4") == "1120",
            of["ssn"].endswith("51120"),
            of["email"].part("domain").is_in("b.org", "c.org"),
            of["surname"].startswith("meyer"),
            of["surname"].endswith("er"),
            of["born"] < dt.date(1990, 1, 1),
            of["weight"].between(70, 71),
        ):
            assert ids(model.scan(asked)) == ["clinic-8"]
        assert ids(model.by_domain.query(of["email"].part("domain") == "b.org")) == ["clinic-8"]
        for ask in (lambda: model.by_domain.query("b.org"), lambda: model.surname.startswith("mey")):
            with pytest.raises(ProtectedAttributeError, match="name the tenant"):
                ask()

    def test_several_attributes_have_tags_per_tenant(self, meta: Any, keys: Encryptor, dynamodb: DynamoDb) -> None:
        """Which two tenants have not in common, so that one copied to another finds nothing."""
        index = CompoundIndex("both", of={"name": None, "ward": None}, per_tenant=True)

        @encrypted(keys, tenant="clinic", fields="patients", indexes=[index])
        class Patient(Model):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            clinic = UnicodeAttribute()
            name = EncryptedAttribute(UnicodeAttribute(null=True))
            ward = UnicodeAttribute(null=True)
            both = BlindIndexAttribute(null=True)

        Patient.create_table(wait=True)
        for clinic in ("north", "south"):
            Patient(clinic, clinic=clinic, name="Ann Meyer", ward="W 1").save()
        north, south = (raw(dynamodb, "patients", {"id": {"S": each}}) for each in ("north", "south"))
        assert north["both"] != south["both"]
        asked = of_tenant(Patient.both, "north").equals(name="Ann Meyer", ward="W 1")
        assert ids(Patient.scan(asked)) == ["north"]
        put_raw(dynamodb, "patients", {**south, "both": north["both"]})
        assert ids(Patient.scan(asked)) == ["north"]
        with pytest.raises(ProtectedAttributeError, match="name the tenant"):
            Patient.scan(Patient.both.equals(name="Ann Meyer", ward="W 1"))


class TestClassesOfItems(OnMoto):
    def test_a_class_of_items_has_indexes_of_its_own(self, meta: Any, keys: Encryptor) -> None:
        """The base is searched by them; an update through another class changes nothing."""

        @encrypted(keys, fields="parties")
        class Party(Model, discriminator="party"):
            Meta = meta
            id = UnicodeAttribute(hash_key=True)
            kind = DiscriminatorAttribute()

        @encrypted(keys, fields="parties", indexes=[CompoundIndex("who", of={"name": None, "town": None})])
        class Person(Party, discriminator="person"):
            name = EncryptedAttribute(UnicodeAttribute(null=True), index=PREFIXED)
            p_3 = BlindIndexAttribute(null=True)
            p_4 = BlindIndexAttribute(null=True)
            town = UnicodeAttribute(null=True)
            who = BlindIndexAttribute(null=True)

        Party.create_table(wait=True)
        Person("1", name="Ann Meyer", town="Bern").save()
        Party("2").save()
        assert (
            ids(Party.scan(Person.name.startswith("Ann"))) == ids(Person.scan(Person.name.startswith("Ann "))) == ["1"]
        )
        assert ids(Party.scan(Person.who.equals(name="Ann Meyer", town="Bern"))) == ["1"]
        Person("1").update(actions=[Person.name.set("Eve"), Person.town.set("Basel")])
        assert ids(Party.scan(Person.who.equals(name="Eve", town="Basel"))) == ["1"]


def _model(keys: Encryptor, meta: Any, members: dict[str, Any], **options: Any) -> Any:
    own = {"Meta": meta, "id": UnicodeAttribute(hash_key=True), "version": VersionAttribute(), **members}
    return encrypted(keys, **options)(type("Patient", (Model,), own))


def _name(*indexes: Any) -> EncryptedAttribute[str]:
    return EncryptedAttribute(UnicodeAttribute(null=True), index=list(indexes))


TAG, TAGS = BlindIndexAttribute, BlindIndexSetAttribute
NAIVE = IndexedBy("p", of=Range(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)), accept_leakage=True)
IN_SET = IndexedBy("p", of=LADDER, accept_leakage=True, one_companion=True)


class TestRefusals(OnMoto):
    @pytest.mark.parametrize(
        ("members", "indexes", "message"),
        [
            (
                lambda: {"name": _name(PREFIXED), "p_3": TAG()},
                (),
                r"declare it, p_4 = BlindIndexAttribute\(null=True\)",
            ),
            (lambda: {"name": _name(IN_SET), "p": TAG()}, (), "declare it, p = BlindIndexSetAttribute"),
            (lambda: {"name": _name("p"), "p": TAGS()}, (), "declare it, p = BlindIndexAttribute"),
            (lambda: {"name": _name("p", IndexedBy("p", of=last(4)))}, (), "called p"),
            (lambda: {"name": _name(IndexedBy("p", of=first(1)))}, (), "accept_low_cardinality=True"),
            (lambda: {"name": _name(IndexedBy("p", partitions=99)), "p": TAG()}, (), "can need 198 tags"),
            (lambda: {"name": _name(IndexedBy("p", of=Range(0, 255), accept_leakage=True))}, (), "int"),
            (lambda: {"name": EncryptedAttribute(UTCDateTimeAttribute(), index=NAIVE)}, (), "have tzinfo=UTC"),
            (lambda: {"name": _name("p"), "p": TAG(null=False)}, (), "null=True"),
            (lambda: {"name": _name("p"), "p": TAGS(null=False)}, (), "null=True"),
            (
                lambda: {"name": _name(), "p": TAG()},
                [CompoundIndex("p", of={"name": None, "x": None})],
                "no attribute 'x'",
            ),
            (
                lambda: {"name": _name(), "p": TAG()},
                [CompoundIndex("p", of={"name": None, "version": None})],
                "searched",
            ),
            (lambda: {"name": _name()}, [CompoundIndex("p", of={"name": None, "id": None})], "declare it, p = Blind"),
            (
                lambda: {"name": _name("p"), "p": TAG()},
                [CompoundIndex("p", of={"name": None, "id": None})],
                "companion 'p'",
            ),
            (
                lambda: {"name": _name(), "p": TAG()},
                [CompoundIndex("p", of={"name": None, "p": None})],
                "Patient.p holds tags",
            ),
            (
                lambda: {"name": UnicodeAttribute(null=True), "p": TAG()},
                [CompoundIndex("p", of={"name": None, "id": None})],
                "has to be protected",
            ),
            (lambda: {"name": _name()}, ["p"], r"indexes=\[CompoundIndex"),
        ],
    )
    def test_a_declaration_that_could_not_work_is_refused(
        self, meta: Any, keys: Encryptor, members: Any, indexes: Any, message: str
    ) -> None:
        """When the model is decorated, or before that; it says what to declare."""
        with pytest.raises(ConfigurationError, match=message):
            _model(keys, meta, members(), indexes=indexes)

    def test_indexes_of_one_attribute_are_judged_together_whatever_they_are_made_of(self) -> None:
        """A tag of the text that DynamoDB has of a date, and the range of the date itself."""
        born = Range(dt.date(1900, 1, 1), dt.date(2099, 12, 31), rows=10_000)
        with pytest.raises(ConfigurationError, match="the tags of short hide nothing, because range has whole tags"):
            EncryptedAttribute(
                DateAttribute(),
                index=[IndexedBy("short", tag_size=2), IndexedBy("range", of=born, accept_leakage=True)],
            )

    def test_only_decorated_models_are_searched(self, meta: Any, keys: Encryptor) -> None:
        """For tags are those of an item."""
        members = {"Meta": meta, "id": UnicodeAttribute(hash_key=True), "p": TAGS()}
        members["name"] = EncryptedAttribute(UnicodeAttribute(null=True), keys, index=[IN_SET])
        model: Any = type("Patient", (Model,), members)
        with pytest.raises(ConfigurationError, match="is searchable, so its model has to be decorated"):
            model("1", name="Ann").save()
        with pytest.raises(ProtectedAttributeError, match="decorated with @encrypted"):
            list(model.scan(model.name.startswith("Ann")))

    def test_a_question_that_none_answers_says_what_all_indexes_answer(self, meta: Any, keys: Encryptor) -> None:
        """Also where one is of the text that DynamoDB has, and another one of the date."""
        indexes = [IndexedBy("tag"), IndexedBy("year_tag", of=year())]
        born = EncryptedAttribute(DateAttribute(null=True), index=indexes)
        model = _model(keys, meta, {"born": born, "tag": TAG(null=True), "year_tag": TAG(null=True)})
        with pytest.raises(ProtectedAttributeError, match=r"Range.* tag answers ==; year_tag answers the part year"):
            model.scan(model.born < BORN)

    def test_an_attribute_without_an_index_says_which_one_would_answer(self, meta: Any, keys: Encryptor) -> None:
        """The same as an attribute with others does."""
        model = _model(keys, meta, {"name": _name()})
        asked = {"of=Range": lambda: model.name < "x", "of=last": lambda: model.name.part("last 4") == "x"}
        for declared, ask in asked.items():
            with pytest.raises(ProtectedAttributeError, match=f"has no index that answers .*{declared}"):
                ask()

    def test_what_an_attribute_has_in_python_is_what_its_kind_takes(self) -> None:
        """Dates that DynamoDB has as text have a range; JSON has none."""
        born = Range(dt.date(1900, 1, 1), dt.date(2099, 12, 31))
        assert EncryptedAttribute(DateAttribute(), index=IndexedBy("p", of=born, accept_leakage=True)).indexes
        with pytest.raises(ConfigurationError, match="JSONAttribute cannot be searched"):
            EncryptedAttribute(JSONAttribute(), index=IndexedBy("p", of=born, accept_leakage=True))

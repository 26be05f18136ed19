"""What a decorated model refuses to send, and what cannot be declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    VersionAttribute,
)
from pynamodb.expressions.condition import size
from pynamodb.expressions.operand import Path
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore, row_context
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, IndexedBy, ProtectedAttributeError, encrypted
from tests.pynamodb.patients import EMAIL, SSN, ann, patients
from tests.support.dynamodb import DynamoDb, OnMoto
from tests.support.wiretap import Secrets


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
            lambda m: m.address.street == SSN,
            lambda m: m.address.street.set(SSN),
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

    def test_an_encrypted_attribute_within_a_map_is_not_searched(self, keys: Encryptor) -> None:
        """It has no tags there; nor in a list of maps."""

        class Card(MapAttribute[Any, Any]):
            number = EncryptedAttribute(UnicodeAttribute(), keys, index="tag")

        class Wallet(MapAttribute[Any, Any]):
            card = Card()

        for attribute in (Card(), Wallet(), ListAttribute(of=Card)):
            with pytest.raises(ConfigurationError, match=r"Item\.x.*number is inside of a map"):
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
        with pytest.raises(ConfigurationError, match="is not an Encryptor"):
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

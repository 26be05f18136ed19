"""The encrypted attribute. Every request is searched for plaintext (see tests/support/wiretap.py)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pynamodb.attributes import (
    BinaryAttribute,
    BinarySetAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    DynamicMapAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NullAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.exceptions import AttributeNullError
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_pynamodb import EncryptedAttribute
from tests.support.dynamodb import DynamoDb

SSN = "078-05-1120"
UTC = dt.UTC


class Address(MapAttribute[Any, Any]):
    """A map with declared attributes."""

    street = UnicodeAttribute(attr_name="s")
    number = NumberAttribute(null=True)


class Loose(DynamicMapAttribute):
    """A map with declared and other attributes."""

    since = UTCDateTimeAttribute()


class Upper(UnicodeAttribute):
    """A user's own attribute, which converts."""

    def serialize(self, value: Any) -> Any:
        return value.upper()

    def deserialize(self, value: Any) -> Any:
        return value.lower()


KINDS: list[tuple[Any, Any]] = [
    (lambda: UnicodeAttribute(), SSN),
    (lambda: UnicodeAttribute(), ""),
    (lambda: NumberAttribute(), 7),
    (lambda: NumberAttribute(), -1.5),
    (lambda: BinaryAttribute(legacy_encoding=False), b"\x00\xff"),
    (lambda: BinaryAttribute(legacy_encoding=True), b"\x00\xff"),
    (lambda: BooleanAttribute(), False),
    (lambda: UTCDateTimeAttribute(), dt.datetime(2026, 11, 23, 14, 49, 0, 5, UTC)),
    (lambda: JSONAttribute(), {"z": [1, None, 2.5], "a": "é"}),
    (lambda: JSONAttribute(), "just text"),
    (lambda: UnicodeSetAttribute(), {"a", "é"}),
    (lambda: NumberSetAttribute(), {1, 2.5}),
    (lambda: BinarySetAttribute(legacy_encoding=False), {b"a", b"b"}),
    (lambda: ListAttribute(), [1, "x", None, True, [b"y"], {"k": {"s", "t"}}]),
    (lambda: ListAttribute(of=UTCDateTimeAttribute), [dt.datetime(2026, 1, 1, tzinfo=UTC)]),
    (lambda: ListAttribute(), []),
    (lambda: Upper(), "abc"),
]


@pytest.fixture(params=["stored", "self-contained"])
def keys(request: pytest.FixtureRequest) -> Encryptor:
    """An Encryptor of each form."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore() if request.param == "stored" else None)


@pytest.fixture
def table(dynamodb: DynamoDb) -> Any:
    """The Meta of a model."""
    return dynamodb.meta("accounts")


def account(table: Any, **attributes: Any) -> Any:
    """Make a model, and its table."""
    model: Any = type("Account", (Model,), {"Meta": table, "id": UnicodeAttribute(hash_key=True), **attributes})
    model.create_table(wait=True)
    return model


def raw(dynamodb: DynamoDb, key: str = "1") -> dict[str, Any]:
    item: dict[str, Any] = dynamodb.client().get_item(TableName="accounts", Key={"id": {"S": key}})["Item"]
    return item


class TestValues:
    @pytest.mark.parametrize(("attribute", "value"), KINDS, ids=lambda value: str(value)[:20])
    def test_every_kind_comes_back(
        self, dynamodb: DynamoDb, table: Any, keys: Encryptor, attribute: Any, value: Any
    ) -> None:
        """Equal and of the same type, and binary in the item."""
        model = account(table, secret=EncryptedAttribute(attribute(), keys))
        model("1", secret=value).save()
        read = model.get("1").secret
        assert read == value
        assert type(read) is type(value)
        assert list(raw(dynamodb)["secret"]) == ["B"]

    def test_a_time_is_one_in_utc(self, table: Any, keys: Encryptor) -> None:
        """As UTCDateTimeAttribute gives it back: of another zone, of none, and of a subclass of datetime."""

        class Moment(dt.datetime):
            pass

        model = account(table, secret=EncryptedAttribute(UTCDateTimeAttribute(), keys))
        zone = dt.timezone(dt.timedelta(hours=2))
        for value in (dt.datetime(2026, 1, 1, 2, tzinfo=zone), dt.datetime(2026, 1, 1, fold=1), Moment(2026, 1, 1)):
            model("1", secret=value).save()
            read = model.get("1").secret
            assert (read, read.tzinfo, type(read)) == (dt.datetime(2026, 1, 1, tzinfo=UTC), UTC, dt.datetime)
        with pytest.raises(TypeError, match="expected datetime, got str"):
            model("1", secret=SSN).save()

    def test_maps_come_back(self, table: Any, keys: Encryptor) -> None:
        """Raw, declared and dynamic ones; each as the class that PynamoDB gives it."""
        model = account(
            table,
            free=EncryptedAttribute(MapAttribute(null=True), keys),
            home=EncryptedAttribute(Address(null=True), keys),
            homes=EncryptedAttribute(ListAttribute(of=Address, null=True), keys),
            loose=EncryptedAttribute(Loose(null=True), keys),
        )
        new_year = dt.datetime(2026, 1, 1, tzinfo=UTC)
        model(
            "1",
            free={"ssn": SSN, "deep": {"n": 1.5}},
            home=Address(street=SSN, number=3),
            homes=[Address(street="a"), Address(street="b")],
            loose=Loose(since=new_year, extra=SSN),
        ).save()
        read = model.get("1")
        assert read.free.as_dict() == {"ssn": SSN, "deep": {"n": 1.5}}
        assert (read.home.street, read.home.number) == (SSN, 3)
        assert isinstance(read.home, Address)
        assert [home.street for home in read.homes] == ["a", "b"]
        assert (read.loose.since, read.loose["extra"]) == (new_year, SSN)

    def test_what_is_absent_stays_absent(self, dynamodb: DynamoDb, table: Any, keys: Encryptor) -> None:
        """None and empty sets, as without encryption."""
        model = account(
            table,
            secret=EncryptedAttribute(UnicodeAttribute(null=True), keys),
            tags=EncryptedAttribute(UnicodeSetAttribute(), keys),
        )
        model("1", tags=set()).save()
        assert list(raw(dynamodb)) == ["id"]
        assert model.get("1").secret is None

    def test_a_required_attribute_is_required(self, table: Any, keys: Encryptor) -> None:
        """`null` is the inner attribute's."""
        model = account(table, secret=EncryptedAttribute(UnicodeAttribute(), keys))
        with pytest.raises(AttributeNullError):
            model("1").save()

    def test_a_default_is_encrypted(self, table: Any, keys: Encryptor) -> None:
        """`default` is the inner attribute's, called anew if it is callable."""
        model = account(table, secret=EncryptedAttribute(UnicodeAttribute(default=lambda: SSN), keys))
        model("1").save()
        assert model.get("1").secret == SSN

    def test_a_renamed_attribute_keeps_its_name_in_the_item(
        self, dynamodb: DynamoDb, table: Any, keys: Encryptor
    ) -> None:
        """In the item, by `attr_name` of the inner attribute, and as a part of the field's name."""
        model = account(table, secret=EncryptedAttribute(UnicodeAttribute(attr_name="s"), keys))
        model("1", secret=SSN).save()
        assert set(raw(dynamodb)) == {"id", "s"}
        assert keys.field("accounts.s", str).decrypt(raw(dynamodb)["s"]["B"]) == SSN

    def test_the_same_field_reads_the_same_elsewhere(self, dynamodb: DynamoDb, table: Any, keys: Encryptor) -> None:
        """Texts, numbers, dates and documents are what a SQL column of the same name would hold."""
        model = account(
            table,
            number=EncryptedAttribute(NumberAttribute(), keys),
            date=EncryptedAttribute(UTCDateTimeAttribute(), keys),
            document=EncryptedAttribute(MapAttribute(), keys),
        )
        model("1", number=5, date=dt.datetime(2026, 1, 1, tzinfo=UTC), document={"a": 1.5}).save()
        item = raw(dynamodb)
        assert keys.field("accounts.number", int).decrypt(item["number"]["B"]) == 5
        assert keys.field("accounts.date", dt.datetime).decrypt(item["date"]["B"]).year == 2026
        assert keys.field("accounts.document", dict).decrypt(item["document"]["B"]) == {"a": Decimal("1.5")}


class TestOperations:
    def test_query_scan_and_batches_decrypt(self, table: Any, keys: Encryptor) -> None:
        """All the ways in which items come back."""
        model = account(table, secret=EncryptedAttribute(UnicodeAttribute(), keys))
        with model.batch_write() as batch:
            for number in range(30):
                batch.save(model(str(number), secret=f"{SSN}-{number}"))
        assert {item.secret for item in model.scan()} == {f"{SSN}-{number}" for number in range(30)}
        assert [item.secret for item in model.query("7")] == [f"{SSN}-7"]
        assert {item.secret for item in model.batch_get(["1", "2"])} == {f"{SSN}-1", f"{SSN}-2"}
        item = model.get("1")
        item.refresh()
        assert item.secret == f"{SSN}-1"

    def test_an_update_encrypts(self, table: Any, keys: Encryptor) -> None:
        """`set`, `remove`, and `set` if there is nothing yet."""
        model = account(table, secret=EncryptedAttribute(UnicodeAttribute(null=True), keys))
        item = model("1")
        item.save()
        item.update(actions=[model.secret.set(SSN)])
        assert model.get("1").secret == item.secret == SSN
        item.update(actions=[model.secret.set(model.secret | "other")])
        assert model.get("1").secret == SSN
        item.update(actions=[model.secret.remove()])
        assert model.get("1").secret is None
        item.update(actions=[model.secret.set(model.secret | SSN)])
        assert model.get("1").secret == SSN
        item.update(actions=[model.secret.set(None)])
        assert model.get("1").secret is None

    def test_presence_can_be_asked_for(self, table: Any, keys: Encryptor) -> None:
        """In conditions and filters."""
        model = account(table, secret=EncryptedAttribute(UnicodeAttribute(null=True), keys))
        model("1", secret=SSN).save()
        model("2").save()
        assert [item.id for item in model.scan(model.secret.exists())] == ["1"]
        assert [item.id for item in model.scan(model.secret.does_not_exist())] == ["2"]

    @pytest.mark.parametrize(
        "ask",
        [
            lambda a: a == SSN,
            lambda a: a != SSN,
            lambda a: a < SSN,
            lambda a: a >= SSN,
            lambda a: a.between("a", "b"),
            lambda a: a.is_in(SSN),
            lambda a: a.startswith("0"),
            lambda a: a.contains("0"),
            lambda a: a.add(1),
            lambda a: a.delete("x"),
            lambda a: a.append(["x"]),
            lambda a: a.prepend(["x"]),
            lambda a: a + 1,
            lambda a: 1 - a,
            lambda a: a[0],
        ],
    )
    def test_dynamodb_is_not_asked_to_compute_on_ciphertext(self, ask: Any) -> None:
        """The error names the attribute and what does work."""

        class Account(Model):
            class Meta:
                table_name = "accounts"

            id = UnicodeAttribute(hash_key=True)
            secret = EncryptedAttribute(UnicodeAttribute(), Encryptor())

        with pytest.raises(TypeError, match=r"'secret'.*exists\(\)") as caught:
            ask(Account.secret)
        assert SSN not in str(caught.value)


class TestPlace:
    def test_an_attribute_cannot_be_swapped_with_another(self, dynamodb: DynamoDb, table: Any, keys: Encryptor) -> None:
        """Each value is bound to its table and attribute."""
        model = account(
            table,
            first=EncryptedAttribute(UnicodeAttribute(), keys),
            second=EncryptedAttribute(UnicodeAttribute(), keys),
        )
        model("1", first="a", second="b").save()
        item = raw(dynamodb)
        dynamodb.client().put_item(TableName="accounts", Item={**item, "second": item["first"]})
        with pytest.raises(DecryptionError):
            model.get("1")

    def test_a_field_without_a_table_asks_for_a_name(self, keys: Encryptor) -> None:
        """In a map, for example, which may be in many tables."""

        class Card(MapAttribute[Any, Any]):
            number = EncryptedAttribute(UnicodeAttribute(), keys)

        with pytest.raises(ConfigurationError, match=r"'number'.*name="):
            Card(number=SSN).serialize(Card(number=SSN))

    def test_an_attribute_of_several_tables_asks_for_a_name(self, keys: Encryptor) -> None:
        """Values could be exchanged between the tables, or be unreadable, by which model was imported first."""

        class Base(Model):
            secret = EncryptedAttribute(UnicodeAttribute(), keys)

        class First(Base):
            class Meta:
                table_name = "first"

        class Second(Base):
            class Meta:
                table_name = "second"

        with pytest.raises(ConfigurationError, match=r"several tables.*first, second"):
            Second(secret="x").serialize()

    def test_a_field_is_called_after_the_present_name_of_the_table(self, keys: Encryptor) -> None:
        """As PynamoDB writes to the table of that name: one for each month, for example."""

        class Message(Model):
            class Meta:
                table_name = "messages_10"

            text = EncryptedAttribute(UnicodeAttribute(), keys)

        october = Message(text="october").serialize()
        Message.Meta.table_name = "messages_11"
        data = Message(text="november").serialize()["text"]["B"]
        assert keys.field("messages_11.text", str).decrypt(data) == "november"
        Message.Meta.table_name = "messages_10"
        assert Message.from_raw_data(october).text == "october"

    def test_a_table_that_is_declared_later_counts_as_well(self, keys: Encryptor) -> None:
        """Values must not depend on whether the attribute was used before another model inherited it."""

        class First(Model):
            class Meta:
                table_name = "first"

            secret = EncryptedAttribute(UnicodeAttribute(), keys)

        First(secret="x").serialize()

        class Second(First):
            class Meta:
                table_name = "second"

        with pytest.raises(ConfigurationError, match=r"several tables.*first, second"):
            First(secret="x").serialize()

    def test_an_attribute_of_an_abstract_model_is_named_after_the_table(self, keys: Encryptor) -> None:
        """If there is only one."""

        class Base(Model):
            secret = EncryptedAttribute(UnicodeAttribute(), keys)

        class Only(Base):
            class Meta:
                table_name = "only"

        data = Only(secret="x").serialize()["secret"]["B"]
        assert keys.field("only.secret", str).decrypt(data) == "x"

    def test_an_attribute_of_a_map_can_be_encrypted_alone(
        self, dynamodb: DynamoDb, table: Any, keys: Encryptor
    ) -> None:
        """With a name of its own; the rest of the map stays readable."""

        class Card(MapAttribute[Any, Any]):
            number = EncryptedAttribute(UnicodeAttribute(), keys, name="cards.number")
            brand = UnicodeAttribute()

        model = account(table, card=Card())
        model("1", card=Card(number=SSN, brand="Visa")).save()
        assert raw(dynamodb)["card"]["M"]["brand"] == {"S": "Visa"}
        assert model.get("1").card.number == SSN


class TestRefusals:
    def test_a_set_holds_what_its_class_says(self, table: Any, keys: Encryptor) -> None:
        """boto3 would refuse numbers among texts, and never sees them; written, they could not be read."""
        model = account(table, secret=EncryptedAttribute(UnicodeSetAttribute(), keys))
        with pytest.raises(TypeError, match="type S, and it has int"):
            model("1", secret={1}).save()

    @pytest.mark.parametrize(
        "inner",
        [
            VersionAttribute(),
            TTLAttribute(),
            DiscriminatorAttribute(),
            NullAttribute(),
            UnicodeAttribute(hash_key=True),
            NumberAttribute(range_key=True),
        ],
        ids=lambda inner: type(inner).__name__,
    )
    def test_what_dynamodb_has_to_read_cannot_be_encrypted(self, inner: Any) -> None:
        """The error says why."""
        with pytest.raises(ConfigurationError, match=r"cannot be encrypted: "):
            EncryptedAttribute(inner, Encryptor())

    @pytest.mark.parametrize("arguments", [(str, Encryptor()), (UnicodeAttribute(), "key")])
    def test_wrong_arguments_are_refused(self, arguments: Any) -> None:
        """An attribute and an Encryptor are needed."""
        with pytest.raises(ConfigurationError, match="EncryptedAttribute"):
            EncryptedAttribute(*arguments)

    def test_encrypting_twice_is_refused(self, keys: Encryptor) -> None:
        """It would protect nothing more."""
        with pytest.raises(ConfigurationError, match="twice"):
            EncryptedAttribute(EncryptedAttribute(UnicodeAttribute(), keys), keys)


def test_models_can_be_declared_before_the_keys_are_configured(table: Any) -> None:
    """And say so if they are used before."""
    later = Encryptor()
    model = account(table, secret=EncryptedAttribute(UnicodeAttribute(), later))
    with pytest.raises(ConfigurationError, match="configure"):
        model("1", secret=SSN).save()
    later.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    model("1", secret=SSN).save()
    assert model.get("1").secret == SSN

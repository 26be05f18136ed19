"""Protected attributes of boto3 and PynamoDB that read plaintext and old values for a time."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pynamodb.attributes import BinaryAttribute, MapAttribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, KeyPolicy, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.migration import PreviousField
from fieldcrypt.schemes.fernet import FernetReader
from fieldcrypt_dynamodb import EncryptedClient, EncryptedTable, ItemSeal, Protected, ProtectedTable
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from tests.conftest import Clock
from tests.dynamodb.plaintext import PLAIN, SOON, TYPES
from tests.support.dynamodb import DynamoDb, OnMoto, raw
from tests.support.wiretap import Secrets

KEY = {"id": {"N": "1"}}


@pytest.fixture
def encryptor() -> Encryptor:
    """An Encryptor that does not wait for keys that nobody has."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=KeyPolicy(replication_wait=dt.timedelta(0)))


def create(dynamodb: DynamoDb, name: str = "patients") -> Any:
    """Make a table, and return it as boto3 has it."""
    return dynamodb.resource().create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )


def described(encryptor: Encryptor, **how: Any) -> ProtectedTable:
    """A description of all types that accepts plaintext."""
    how = how or {"accept_plaintext": SOON}
    return ProtectedTable(
        "patients", encryptor, key=["id"], attributes={name: Protected(kind, **how) for name, kind in TYPES.items()}
    )


class TestBoto3:
    def test_plaintext_of_every_type_is_read(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> None:
        """By tables and clients, as values of the declared types; each is counted."""
        plain = create(dynamodb)
        secrets.allow(*PLAIN.values(), "of", "at")
        plain.put_item(Item={"id": 1, **PLAIN})
        table = EncryptedTable(plain, described(encryptor))
        found = table.get_item(Key={"id": 1})["Item"]
        assert found == {"id": 1, **PLAIN, "born": dt.date(1990, 1, 2)}
        assert type(found["visits"]) is int
        assert encryptor.stats().events["plaintext_read"] == len(TYPES)
        client = EncryptedClient(dynamodb.client(), [described(encryptor)])
        item = client.get_item(TableName="patients", Key=KEY)["Item"]
        assert (item["name"], item["born"], item["photo"]) == (
            {"S": "Ann Example"},
            {"S": "1990-01-02"},
            {"B": b"a photograph"},
        )

    def test_what_is_written_is_encrypted(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """By puts and updates; and then it is read as before, of which nothing is counted."""
        table = EncryptedTable(create(dynamodb), described(encryptor))
        item = {"id": 1, **PLAIN, "born": dt.date(1990, 1, 2)}
        table.put_item(Item=item)
        table.update_item(
            Key={"id": 1},
            UpdateExpression="SET #name = :name",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":name": "Ann Secret"},
        )
        assert {kind for name in TYPES for kind in raw(dynamodb, "patients", KEY)[name]} == {"B"}
        assert table.get_item(Key={"id": 1})["Item"] == {**item, "name": "Ann Secret"}
        assert "plaintext_read" not in encryptor.stats().events


class TestRefused(OnMoto):
    def test_without_an_end_and_after_it(self, dynamodb: DynamoDb, encryptor: Encryptor, clock: Clock) -> None:
        """No mode is for ever; and when the day has come plaintext is an error that does not show it."""
        for how in (
            {"accept_until": SOON},
            {"accept": [PreviousField(encryptor.field("a.b", str))]},
            {"accept_plaintext": True},
            {"accept_plaintext": dt.date(2999, 1, 1)},
        ):
            with pytest.raises(ConfigurationError):
                described(encryptor, **how)
            with pytest.raises(ConfigurationError):
                EncryptedAttribute(UnicodeAttribute(), **how)
        plain = create(dynamodb)
        plain.put_item(Item={"id": 1, "name": "Ann Example"})
        day = dt.datetime.fromtimestamp(clock.now, dt.UTC).date() + dt.timedelta(days=2)
        table = EncryptedTable(plain, described(encryptor, accept_plaintext=day))
        assert table.get_item(Key={"id": 1})["Item"]["name"] == "Ann Example"
        clock.advance(3 * 86_400)
        with pytest.raises(DecryptionError, match="no longer accepts plaintext") as caught:
            table.get_item(Key={"id": 1})
        assert "Ann" not in repr(caught.value)

    def test_plaintext_of_another_type_or_of_an_envelopes_form(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """A number is no text; what looks encrypted and is not authentic is never plaintext, also of bytes."""
        plain = create(dynamodb)
        table = EncryptedTable(plain, described(encryptor))
        other = encryptor.field("patients.other", bytes).encrypt(b"x")
        for wrong in ({"name": 7}, {"name": b"text"}, {"born": "tomorrow"}, {"photo": other}, {"notes": "x"}):
            plain.put_item(Item={"id": 1, **wrong})
            with pytest.raises(DecryptionError) as caught:
                table.get_item(Key={"id": 1})
            assert caught.value.__cause__ is None
        plain.put_item(Item={"id": 1, "name": None})
        assert table.get_item(Key={"id": 1})["Item"]["name"] is None

    def test_an_item_without_a_seal_is_read_until_the_day(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """And counted; a seal that is there has to hold."""
        plain = create(dynamodb)

        def table(**how: Any) -> EncryptedTable:
            attributes = {"name": Protected(str, accept_plaintext=SOON)}
            seal = ItemSeal("seal", ("name", "role"), **how)
            return EncryptedTable(
                plain, ProtectedTable("patients", encryptor, key=["id"], attributes=attributes, seal=seal)
            )

        plain.put_item(Item={"id": 1, "name": "Ann Example", "role": "nurse"})
        assert table(accept_unsealed=SOON).get_item(Key={"id": 1})["Item"]["role"] == "nurse"
        assert encryptor.stats().events["plaintext_read"] == 2
        with pytest.raises(DecryptionError, match="no seal"):
            table().get_item(Key={"id": 1})
        table().put_item(Item={"id": 2, "name": "Ann Sealed", "role": "nurse"})
        plain.update_item(
            Key={"id": 2},
            UpdateExpression="SET #role = :role",
            ExpressionAttributeNames={"#role": "role"},
            ExpressionAttributeValues={":role": "admin"},
        )
        with pytest.raises(DecryptionError, match="sealed"):
            table(accept_unsealed=SOON).get_item(Key={"id": 2})


class TestOldValues(OnMoto):
    def test_other_schemes_and_former_names_are_read(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """As text or binary, of each item what it is; plaintext is not accepted with them."""
        plain, fernet = create(dynamodb), Fernet(Fernet.generate_key())
        former = encryptor.field("patients.called", str)
        accept: list[Any] = [FernetReader(fernet), PreviousField(former)]
        attributes = {"name": Protected(str, accept=accept, accept_until=SOON)}
        table = EncryptedTable(plain, ProtectedTable("patients", encryptor, key=["id"], attributes=attributes))
        token = fernet.encrypt(b"Ann Example")
        for stored in (token, token.decode(), former.encrypt("Ann Example")):
            plain.put_item(Item={"id": 1, "name": stored})
            assert table.get_item(Key={"id": 1})["Item"]["name"] == "Ann Example"
        assert encryptor.stats().events["old_value_read"] == 3
        plain.put_item(Item={"id": 1, "name": "Ann Planted"})
        with pytest.raises(DecryptionError):
            table.get_item(Key={"id": 1})


class TestPynamoDB(OnMoto):
    @pytest.mark.parametrize("bound", [True, False])
    def test_plaintext_is_read_as_the_attribute_inside_has_it(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets, bound: bool
    ) -> None:
        """In decorated models and others; what is saved then is encrypted, and read as before."""

        class Street(MapAttribute[str, Any]):
            street = UnicodeAttribute()

        Place: Any = Street  # noqa: N806 (PynamoDB's maps are untyped)

        class Plain(Model):
            Meta = dynamodb.meta("patients")
            id = NumberAttribute(hash_key=True)
            clinic = UnicodeAttribute()
            name = UnicodeAttribute()
            visits = NumberAttribute()
            seen = UTCDateTimeAttribute()
            photo = BinaryAttribute(legacy_encoding=True)
            place = Place()

        class Patient(Model):
            Meta = dynamodb.meta("patients")
            id = NumberAttribute(hash_key=True)
            clinic = UnicodeAttribute()
            name = EncryptedAttribute(UnicodeAttribute(), encryptor, accept_plaintext=SOON)
            visits = EncryptedAttribute(NumberAttribute(), encryptor, accept_plaintext=SOON)
            seen = EncryptedAttribute(UTCDateTimeAttribute(), encryptor, accept_plaintext=SOON)
            photo = EncryptedAttribute(BinaryAttribute(legacy_encoding=True), encryptor, accept_plaintext=SOON)
            place = EncryptedAttribute(Place(), encryptor, accept_plaintext=SOON)

        model: Any = encrypted_model(tenant="clinic")(Patient) if bound else Patient
        Plain.create_table(wait=True)
        seen = dt.datetime(2026, 2, 28, 23, 59, 59, 17, dt.UTC)
        values: dict[str, Any] = {"name": "Ann Example", "visits": 17_171_717, "seen": seen, "photo": b"a photograph"}
        secrets.allow(*values.values(), "High Street 7", "2026-02-28T23:59:59.000017+0000", "street")
        Plain(1, clinic="north", place=Place(street="High Street 7"), **values).save()

        def read() -> dict[str, Any]:
            found = model.get(1)
            return {**{name: getattr(found, name) for name in values}, "street": found.place.street}

        assert read() == {**values, "street": "High Street 7"}
        assert encryptor.stats().events["plaintext_read"] == 5
        model.get(1).save()
        item = raw(dynamodb, "patients", KEY)
        assert all("B" in item[name] for name in (*values, "place"))
        assert read() == {**values, "street": "High Street 7"}
        assert encryptor.stats().events["plaintext_read"] == 10

"""Values that cannot be read: errors say where they are, and a reader may go on without them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import DecryptionError, Encryptor, KeyProviderError, KeyShreddedError, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, Unreadable, encrypted, on_unreadable
from tests.support.dynamodb import DynamoDb, OnMoto, put_raw, raw

SSN, EMAIL = "078-05-1120", "ann@example.org"


class Away(LocalKeyProvider):
    """A key provider that can be cut off."""

    away = False

    def unwrap(self, *args: Any) -> bytes:
        if self.away:
            raise KeyProviderError("KMS is away")
        return super().unwrap(*args)


class Profile(MapAttribute[Any, Any]):
    ssn = EncryptedAttribute(UnicodeAttribute(null=True))
    city = UnicodeAttribute(null=True)


@pytest.fixture
def provider() -> Away:
    return Away(b"k" * 32)


@pytest.fixture
def keys(provider: Away) -> Encryptor:
    return Encryptor(provider, MemoryKeyStore())


@pytest.fixture
def model(dynamodb: DynamoDb, keys: Encryptor) -> Any:
    """A decorated model with three patients of two clinics."""

    @encrypted(keys, tenant="clinic", fields="patients")
    class Patient(Model):
        Meta = dynamodb.meta("patients")
        id = UnicodeAttribute(hash_key=True)
        number = NumberAttribute(range_key=True)
        clinic = UnicodeAttribute(null=True)
        ssn = EncryptedAttribute(UnicodeAttribute(null=True))
        weight = EncryptedAttribute(NumberAttribute(null=True))
        email = EncryptedAttribute(UnicodeAttribute(null=True), index="email_tag")
        email_tag = BlindIndexAttribute(null=True)
        profile: Any = Profile(null=True)

    Patient.create_table(wait=True)
    for name, clinic in (("ann", "north"), ("bob", "south"), ("eve", "north")):
        Patient(name, 1, clinic=clinic, ssn=SSN, email=EMAIL, profile=Profile(ssn=SSN, city="Bern")).save()
    return Patient


def damage(dynamodb: DynamoDb, table: str = "patients", key: Any = None, **values: Any) -> None:
    """Change an item as somebody does who can write to the table."""
    item = raw(dynamodb, table, key or {"id": {"S": "ann"}, "number": {"N": "1"}})
    put_raw(dynamodb, table, {name: value for name, value in {**item, **values}.items() if value is not None})


class TestDecorated(OnMoto):
    def test_an_error_names_table_attribute_and_item(self, dynamodb: DynamoDb, model: Any) -> None:
        """Of a value at the top and of one in a map."""
        damage(dynamodb, ssn={"B": b"\x01cut"})
        with pytest.raises(DecryptionError, match=r"patients\.ssn of the item {'id': 'ann', 'number': 1}: "):
            list(model.scan())
        damage(dynamodb, ssn=None, profile={"M": {"ssn": {"B": b"\x01cut"}}})
        with pytest.raises(DecryptionError, match=r"patients\.profile\.ssn of the item {'id': 'ann', 'number': 1}: "):
            list(model.scan())

    @pytest.mark.parametrize(
        "read",
        [
            lambda m: list(m.scan()),
            lambda m: [*m.query("ann"), *m.query("bob"), *m.query("eve")],
            lambda m: list(m.batch_get([("ann", 1), ("bob", 1), ("eve", 1)])),
            lambda m: [m.get("ann", 1), m.get("bob", 1), m.get("eve", 1)],
        ],
        ids=["scan", "query", "batch_get", "get"],
    )
    def test_a_reader_goes_on_without_what_was_shredded(self, model: Any, keys: Encryptor, read: Any) -> None:
        """In whichever way it reads; the other clinic's patient is whole."""
        keys.data_keys.shred("north", by="test")
        with on_unreadable("mark"):
            found = {patient.id: patient for patient in read(model)}
        assert found["bob"].ssn == found["bob"].profile.ssn == SSN
        for name in ("ann", "eve"):
            assert isinstance(found[name].ssn.error, KeyShreddedError)
            assert f"patients.ssn of the item {{'id': '{name}', 'number': 1}}" in str(found[name].ssn.error)
            assert isinstance(found[name].profile.ssn, Unreadable)
            assert found[name].profile.city == "Bern"
        with pytest.raises(KeyShreddedError):
            read(model)

    @pytest.mark.parametrize(
        ("values", "marked"),
        [
            ({"clinic": None}, {"ssn", "email"}),
            ({"ssn": {"S": "not encrypted"}}, {"ssn"}),
            ({"profile": {"S": "no map"}}, {"profile"}),
            ({"profile": {"M": {"ssn": {"M": {}}}}}, set()),
        ],
        ids=["no tenant", "plaintext", "no map", "a map inside of a map"],
    )
    def test_what_somebody_planted_is_marked(
        self, dynamodb: DynamoDb, model: Any, values: dict[str, Any], marked: set[str]
    ) -> None:
        """Else one item would end all scans."""
        damage(dynamodb, **values)
        with on_unreadable("mark"):
            found = {patient.id: patient for patient in model.scan()}
        assert found.keys() == {"ann", "bob", "eve"}
        shown = found["ann"].attribute_values
        assert {name for name in ("ssn", "email", "profile") if isinstance(shown[name], Unreadable)} == marked

    @pytest.mark.parametrize("tag", [{"S": "x"}, {"N": "5"}, {"L": []}, {"NULL": True}], ids=str)
    def test_what_is_no_tag_keeps_nobody_from_reading(self, dynamodb: DynamoDb, model: Any, tag: Any) -> None:
        """Only searches ask for it, and it is right again when the item is saved."""
        right = raw(dynamodb, "patients", {"id": {"S": "ann"}, "number": {"N": "1"}})["email_tag"]
        damage(dynamodb, email_tag=tag)
        (ann,) = model.query("ann")
        assert ann.email == EMAIL
        assert [patient.id for patient in model.scan(model.email == EMAIL)] == ["bob", "eve"]
        ann.save()
        assert raw(dynamodb, "patients", {"id": {"S": "ann"}, "number": {"N": "1"}})["email_tag"] == right

    def test_an_outage_is_raised_all_the_same(self, dynamodb: DynamoDb, model: Any, provider: Away) -> None:
        """Nothing is wrong with the values then."""
        keys = Encryptor(provider, MemoryKeyStore())
        fresh = encrypted(keys, tenant="clinic", fields="patients")(model)
        fresh("new", 1, clinic="north", ssn=SSN).save()
        keys.forget()
        provider.away = True
        with on_unreadable("mark"), pytest.raises(KeyProviderError):
            fresh.get("new", 1)

    def test_what_a_search_found_and_cannot_read_is_there(self, dynamodb: DynamoDb, model: Any) -> None:
        """It may be what was looked for."""
        damage(dynamodb, email={"B": b"\x01cut"})
        with on_unreadable("mark"):
            found = {patient.id: patient.email for patient in model.scan(model.email == EMAIL)}
        assert isinstance(found.pop("ann"), Unreadable)
        assert found == {"bob": EMAIL, "eve": EMAIL}

    def test_what_could_not_be_read_is_not_written(self, dynamodb: DynamoDb, model: Any) -> None:
        """It would be lost; a mark is no value in any other way either."""
        damage(dynamodb, ssn={"B": b"\x01cut"}, weight={"B": b"\x01cut"})
        with on_unreadable("mark"):
            patient = model.get("ann", 1)
        for attempt in (
            patient.save,
            lambda: patient.update([model.weight.set(patient.weight)]),
            patient.to_simple_dict,
        ):
            with pytest.raises(TypeError):
                attempt()
        with pytest.raises(DecryptionError):
            bool(patient.ssn)
        with pytest.raises(TypeError):
            json.dumps(patient.ssn)
        assert raw(dynamodb, "patients", {"id": {"S": "ann"}, "number": {"N": "1"}})["ssn"] == {"B": b"\x01cut"}


class TestNotDecorated(OnMoto):
    def test_errors_and_marks_say_where_they_are(self, dynamodb: DynamoDb, keys: Encryptor) -> None:
        """The attribute knows nothing of the item, but the model does."""

        class Account(Model):
            Meta = dynamodb.meta("accounts")
            id = UnicodeAttribute(hash_key=True)
            iban = EncryptedAttribute(UnicodeAttribute(), keys)

        Account.create_table(wait=True)
        with Account.batch_write() as batch:
            for name in ("1", "2"):
                batch.save(Account(name, iban=SSN))
        damage(dynamodb, "accounts", {"id": {"S": "1"}}, iban={"B": b"\x01cut"})
        place = r"accounts\.iban of the item {'id': '1'}: "
        with pytest.raises(DecryptionError, match=place):
            list(Account.scan())
        with on_unreadable("mark"):
            found = {account.id: account.iban for account in Account.scan()}
            again = Account("1")
            again.refresh()
        assert found.pop("2") == SSN
        for marked in (found["1"], again.iban):
            with pytest.raises(DecryptionError, match=place):
                str(marked)


def test_one_of_two_words_is_said() -> None:
    """Another one would be taken for a default."""
    with pytest.raises(ValueError, match="on_unreadable"), on_unreadable("skip"):  # type: ignore[arg-type]
        pass

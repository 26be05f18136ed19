"""Encrypted attributes inside of maps, and of maps in lists, bound to their item and path."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from pynamodb.attributes import ListAttribute, MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.operand import Path
from pynamodb.models import Model

from fieldcrypt import DecryptionError, Encryptor, ProtectedRecord
from fieldcrypt.migration import ValueStatus
from fieldcrypt_dynamodb import EncryptedTable, ProtectedTable
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from fieldcrypt_pynamodb import EncryptedAttribute, ProtectedAttributeError, encrypted
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.support.dynamodb import DynamoDb, OnMoto, put_raw, raw
from tests.support.wiretap import Secrets

SSN, NUMBER, OTHER = "078-05-1120", "4111-1111", "5500-0000"
KEY = {"id": {"S": "1"}}
SOON = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
PATHS: dict[str, Any] = {"profile.ssn": str, "profile.card.n": str, "profile.card.cvc": int, "cards[].n": str}


class Card(MapAttribute[Any, Any]):
    number = EncryptedAttribute(UnicodeAttribute(null=True, attr_name="n"))
    cvc = EncryptedAttribute(NumberAttribute(null=True))
    brand = UnicodeAttribute(null=True)


class Profile(MapAttribute[Any, Any]):
    ssn = EncryptedAttribute(UnicodeAttribute(null=True))
    city = UnicodeAttribute(null=True)
    card: Any = Card(null=True)


@pytest.fixture
def model(dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> Any:
    """A model with a map, a map in it, and a list of maps; and its table, with an item."""
    secrets.allow(3)

    @encrypted(encryptor, tenant="clinic", fields="patients")
    class Patient(Model):
        Meta = dynamodb.meta("patients")
        id = UnicodeAttribute(hash_key=True)
        clinic = UnicodeAttribute()
        name = UnicodeAttribute(null=True)
        profile: Any = Profile(null=True)
        cards: Any = ListAttribute(of=Card, null=True)

    Patient.create_table(wait=True)
    Patient("1", **content()).save()
    return Patient


def content() -> dict[str, Any]:
    profile = Profile(ssn=SSN, city="Bern", card=Card(number=NUMBER, cvc=3, brand="V"))
    return {"clinic": "north", "profile": profile, "cards": [Card(number=OTHER), Card(brand="V"), None]}


def check(patient: Any) -> None:
    assert (patient.profile.ssn, patient.profile.city) == (SSN, "Bern")
    card = patient.profile.card
    assert (card.number, card.cvc, card.brand) == (NUMBER, 3, "V")
    assert [card and (card.number, card.brand) for card in patient.cards] == [(OTHER, None), (None, "V"), None]


def test_they_come_back(model: Any, dynamodb: DynamoDb) -> None:
    """By get, scan and refresh; what is beside them is plain in the item."""
    for patient in (model.get("1"), *model.scan()):
        check(patient)
        patient.refresh()
        check(patient)
    profile = raw(dynamodb, "patients", KEY)["profile"]["M"]
    assert (profile["city"], list(profile["ssn"]), list(profile["card"]["M"]["n"])) == ({"S": "Bern"}, ["B"], ["B"])


def test_they_are_those_of_boto3_and_of_records(model: Any, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
    """Each reads what the other wrote: the context is that of SPEC section 2, "Nested values"."""
    record = ProtectedRecord("patients", encryptor, key="id", tenant="clinic", fields={"profile.ssn": str})
    stored = raw(dynamodb, "patients", KEY)["profile"]["M"]["ssn"]["B"]
    assert record.decrypt({"id": "1", "clinic": "north", "profile": {"ssn": stored}})["profile"]["ssn"] == SSN
    described = ProtectedTable(
        "patients", encryptor, fields="patients", key=["id"], tenant="clinic", attributes=PATHS, same_place=True
    )
    table = EncryptedTable(dynamodb.resource().Table("patients"), described)
    item = table.get_item(Key={"id": "1"})["Item"]
    assert (item["profile"]["ssn"], item["profile"]["card"]["cvc"], item["cards"][0]["n"]) == (SSN, 3, OTHER)
    table.put_item(Item={**item, "id": "2"})
    check(model.get("2"))


def test_updates_of_and_around_them(model: Any) -> None:
    """A value, a map, a list, an element; only what was set changes."""
    patient = model.get("1")
    patient.update([model.profile.ssn.set(OTHER), model.profile.city.set("Thun")])
    patient.update([model.profile.card.set(Card(number=OTHER)), model.cards[1].number.set(NUMBER)])
    patient.update([model.cards[2].set(Card(number=SSN)), model.profile.ssn.set(model.profile.ssn | NUMBER)])
    patient.update([model.cards.set(model.cards.append([Card(number=NUMBER)]))])
    read = model.get("1")
    assert (read.profile.ssn, read.profile.city, read.profile.card.number) == (OTHER, "Thun", OTHER)
    assert [card.number for card in read.cards] == [OTHER, NUMBER, SSN, NUMBER]
    patient.update([model.profile.ssn.remove(), model.cards[0].remove()])
    assert (patient.profile.ssn, len(patient.cards)) == (None, 3)
    patient.update([model.profile.set(Profile(ssn=SSN))])
    assert model.get("1").profile.ssn == SSN


def test_presence_and_what_is_beside_them_can_be_asked_for(model: Any) -> None:
    """And a path be projected: key and tenant are read as well."""
    assert [item.id for item in model.scan(model.profile.ssn.exists() & (model.profile.city == "Bern"))] == ["1"]
    assert model.get("1", attributes_to_get=["profile.ssn"]).profile.ssn == SSN


@pytest.mark.parametrize(
    "action",
    [
        lambda m: Path("profile.ssn").set(SSN),
        lambda m: Path("profile").set({"ssn": SSN}),
        lambda m: Path("cards[0].n").set(SSN),
        lambda m: Path("cards").set(Path("cards").append([{"n": SSN}])),
        lambda m: Path("profile.card.cvc").add(1),
        lambda m: Path("profile.ssn.part").set(SSN),
        lambda m: m.name.set(m.profile.ssn),
        lambda m: m.name.set(Path("profile.ssn")),
        lambda m: m.profile.city.set(Path("profile.card.n")),
        lambda m: m.profile.card.set(Path("cards[0]")),
        lambda m: m.profile.card.cvc.set(m.profile.card.cvc + 1),
    ],
)
def test_no_update_sends_plaintext_or_moves_ciphertext(model: Any, action: Any, secrets: Secrets) -> None:
    """Whatever it is that leads there."""
    before = secrets.requests
    with pytest.raises(ProtectedAttributeError) as caught:
        model("1", clinic="north").update([action(model)])
    assert SSN not in str(caught.value)
    assert secrets.requests == before


@pytest.mark.parametrize(
    "condition",
    [
        lambda m: m.profile.ssn == SSN,
        lambda m: Path("profile.ssn") == SSN,
        lambda m: m.profile == Profile(ssn=SSN),
        lambda m: m.cards.contains(Card(number=SSN)),
        lambda m: Path("cards[0].n").startswith(SSN),
    ],
)
def test_no_condition_sends_plaintext(model: Any, condition: Any, secrets: Secrets) -> None:
    """They are refused before anything is sent."""
    before = secrets.requests
    with pytest.raises(ProtectedAttributeError) as caught:
        list(model.scan(condition(model)))
    assert SSN not in str(caught.value)
    assert secrets.requests == before


def test_a_value_that_is_moved_to_another_path_or_item_does_not_decrypt(model: Any, dynamodb: DynamoDb) -> None:
    """To another member of its map, from a map to a list, and to another item."""
    item = raw(dynamodb, "patients", KEY)
    profile, card = item["profile"]["M"], item["profile"]["M"]["card"]["M"]
    for forged in (
        {**item, "profile": {"M": {**profile, "ssn": card["n"]}}},
        {**item, "cards": {"L": [{"M": card}]}},
        {**item, "id": {"S": "2"}},
    ):
        put_raw(dynamodb, "patients", forged)
        with pytest.raises(DecryptionError):
            model.get(forged["id"]["S"])


def test_they_are_migrated(dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> None:
    """Plaintext is read before, each value counts, and afterwards all are encrypted."""
    secrets.allow(SSN, OTHER)

    class Account(MapAttribute[Any, Any]):
        iban = EncryptedAttribute(UnicodeAttribute(), accept_plaintext=SOON)

    @encrypted(encryptor, fields="patients")
    class Patient(Model):
        Meta = dynamodb.meta("patients")
        id = UnicodeAttribute(hash_key=True)
        account: Any = Account()
        former: Any = ListAttribute(of=Account)

    Patient.create_table(wait=True)
    former = [{"M": {"iban": {"S": iban}}} for iban in (SSN, OTHER)]
    put_raw(dynamodb, "patients", {**KEY, "account": former[0], "former": {"L": former}})
    CheckpointTable(client_factory=dynamodb.client).create_table()
    migration = TableMigration(MigratedModel(Patient), dynamodb.client)
    for plaintexts in (3, 0):
        patient = Patient.get("1")
        assert (patient.account.iban, [each.iban for each in patient.former]) == (SSN, [SSN, OTHER])
        found = sum(count.get(ValueStatus.PLAINTEXT, 0) for count in migration.plan().fields.values())
        assert found == plaintexts
        assert migration.backfill().complete
    assert migration.verify().wrong == 0
    assert SSN not in str(raw(dynamodb, "patients", KEY))


class TestDictionaries(OnMoto):
    def test_they_have_ciphertext_and_read_back(self, model: Any) -> None:
        """DynamoDB's form and the simple one, which has text; an incomplete item as well."""
        patient, read, simple = model("1", **content()), model(), model()
        read.from_dynamodb_dict(json.loads(json.dumps(patient.to_dynamodb_dict())))
        simple.from_simple_dict(json.loads(json.dumps(patient.to_simple_dict())))
        check(read)
        check(simple)
        assert SSN not in json.dumps(patient.to_simple_dict()) + repr(patient)


def test_a_map_of_a_decorated_model_is_not_written_by_one_that_is_not(dynamodb: DynamoDb, model: Any) -> None:
    """Nobody would encrypt what is in it; and nothing is sent."""

    class Plain(Model):
        Meta = model.Meta
        id = UnicodeAttribute(hash_key=True)
        profile: Any = Profile()

    with pytest.raises(TypeError) as caught:
        Plain("2", profile=Profile(ssn=SSN)).save()
    assert SSN not in str(caught.value)
    with pytest.raises(ProtectedAttributeError, match="is bound to its item"):
        Plain.get("1")

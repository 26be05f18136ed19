"""Models with encrypted attributes beside their operations, decorated or not: dictionaries, text, failures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pynamodb.attributes import ListAttribute, MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import AttributeNullError
from pynamodb.models import Model

from fieldcrypt import DecryptionError, Encryptor
from fieldcrypt_pynamodb import EncryptedAttribute, ProtectedAttributeError, encrypted

SSN = "078-05-1120"


class Address(MapAttribute[Any, Any]):
    street = UnicodeAttribute()
    number = NumberAttribute()


@pytest.fixture(params=[True, False], ids=["decorated", "not decorated"])
def model(request: pytest.FixtureRequest, encryptor: Encryptor) -> Any:
    """A model without a table, whose attributes come from a mixin too."""

    class Named:
        name = EncryptedAttribute(UnicodeAttribute(null=True), encryptor)

    class Patient(Named, Model):
        class Meta:
            table_name = "patients"

        id = UnicodeAttribute(hash_key=True)
        address = EncryptedAttribute(Address(null=True), encryptor)
        former = EncryptedAttribute(ListAttribute(of=Address, null=True), encryptor)

    return encrypted(encryptor)(Patient) if request.param else Patient


def test_incomplete_maps_are_serialized_where_nobody_asks_for_whole_ones(model: Any) -> None:
    """As PynamoDB's: by to_dynamodb_dict(), to_simple_dict() and serialize(null_check=False), and by nothing else."""
    patient = model("1", address=Address(street=SSN), former=[Address(number=2)])
    for way in (patient.to_dynamodb_dict, patient.to_simple_dict):
        assert set(json.loads(json.dumps(way()))) == {"id", "address", "former"}
    read = model.from_raw_data(patient.serialize(null_check=False))
    assert (read.address.street, read.address.number, read.former[0].number) == (SSN, None, 2)
    with pytest.raises(AttributeNullError):
        patient.serialize()


def test_simple_dicts_have_ciphertext_as_text(model: Any) -> None:
    """Without `force`, and they read back."""
    simple = json.dumps(model("1", name=SSN, address=Address(street=SSN, number=3)).to_simple_dict())
    assert SSN not in simple
    again = model()
    again.from_simple_dict(json.loads(simple))
    assert (again.name, again.address.number) == (SSN, 3)


def test_the_text_of_an_instance_shows_no_encrypted_value(model: Any) -> None:
    """It is what ends up in logs."""
    assert repr(model("1", name=SSN)) == "Patient(name=<protected>, id='1')"


def test_an_instance_keeps_its_values_when_others_cannot_be_read(model: Any) -> None:
    """It would be saved without them."""
    patient, other = model("1", name=SSN), model("1", name=SSN).serialize()
    other["address"] = other["name"]
    with pytest.raises(DecryptionError):
        patient.deserialize(other)
    assert (patient.id, patient.name) == ("1", SSN)


class Card(MapAttribute[Any, Any]):
    number = EncryptedAttribute(UnicodeAttribute(), Encryptor(), name="cards.number")
    brand = UnicodeAttribute()


def test_the_text_of_a_map_shows_no_encrypted_value() -> None:
    """On its own and in an instance."""

    class Customer(Model):
        id = UnicodeAttribute(hash_key=True)
        card = Card()

    customer = Customer("1", card=Card(number=SSN, brand="Visa"))
    assert repr(customer.card) == "Card(number=<protected>, brand='Visa')"
    assert SSN not in repr(customer)


def test_a_map_has_dictionaries_of_its_own_unless_its_values_are_bound_to_an_item(encryptor: Encryptor) -> None:
    """With ciphertext, as those of its item; of what no item is known there is none."""

    class Own(MapAttribute[Any, Any]):
        number = EncryptedAttribute(UnicodeAttribute(), encryptor, name="cards.number")

    again = Own()
    again.from_simple_dict(json.loads(json.dumps(Own(number=SSN).to_simple_dict())))
    assert again.number == SSN

    class Bound(MapAttribute[Any, Any]):
        number = EncryptedAttribute(UnicodeAttribute())

    @encrypted(encryptor)
    class Customer(Model):
        class Meta:
            table_name = "customers"

        id = UnicodeAttribute(hash_key=True)
        card = Bound(null=True)
        whole = EncryptedAttribute(ListAttribute(of=Bound, null=True))

    card = Customer("1", card=Bound(number=SSN)).card
    for way in (card.to_simple_dict, card.to_dynamodb_dict, Customer("1", whole=[card]).serialize):
        with pytest.raises(ProtectedAttributeError, match="'number' of a map is bound to its item"):
            way()

"""The values of an item are encrypted as one batch, in boto3 and in PynamoDB."""

from __future__ import annotations

from typing import Any

import pytest
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, _system
from fieldcrypt_dynamodb import Protected, ProtectedTable
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_pynamodb import EncryptedAttribute, encrypted

NAMES = ("name", "ssn", "city", "phone", "notes")
VALUES = dict.fromkeys(NAMES, "a value")


@pytest.fixture
def encryptor() -> Encryptor:
    """With a data key that is live, and a salt that is known."""
    made = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    made.field("a.b", str).encrypt("")
    return made


def table(encryptor: Encryptor, **protections: Any) -> Items:
    """The items of a table with five protected attributes."""
    attributes: dict[str, Any] = {**dict.fromkeys(NAMES, str), **protections}
    return Items(ProtectedTable("patients", encryptor, key=["id"], attributes=attributes), PYTHON)


def model(encryptor: Encryptor, **attributes: Any) -> Any:
    """A model with five protected attributes."""
    declared = {name: EncryptedAttribute(UnicodeAttribute()) for name in NAMES}
    meta = type("Meta", (), {"table_name": "patients"})
    namespace = {"Meta": meta, "id": UnicodeAttribute(hash_key=True), **declared, **attributes}
    metaclass: Any = type(Model)
    return encrypted(encryptor)(metaclass("Patient", (Model,), namespace))


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each draw of random numbers has."""
    sizes: list[int] = []
    draw = _system.random_bytes

    def drawn(size: int) -> bytes:
        sizes.append(size)
        return draw(size)

    monkeypatch.setattr(_system, "random_bytes", drawn)
    return sizes


def test_an_item_takes_one_draw(encryptor: Encryptor, draws: list[int]) -> None:
    """Of all its nonces."""
    items = table(encryptor)
    sealed = items.encrypted({"id": "1", **VALUES})
    assert draws == [5 * 12]
    assert items.decrypted(sealed) == {"id": "1", **VALUES}


def test_a_model_takes_one_draw(encryptor: Encryptor, draws: list[int]) -> None:
    """Likewise."""
    patient = model(encryptor)
    item = patient("1", **VALUES)._container_serialize()
    assert draws == [5 * 12]
    assert patient._instantiate(item).attribute_values == {"id": "1", **VALUES}


def test_attributes_of_two_encryptors(encryptor: Encryptor) -> None:
    """Have data keys of their own, and are read as ever."""
    other = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    patient = model(encryptor, ssn=EncryptedAttribute(UnicodeAttribute(), other))
    item = patient("1", **VALUES)._container_serialize()
    assert len({content["B"][1:17] for name, content in item.items() if name in NAMES}) == 2
    assert patient._instantiate(item).attribute_values == {"id": "1", **VALUES}


def test_an_error_names_the_attribute(encryptor: Encryptor) -> None:
    """Also one whose field has another name, in the midst of a batch."""
    items = table(encryptor, city=Protected(str, name="people.town"))
    with pytest.raises(TypeError, match=r"patients\.city of the item .*: expected str, got int"):
        items.encrypted({"id": "1", **VALUES, "city": 5})

"""The values of an item are encrypted and decrypted as one batch, in boto3 and in PynamoDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    KeyProviderError,
    LocalKeyProvider,
    MemoryKeyStore,
    WrappedKey,
    _system,
)
from fieldcrypt.spi import FieldGroup
from fieldcrypt_dynamodb import Protected, ProtectedTable, Unreadable, of_tenant
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


SPOILED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "damaged": lambda item: {"B": item["city"]["B"][:-1] + bytes([item["city"]["B"][-1] ^ 1])},
    "another attribute's": lambda item: item["ssn"],
    "plaintext": lambda _: {"S": "planted"},
    "empty": lambda _: {"B": b""},
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
class TestAValueThatCannotBeRead:
    """Among the values of an item, which are decrypted together."""

    def test_takes_no_other_value_away(self, encryptor: Encryptor, spoil: Callable[[Any], Any]) -> None:
        """Whoever writes to the table could do that by it."""
        items = table(encryptor)
        sealed = items.encrypted({"id": "1", **VALUES})
        found = items.decrypted({**sealed, "city": spoil(sealed)}, mark=True)
        assert isinstance(found.pop("city"), Unreadable)
        assert found == {"id": "1", **{name: value for name, value in VALUES.items() if name != "city"}}

    def test_is_reported_once(self, encryptor: Encryptor, spoil: Callable[[Any], Any]) -> None:
        """Although it is tried twice: with the others, and alone."""
        items = table(encryptor)
        sealed = items.encrypted({"id": "1", **VALUES})
        items.decrypted({**sealed, "city": spoil(sealed)}, mark=True)
        assert encryptor.stats().events["value_refused"] == 1

    def test_is_named(self, encryptor: Encryptor, spoil: Callable[[Any], Any]) -> None:
        """By its attribute and item."""
        items = table(encryptor)
        sealed = items.encrypted({"id": "1", **VALUES})
        with pytest.raises(DecryptionError, match=r"patients\.city of the item \{'id': '1'\}"):
            items.decrypted({**sealed, "city": spoil(sealed)})

    def test_is_reported_once_of_a_model(self, encryptor: Encryptor, spoil: Callable[[Any], Any]) -> None:
        """Likewise in PynamoDB."""
        patient = model(encryptor)
        sealed = patient("1", **VALUES)._container_serialize()
        with pytest.raises(DecryptionError, match=r"patients\.city of the item \{'id': '1'\}"):
            patient._instantiate({**sealed, "city": spoil(sealed)})
        assert encryptor.stats().events["value_refused"] == 1


@pytest.mark.parametrize("left", range(len(NAMES) + 1))
def test_items_that_lack_values(encryptor: Encryptor, left: int) -> None:
    """Have those that they had, and NULL where there was one, whether they are few or many."""
    items = table(encryptor)
    item = {"id": "1", **dict(list(VALUES.items())[:left]), **({"notes": None} if left < len(NAMES) else {})}
    sealed = items.encrypted(item)
    assert [name for name, value in sealed.items() if "B" in value] == list(NAMES[:left])
    assert items.decrypted(sealed) == item


@pytest.mark.parametrize("missing", NAMES)
def test_an_item_that_lacks_one_value(encryptor: Encryptor, missing: str) -> None:
    """Has all others bound as they are without it, in whatever place it would be."""
    items = table(encryptor)
    item = {"id": "1", **{name: value for name, value in VALUES.items() if name != missing}}
    assert items.decrypted(items.encrypted(item)) == item


@pytest.mark.parametrize("left", range(len(NAMES) + 1))
def test_models_that_lack_values(encryptor: Encryptor, left: int) -> None:
    """Likewise in PynamoDB, which stores nothing for them."""
    attributes = {name: EncryptedAttribute(UnicodeAttribute(null=True)) for name in NAMES}
    patient, values = model(encryptor, **attributes), dict(list(VALUES.items())[:left])
    sealed = patient("1", **values)._container_serialize()
    assert sealed.keys() == {"id", *values}
    assert patient._instantiate(sealed).attribute_values == {"id": "1", **values}


class Remote(LocalKeyProvider):
    """Counts how often it is asked, and may be out of reach."""

    is_away = False
    asked = 0

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        self.asked += 1
        if self.is_away:
            raise KeyProviderError("out of reach")
        return super().unwrap(wraps, context)


def test_an_outage_is_met_once() -> None:
    """The values of an item are not tried one by one when their key cannot be had: each would wait for it."""
    store, provider = MemoryKeyStore(), Remote(bytes(32))
    sealed = table(Encryptor(provider, store)).encrypted({"id": "1", **VALUES})
    provider.is_away, provider.asked = True, 0
    with pytest.raises(KeyProviderError):
        table(Encryptor(provider, store)).decrypted(sealed, mark=True)
    assert provider.asked == 1


@pytest.mark.parametrize("names", [NAMES, NAMES[:2]], ids=["many", "few"])
@pytest.mark.parametrize("beside", [{}, {"ssn": {"NULL": True}}], ids=["alone", "beside NULL"])
def test_an_item_that_does_not_tell_its_tenant_is_reported_once(
    encryptor: Encryptor, names: tuple[str, ...], beside: dict[str, Any]
) -> None:
    """All its values are marked for this one reason."""
    attributes = dict.fromkeys(names, str)
    described = ProtectedTable("patients", encryptor, key=["id"], tenant="clinic", attributes=attributes)
    items = Items(described, PYTHON)
    sealed = items.encrypted({"id": "1", "clinic": "north", **{name: VALUES[name] for name in names}})
    found = items.decrypted({**{name: sealed[name] for name in ("id", *names)}, **beside}, mark=True)
    assert {name for name, value in found.items() if isinstance(value, Unreadable)} == set(names) - beside.keys()
    assert encryptor.stats().events["value_refused"] == 1


def test_forgetting_keys_reaches_what_is_prepared_for_items() -> None:
    """What decrypts together asks for the keys again, as each field does."""
    provider = Remote(bytes(32))
    encryptor = Encryptor(provider, MemoryKeyStore())
    items = table(encryptor)
    sealed = items.encrypted({"id": "1", **VALUES})
    assert items.decrypted(sealed) == {"id": "1", **VALUES}
    encryptor.forget()
    provider.is_away = True
    with pytest.raises(KeyProviderError):
        items.decrypted(sealed)


def test_narrowing_a_table_prepares_nothing_again(encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications do it for every request, and it would take longer than to encrypt an item."""
    attributes = dict.fromkeys(NAMES, str)
    described = ProtectedTable("patients", encryptor, key=["id"], tenant="clinic", attributes=attributes)
    sealed = Items(described, PYTHON).encrypted({"id": "1", "clinic": "north", **VALUES})
    monkeypatch.setattr(FieldGroup, "__new__", lambda *_: pytest.fail("a group was prepared"))
    monkeypatch.setattr(Field, "quiet", property(lambda _: pytest.fail("a field was prepared")))
    assert Items(of_tenant(described, "north"), PYTHON).decrypted(sealed) == {"id": "1", "clinic": "north", **VALUES}


def test_the_first_map_that_is_none_is_told(encryptor: Encryptor) -> None:
    """Of several, in the order of the declaration: another run says the same of the same item."""
    maps = [f"map_{number}" for number in range(9)]
    described = ProtectedTable("patients", encryptor, key=["id"], attributes={f"{name}.ssn": str for name in maps})
    with pytest.raises(DecryptionError, match=r"patients\.map_0 of the item"):
        Items(described, PYTHON).decrypted({"id": {"S": "1"}, **{name: {"S": "planted"} for name in maps}})

"""Values, tags and keys that the first version wrote: they are read for ever. See tests/frozen/README.md."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    FileKeyStore,
    KeyShreddedError,
    LocalKeyProvider,
    key_text,
    row_context,
)
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.frozen import keys
from tests.frozen.data import DATA, load_items, load_json, load_postgres, load_sqlite
from tests.frozen.life import FIELD, keys_of
from tests.frozen.values import CASES, KEYS, TAGGED

FORMS = ("stored", "self-contained")
VALUES: dict[str, Any] = load_json("values")
LIVES: dict[str, Any] = load_json("life")
STORES = ("file", "sqlite", "postgresql", "dynamodb")


@pytest.fixture
def values_store(tmp_path: Path) -> FileKeyStore:
    """A copy of the key store under whose keys the stored values are."""
    shutil.copy(DATA / "keys" / "values.sqlite", tmp_path / "values.sqlite")
    return FileKeyStore(tmp_path / "values.sqlite")


@pytest.fixture
def of_form(values_store: FileKeyStore) -> dict[str, Encryptor]:
    """The Encryptor that reads each form of values."""
    return {"stored": keys.encryptor(values_store), "self-contained": keys.encryptor()}


def exact(value: Any) -> str:
    """Tell values apart that Python takes for equal: 1 and 1.0, 0.0 and -0.0, instants with other offsets."""
    if isinstance(value, set):
        return f"set {sorted(map(exact, value))}"
    if isinstance(value, list):
        return f"list {list(map(exact, value))}"
    if isinstance(value, dict):
        return f"dict {[(exact(key), exact(of)) for key, of in value.items()]}"
    return f"{type(value).__name__} {value!r}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CASES)
class TestValues:
    def test_a_value_opens(self, form: str, name: str, of_form: dict[str, Encryptor]) -> None:
        """To what was encrypted, and of the same type: zeros, offsets and the order of a dict included."""
        case = CASES[name]
        field = of_form[form].field(f"values.{name}", case.field_type, pad=case.pad)
        opened = field.decrypt(bytes.fromhex(VALUES[form][name]), tenant=case.tenant, context=case.context)
        assert opened == case.value
        assert exact(opened) == exact(case.value)

    def test_a_value_does_not_open_elsewhere(self, form: str, name: str, of_form: dict[str, Encryptor]) -> None:
        """In another field of the same type."""
        case = CASES[name]
        field = of_form[form].field("values.other", case.field_type, pad=case.pad)
        with pytest.raises(DecryptionError):
            field.decrypt(bytes.fromhex(VALUES[form][name]), tenant=case.tenant, context=case.context)


class TestTags:
    @pytest.mark.parametrize("name", TAGGED)
    def test_an_equal_value_has_the_tag(self, name: str, values_store: FileKeyStore) -> None:
        """What was tagged is found by all that counts as equal, and by nothing else."""
        case, tag = TAGGED[name], bytes.fromhex(VALUES["tags"][name])
        index = keys.encryptor(values_store).blind_index(f"tagged.{name}", type(case.value), **case.how)
        assert index.tag(case.value, tenant=case.tenant) == tag
        assert tag in index.tags(case.equal, tenant=case.tenant)
        assert tag not in index.tags(case.other, tenant=case.tenant)


class TestKeyTexts:
    @pytest.mark.parametrize("name", KEYS)
    def test_the_text_of_a_key(self, name: str) -> None:
        """By which values are bound to their rows is the same for ever."""
        assert key_text(KEYS[name]) == VALUES["key texts"][name]

    def test_the_context_of_a_row(self) -> None:
        """Has the same entries for ever, for keys of one part and of several."""
        assert dict(row_context(-7)) == VALUES["row contexts"]["one"]
        assert dict(row_context("ann", 7)) == VALUES["row contexts"]["two"]


@pytest.fixture(params=STORES)
def lived(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Encryptor, dict[str, Any]]:
    """An Encryptor over a copy of each key store, and what is kept of its life."""
    kind: str = request.param
    opening: dict[str, Callable[[], Any]] = {
        "file": lambda: FileKeyStore(shutil.copy(DATA / "keys" / "life.sqlite", tmp_path / "life.sqlite")),
        "sqlite": lambda: _sql(request, kind, tmp_path),
        "postgresql": lambda: _sql(request, kind, tmp_path),
        "dynamodb": lambda: _dynamodb(request),
    }
    return keys.encryptor(opening[kind]()), LIVES[kind]


def _sql(request: pytest.FixtureRequest, kind: str, directory: Path) -> SqlKeyStore:
    if kind == "sqlite":
        load_sqlite("rows", directory / "test.sqlite")
    engine = request.getfixturevalue("database")(kind)
    if kind == "postgresql":
        load_postgres("rows", engine)
    return SqlKeyStore(engine)


def _dynamodb(request: pytest.FixtureRequest) -> DynamoKeyStore:
    dynamodb = request.getfixturevalue("moto")
    load_items(dynamodb.client(), "items")
    return DynamoKeyStore("data-keys", client_factory=dynamodb.client)


class TestKeyStores:
    """Each kind of key store that the first version filled."""

    def test_every_key_is_there(self, lived: tuple[Encryptor, dict[str, Any]]) -> None:
        """With its purpose, state, tenant and age; of what was shredded, when, by whom and how many."""
        encryptor, life = lived
        found = keys_of(encryptor)
        assert {key_id: found[key_id] for key_id in life["keys"]} == life["keys"]

    def test_values_under_every_key_open(self, lived: tuple[Encryptor, dict[str, Any]]) -> None:
        """Under active ones, those that others have followed, and retired ones."""
        encryptor, life = lived
        field = encryptor.field(FIELD, str)
        kept = [value for value in life["values"] if value["tenant"] != "gone"]
        assert {value["tenant"] for value in kept} == {None, "north", "south"}
        for value in kept:
            assert field.decrypt(bytes.fromhex(value["value"]), tenant=value["tenant"]) == value["text"]

    def test_a_shredded_tenant_is_refused(self, lived: tuple[Encryptor, dict[str, Any]]) -> None:
        """As shredded, with when, by whom and how many keys, and not as tampering."""
        encryptor, life = lived
        (gone,) = [value for value in life["values"] if value["tenant"] == "gone"]
        with pytest.raises(KeyShreddedError) as caught:
            encryptor.field(FIELD, str).decrypt(bytes.fromhex(gone["value"]))
        told = life["keys"][gone["value"][2:34]]
        assert (caught.value.shredded, caught.value.by, caught.value.keys) == (
            told["shredded"],
            told["by"],
            told["keys"],
        )

    def test_nothing_is_written_for_a_shredded_tenant(self, lived: tuple[Encryptor, dict[str, Any]]) -> None:
        """Neither a value nor a tag."""
        encryptor, _ = lived
        with pytest.raises(KeyShreddedError):
            encryptor.field(FIELD, str).encrypt("something new", tenant="gone")
        with pytest.raises(KeyShreddedError):
            encryptor.blind_index(FIELD).tag("something new", tenant="gone")

    @pytest.mark.parametrize("tenant", [None, "north", "south"])
    def test_the_newest_key_encrypts(self, tenant: str | None, lived: tuple[Encryptor, dict[str, Any]]) -> None:
        """And no key is made, nor a retired one taken."""
        encryptor, life = lived
        before = encryptor.data_keys.count()
        written = encryptor.field(FIELD, str).encrypt("something new", tenant=tenant)
        active = {
            key_id: key["created"]
            for key_id, key in life["keys"].items()
            if (key["tenant"], key["purpose"], key["state"]) == (tenant, "ENCRYPTION", "active")
        }
        assert written[1:17].hex() == max(active, key=lambda key_id: active[key_id])
        assert encryptor.data_keys.count() == before

    def test_old_values_are_known_as_old(self, lived: tuple[Encryptor, dict[str, Any]]) -> None:
        """What is under a key that was followed, or retired, is to be re-encrypted; the rest is not."""
        encryptor, life = lived
        old = [
            (value["tenant"], value["text"])
            for value in life["values"]
            if value["tenant"] != "gone" and encryptor.needs_reencrypt(bytes.fromhex(value["value"]))
        ]
        assert old == [("north", "value 1 of north"), ("north", "value 2 of north")]

    def test_tags_are_found(self, lived: tuple[Encryptor, dict[str, Any]]) -> None:
        """Under every index key that is live, of which `north` has two; not under one that was retired."""
        encryptor, life = lived
        index = encryptor.blind_index(FIELD)
        missed = [
            (value["tenant"], value["text"])
            for value in life["values"]
            if value["tenant"] != "gone"
            and bytes.fromhex(value["tag"]) not in index.tags(value["text"], tenant=value["tenant"])
        ]
        assert missed == [("south", "value 1 of south")]
        assert len(index.tags("something new", tenant="north")) == 2

    def test_all_of_it_rewraps(self, lived: tuple[Encryptor, dict[str, Any]]) -> None:
        """Every record is opened, and brought under another wrapping key, under which its values still open."""
        encryptor, life = lived
        other = LocalKeyProvider(keys.OTHER_LOCAL_KEY)
        report = encryptor.data_keys.rewrap(to=other)
        assert report.complete
        assert report.changed > 0
        encryptor.configure(other, encryptor.store, policy=encryptor.policy)
        field = encryptor.field(FIELD, str)
        for value in life["values"]:
            if value["tenant"] != "gone":
                assert field.decrypt(bytes.fromhex(value["value"]), tenant=value["tenant"]) == value["text"]

"""The test vectors of SPEC section 10, through fieldcrypt, through the independent check, and made anew."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    FieldcryptError,
    IndexedBy,
    KeyNotFoundError,
    KeyPolicy,
    KeyRecord,
    KeyState,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    Tombstone,
)
from fieldcrypt.backends import choice, chosen
from fieldcrypt.declaration.path import Path as RecordPath
from fieldcrypt.declaration.path import element_context
from fieldcrypt.format import envelope, text_form
from fieldcrypt.format.aead import Xaes256Gcm
from fieldcrypt.format.cbor import decode_cbor
from fieldcrypt.format.codecs import Codec, split_plaintext
from fieldcrypt.format.context import FIELD_KEY, NO_TENANT, encode_context
from fieldcrypt.format.seal import seal_digest
from fieldcrypt.keys.record.claim import claim_of, claim_place, claimed
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.rotation import next_created, presumed
from fieldcrypt.normalisers import NORMALISERS, canonical
from fieldcrypt_dynamodb.item.values import to_python
from tests.support.backends import BACKENDS, fixes_nonces
from tests.vectors.generate import kind_of

VECTORS = Path(__file__).parents[1] / "vectors"
FILES = sorted(VECTORS.glob("*.json"))
pytestmark = pytest.mark.usefixtures("clock")  # nobody waits for a record that never comes
BOTH = pytest.mark.parametrize("backend", BACKENDS, indirect=True)


@pytest.fixture(autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything here, and in programs that are started here, use the backend that a test names."""
    if hasattr(request, "param"):
        found = chosen(request.param)
        monkeypatch.setattr(choice, "_of_process", lambda: found)
        monkeypatch.setenv(choice.VARIABLE, found.name)


def load(path: Path) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads(path.read_text())
    for name, value in vector.items():
        if (
            isinstance(value, str)
            and name
            not in (
                "kind",
                "expect",
                "reason",
                "tenant",
                "purpose",
                "body_kind",
                "by",
                "field",
                "text",
                "json",
                "path",
                "prefix",
                "normaliser",
                "normalised",
                "index",
            )
            and not (name == "record" and vector["kind"] == "path")
        ):
            vector[name] = bytes.fromhex(value)
    return vector


def read_xaes(vector: dict[str, Any]) -> None:
    cipher = Xaes256Gcm(vector["key"])
    plaintext = cipher.decrypt(vector["nonce"], vector["ciphertext"], vector["aad"])
    assert plaintext == vector["plaintext"]
    assert cipher.encrypt(vector["nonce"], plaintext, vector["aad"]) == vector["ciphertext"]


def read_context(vector: dict[str, Any]) -> None:
    assert encode_context(vector["context"]) == vector["encoded"]


def read_path(vector: dict[str, Any]) -> None:
    path = RecordPath(vector["path"])
    field = {FIELD_KEY: f"{vector['record']}.{path.first}"}
    assert field | path.context | element_context(vector["elements"]) == vector["context"]


def read_plaintext(vector: dict[str, Any]) -> None:
    value = Codec(object).decode(vector["plaintext"])
    kind, body = split_plaintext(vector["plaintext"])
    assert body == vector["body"]
    assert {1: "bytes", 2: "text", 3: "cbor"}[kind] == vector["body_kind"]
    assert Codec(object).encode(value)[1:] == body


def read_record(vector: dict[str, Any]) -> None:
    record = KeyRecord.from_bytes(vector["key_id"], vector["record"])
    data_key = DataKey(LocalKeyProvider(vector["local_key"]).unwrap(record.wraps, record.context()), chosen(None))
    data_key.verify(record)
    found = (record.purpose.label, record.created, record.tenant, data_key.secret)
    assert found == tuple(vector[name] for name in ("purpose", "created", "tenant", "data_key"))
    assert record.to_bytes() == vector["record"]


def read_tombstone(vector: dict[str, Any]) -> None:
    stone = Tombstone.from_bytes(vector["key_id"], vector["tombstone"])
    found = (stone.purpose.label, stone.created, stone.tenant, stone.shredded, stone.by, stone.keys)
    assert found == tuple(vector[name] for name in ("purpose", "created", "tenant", "shredded", "by", "keys"))
    assert stone.to_bytes() == vector["tombstone"]


def read_claim(vector: dict[str, Any]) -> None:
    purpose = next(purpose for purpose in Purpose if purpose.label == vector["purpose"])
    record = claimed(vector["claim"], purpose, vector["tenant"])
    if isinstance(record, Tombstone):
        raise record.lost_error()
    data_key = DataKey(LocalKeyProvider(vector["local_key"]).unwrap(record.wraps, record.context()), chosen(None))
    data_key.verify(record)
    assert (record.key_id, data_key.secret) == (vector["key_id"], vector["data_key"])
    assert claim_place(purpose, vector["tenant"]) == vector["place"]
    assert claim_of(record) == vector["claim"]


def read_choice(vector: dict[str, Any]) -> None:
    earliest = vector.get("not_before")
    policy = KeyPolicy(
        propagation_delay=timedelta(seconds=vector["delay"]),
        not_before=None if earliest is None else datetime.fromtimestamp(earliest, UTC),
    )
    records = [
        KeyRecord(
            bytes.fromhex(each["key_id"]), Purpose.ENCRYPTION, each["created"], "a", (), b"", KeyState(each["state"])
        )
        for each in vector["records"]
    ]
    choice = presumed(records, vector["now"], policy)
    if choice.record is not None:
        assert choice.record.key_id == vector["key_id"]
    else:
        newest: Any = choice.newest
        assert next_created(newest, vector["now"] if newest is None else 0, policy) == vector["created"]


def read_text(vector: dict[str, Any]) -> None:
    stored = vector["json"] if "json" in vector else vector["text"]
    value = text_form.decode(stored)
    vector.setdefault("value", value)
    assert value == vector["value"]
    assert text_form.encode(value) == stored
    assert len(stored) == text_form.size(len(value))
    store = MemoryKeyStore()
    if "record" in vector:
        store.add(KeyRecord.from_bytes(value[1:17], vector["record"]))
    read_with(vector, value, store)


def read_value(vector: dict[str, Any]) -> None:
    store = MemoryKeyStore()
    if "record" in vector:
        # A value whose key id was changed finds nothing in a store that has its record under the right one.
        intact = load(VECTORS / "value-stored.json")
        of = intact if vector["record"] == intact["record"] else vector
        store.add(KeyRecord.from_bytes(of["value"][1:17], vector["record"]))
    read_with(vector, vector["value"], store)


def read_with(vector: dict[str, Any], value: bytes, store: MemoryKeyStore) -> None:
    context = dict(vector["context"])
    for stone in vector.get("tombstones", ()):
        store.add(Tombstone.from_bytes(bytes.fromhex(stone["key_id"]), bytes.fromhex(stone["tombstone"])))
    encryptor = Encryptor(LocalKeyProvider(vector["local_key"]), store, read_self_contained=True)
    field = encryptor.field(context.pop(FIELD_KEY), str)
    tenant = NO_TENANT if "tenant" in vector and vector["tenant"] is None else vector.get("tenant")
    text = field.decrypt(value, tenant=tenant, context=context or None)
    assert Codec(str).encode(text) == vector["plaintext"]


def read_tag(vector: dict[str, Any]) -> None:
    record = KeyRecord.from_bytes(vector["key_id"], vector["record"])
    store = MemoryKeyStore()
    store.add(record)
    value = Codec(object).decode(vector["plaintext"])
    encryptor = Encryptor(LocalKeyProvider(vector["local_key"]), store)
    index: Any = encryptor.blind_index(
        vector["field"],
        type(value),
        tag_size=vector["size"],
        accept_low_cardinality=True,
        path=vector.get("path"),
    )
    if Codec(type(value)).encode(index.normalise(value)) != vector["plaintext"]:
        raise ValueError("that is not what is tagged")
    tags = index.tags(value, tenant=vector.get("tenant", record.tenant))
    if not tags:
        raise KeyNotFoundError("no index key of this tenant")
    assert tags == [vector["tag"]]
    assert index.tag(value, tenant=record.tenant) == vector["tag"]
    if "prefix" in vector:
        assert IndexedBy("email_tag", prefix=vector["prefix"]).stored(vector["tag"]) == vector["text"]


def read_term(vector: dict[str, Any]) -> None:
    record = KeyRecord.from_bytes(vector["key_id"], vector["record"])
    store = MemoryKeyStore()
    store.add(record)
    values = [Codec(object).decode(bytes.fromhex(value)) for value in vector["values"]]
    is_compound = vector["of"][0] == "compound"
    index = Encryptor(LocalKeyProvider(vector["local_key"]), store).search_index(
        vector["field"],
        dict if is_compound else type(values[0]),
        index=vector["index"],
        of=kind_of(vector["of"], values),
        tag_size=vector["size"],
        path=vector.get("path"),
        partitions=vector.get("partitions", 1),
        accept_leakage=True,
        accept_low_cardinality=True,
    )
    if any(Codec(type(value)).encode(canonical(value)) != Codec(type(value)).encode(value) for value in values):
        raise ValueError("that is not what is tagged")
    value = dict(zip((name for name, _ in vector["of"][1]), values, strict=True)) if is_compound else values[0]
    tenant = vector.get("tenant", record.tenant)
    if not index._macs.searching(tenant):
        raise KeyNotFoundError("no index key of this tenant")
    tags = index.stored_tags(value, tenant=tenant, row=vector.get("row"))
    found = dict(zip((level.name for level in index.levels), (tag.hex() for tag in tags), strict=True))
    assert {level: found[level] for level in vector["tags"]} == vector["tags"]


def read_normalise(vector: dict[str, Any]) -> None:
    assert NORMALISERS[vector["normaliser"]](vector["text"]) == vector["normalised"]


def read_item_seal(vector: dict[str, Any]) -> None:
    def with_bytes(value: dict[str, Any]) -> Any:
        if set(value) == {"B"}:
            return {"B": bytes.fromhex(value["B"])}
        return {"BS": [bytes.fromhex(member) for member in value["BS"]]} if set(value) == {"BS"} else value

    item = json.loads(json.dumps(vector["item"]), object_hook=with_bytes)
    values = {
        name: decode_cbor(bytes.fromhex(value["V"])) if "V" in value else to_python(value)
        for name, value in item.items()
    }
    assert seal_digest(vector["over"], values) == vector["digest"]


def read_canary(vector: dict[str, Any]) -> None:
    value = envelope.parse(vector["value"])
    record = KeyRecord.from_bytes(value.key_id, value.record or vector["record"])
    data_key = DataKey(LocalKeyProvider(vector["local_key"]).unwrap(record.wraps, record.context()), chosen(None))
    assert data_key.canary_salts().index(value.salt) == vector["number"]


READERS = {
    "canary": read_canary,
    "item-seal": read_item_seal,
    "xaes": read_xaes,
    "context": read_context,
    "path": read_path,
    "plaintext": read_plaintext,
    "record": read_record,
    "tombstone": read_tombstone,
    "claim": read_claim,
    "choice": read_choice,
    "tag": read_tag,
    "term": read_term,
    "normalise": read_normalise,
    "value": read_value,
    "text": read_text,
}


@BOTH
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_fieldcrypt_reads_what_it_should_and_refuses_the_rest(path: Path) -> None:
    """Each file is one scenario."""
    vector = load(path)
    if vector["expect"] == "success":
        READERS[vector["kind"]](vector)
    else:
        kind = vector["kind"]
        misuse = (ValueError, TypeError) if kind in ("tag", "term", "canary") else ()
        with pytest.raises(ValueError if kind in ("context", "path", "normalise") else (FieldcryptError, *misuse)):
            READERS[vector["kind"]](vector)


@BOTH
def test_what_an_attacker_can_bring_about_by_changing_a_value_is_one_error() -> None:
    """Apart from a key id that the key store does not know; a wrong provider is not an attacker's doing."""
    messages = set()
    for path in FILES:
        vector = load(path)
        if vector["kind"] == "value" and vector["expect"] == "failure" and "local-key" not in path.stem:
            with pytest.raises(FieldcryptError) as caught:
                read_value(vector)
            if not isinstance(caught.value, KeyNotFoundError) and path.stem != "value-index-key":
                messages.add(caught.value.args)  # what is said beside it is what the reader knew before: where it is
    assert messages == {DecryptionError().args}


def test_the_independent_check_agrees() -> None:
    """Another implementation, written from SPEC.md, passes all files."""
    done = subprocess.run([sys.executable, VECTORS / "check.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(FILES)} vectors agree" in done.stdout


def test_the_independent_check_notices_a_wrong_vector(tmp_path: Path) -> None:
    """Else its agreement would mean nothing."""
    vector = json.loads((VECTORS / "value-stored.json").read_text())
    vector["value"] = vector["value"][:-2] + f"{int(vector['value'][-2:], 16) ^ 1:02x}"
    (tmp_path / "wrong.json").write_text(json.dumps(vector))
    done = subprocess.run([sys.executable, VECTORS / "check.py", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "wrong.json" in done.stdout


def test_the_independent_check_shares_no_code() -> None:
    """It imports the standard library and cryptography."""
    tree = ast.parse((VECTORS / "check.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert foreign == {"cryptography"}


@fixes_nonces
@BOTH
def test_the_generator_makes_the_same_files_again(tmp_path: Path) -> None:
    """If this fails the format has changed: SPEC.md comes first, and published vectors stay."""
    shutil.copy(VECTORS / "generate.py", tmp_path)
    subprocess.run([sys.executable, tmp_path / "generate.py"], check=True)
    made = {path.name: path.read_text() for path in tmp_path.glob("*.json")}
    assert made == {path.name: path.read_text() for path in FILES}

"""Keys and plaintext do not get out: not through repr, copies, pickles, errors or logs."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    Field,
    FieldcryptError,
    KeyRecord,
    LocalKeyProvider,
    MemoryKeyStore,
    _system,
)
from fieldcrypt.backends import Cipher
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.live.live_key import Lease, LiveKey
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.record.data_key import DataKey
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, outage, told
from tests.support.spellings import spellings

SSN = "078-05-1120"
LOCAL_KEY = bytes(range(100, 132))


class World(NamedTuple):
    """One of everything that holds a key, while it is in use; and all random 32 bytes that were drawn for it."""

    encryptor: Encryptor
    field: Field[str]
    provider: LocalKeyProvider
    keyring: Keyring
    lease: Lease
    live_key: LiveKey
    cipher: Cipher
    data_key: DataKey
    record: KeyRecord
    secrets: list[bytes]


@pytest.fixture(params=["stored", "self-contained"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which a value was just written and read."""
    secrets = [LOCAL_KEY]
    genuine = _system.random_bytes

    def recorded(size: int) -> bytes:
        drawn = genuine(size)
        if size == 32:
            secrets.append(drawn)
        return drawn

    monkeypatch.setattr(_system, "random_bytes", recorded)
    provider = LocalKeyProvider(LOCAL_KEY)
    encryptor = Encryptor(provider, MemoryKeyStore() if request.param == "stored" else None)
    field = encryptor.field("patients.ssn", str)
    field.decrypt(field.encrypt(SSN))
    keyring = encryptor._keyring
    assert keyring is not None
    lease = keyring.for_encryption(None)
    record = lease.key.record.stored
    data_key = DataKey(provider.unwrap(record.wraps, record.context()))
    assert data_key.secret in secrets
    return World(encryptor, field, provider, keyring, lease, lease.key, data_key.cipher(), data_key, record, secrets)


def test_nothing_shows_a_key(world: World) -> None:
    """Neither repr nor str nor the visible attributes of anything that holds a key show it."""
    shown = []
    for thing in world[:-1]:
        shown += [repr(thing), str(thing), f"{thing}", repr(getattr(thing, "__dict__", None))]
    everything = "\n".join(shown).lower()
    for secret in world.secrets:
        assert not [spelling for spelling in spellings(secret) if spelling.lower() in everything]


@pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
@pytest.mark.parametrize("name", ["encryptor", "provider", "keyring", "lease", "live_key", "cipher", "data_key"])
def test_nothing_with_a_key_is_copied(world: World, name: str, copied: Callable[[Any], Any]) -> None:
    """Whatever holds a key refuses to be pickled (into a cache, a queue, another process) or copied in depth."""
    with pytest.raises(TypeError, match="pickled"):
        copied(getattr(world, name))


@pytest.mark.parametrize("raw", [LOCAL_KEY, LOCAL_KEY.hex(), bytearray(LOCAL_KEY)], ids=["bytes", "hex", "bytearray"])
def test_a_raw_key_in_the_place_of_a_provider_is_not_told(raw: Any) -> None:
    """Who passes the key itself instead of a provider gets an error without the key."""
    with pytest.raises(ConfigurationError) as caught:
        Encryptor(raw)
    text = told(caught.value)
    assert not [spelling for spelling in spellings(LOCAL_KEY) if spelling in text]


@pytest.mark.parametrize("key", [LOCAL_KEY + b"!", LOCAL_KEY[:-1], LOCAL_KEY.hex(), bytearray(LOCAL_KEY)])
def test_a_key_of_the_wrong_kind_is_not_told(key: Any) -> None:
    """A local key of another size or type is an error without the key."""
    with pytest.raises(ConfigurationError) as caught:
        LocalKeyProvider(key)
    text = told(caught.value)
    assert not [spelling for spelling in spellings(LOCAL_KEY[:-1]) if spelling in text]


@pytest.mark.parametrize("plaintext", [SSN, SSN.encode(), bytearray(SSN.encode())], ids=["str", "bytes", "bytearray"])
def test_plaintext_that_was_never_encrypted_is_not_told(encryptor: Encryptor, plaintext: Any) -> None:
    """Who decrypts a column that still holds plaintext gets an error without it, and without it behind."""
    with pytest.raises((FieldcryptError, TypeError)) as caught:
        encryptor.field("patients.ssn", str).decrypt(plaintext)
    assert SSN not in told(caught.value)


def test_the_log_has_no_key(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Going on without the key service is logged, with the data key's id and without the key."""
    provider = CountingProvider()
    field = Encryptor(provider, MemoryKeyStore()).field("patients.ssn", str)
    value = field.encrypt(SSN, tenant="clinic-7")
    clock.advance(KeyPolicy().cache_ttl.total_seconds())
    provider.unwrap_failure = outage
    with caplog.at_level(logging.DEBUG):
        field.decrypt(value)
    (message,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "no region answers" in message
    assert value[1:17].hex() in message
    assert SSN not in caplog.text

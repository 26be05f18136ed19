"""`Encryptor.override`: other keys for a while, as tests of applications need them, and then the ones of before."""

from __future__ import annotations

import pickle
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    FileKeyStore,
    KeyNotFoundError,
    KeyPolicy,
    LocalKeyProvider,
    MemoryKeyStore,
)
from tests.support.backends import BACKENDS
from tests.support.doubles import CountingProvider

AT_ONCE = KeyPolicy(replication_wait=timedelta(0))  # nobody waits for a key that is not there


@pytest.fixture(params=BACKENDS)
def encryptor(request: pytest.FixtureRequest) -> Encryptor:
    """One that was configured, and has live keys."""
    encryptor = Encryptor(*keys(), AT_ONCE, backend=request.param)
    encryptor.field("a.b", str).encrypt("x")
    return encryptor


def keys() -> tuple[LocalKeyProvider, MemoryKeyStore]:
    return LocalKeyProvider.generate(), MemoryKeyStore()


def state(encryptor: Encryptor) -> list[object]:
    return [encryptor.provider, encryptor.store, encryptor.policy]


def test_fields_made_before_use_the_other_keys_and_then_their_own(encryptor: Encryptor) -> None:
    """Also those that have prepared readers and writers."""
    field = encryptor.field("a.b", str)
    before = field.encrypt("before")
    field.decrypt(before)
    with encryptor.override(*keys(), AT_ONCE):
        within = field.encrypt("within")
        assert field.decrypt(within) == "within"
        with pytest.raises(KeyNotFoundError):
            field.decrypt(before)
    assert field.decrypt(before) == "before"
    with pytest.raises(KeyNotFoundError):
        field.decrypt(within)


def test_blind_indexes_made_before_use_the_other_keys_and_then_their_own(encryptor: Encryptor) -> None:
    """Their tags are others meanwhile."""
    index = encryptor.blind_index("a.b")
    before = index.tag("x")
    with encryptor.override(*keys()):
        assert index.tag("x") != before
    assert index.tag("x") == before


def test_a_field_made_meanwhile_has_the_keys_of_before_afterwards(encryptor: Encryptor) -> None:
    """As an application makes them when it is imported by a test."""
    with encryptor.override(*keys()):
        field = encryptor.field("a.b", str)
        field.encrypt("x")
    assert encryptor.field("a.b", str).decrypt(field.encrypt("x")) == "x"


def test_live_keys_come_back_with_the_configuration() -> None:
    """So that the key service is not asked again."""
    provider = CountingProvider()
    encryptor = Encryptor(provider, MemoryKeyStore())
    field = encryptor.field("a.b", str)
    data = field.encrypt("x")
    with encryptor.override(*keys()):
        pass
    assert field.decrypt(data) == "x"
    assert (provider.wraps, provider.unwraps) == (1, 0)


def test_it_can_be_nested(encryptor: Encryptor) -> None:
    """Each end brings back what its beginning found."""
    outside, outer = state(encryptor), keys()
    with encryptor.override(*outer):
        within = state(encryptor)
        with encryptor.override(*keys(), KeyPolicy(max_cached_keys=7)):
            assert encryptor.policy.max_cached_keys == 7
        assert state(encryptor) == within
    assert state(encryptor) == outside


def test_an_error_in_the_block_brings_the_configuration_back(encryptor: Encryptor) -> None:
    """A failed test spoils no other one."""
    outside = state(encryptor)
    with pytest.raises(ZeroDivisionError), encryptor.override(*keys()):
        raise ZeroDivisionError
    assert state(encryptor) == outside


def test_what_was_not_configured_is_not_afterwards() -> None:
    """A test cannot hide that the application forgot to configure it."""
    encryptor = Encryptor()
    with encryptor.override(*keys()):
        encryptor.field("a.b", str).encrypt("x")
    with pytest.raises(ConfigurationError, match="has no keys yet"):
        encryptor.field("a.b", str).encrypt("x")


def test_what_was_closed_is_closed_afterwards(encryptor: Encryptor) -> None:
    """And says so."""
    encryptor.close()
    with encryptor.override(*keys()):
        encryptor.field("a.b", str).encrypt("x")
    with pytest.raises(ConfigurationError, match="is closed"):
        encryptor.field("a.b", str).encrypt("x")


def test_configuring_and_closing_it_in_the_block_is_undone(encryptor: Encryptor) -> None:
    """As an application does that starts and ends within a test."""
    outside = state(encryptor)
    with encryptor.override(*keys()):
        encryptor.configure(*keys(), policy=KeyPolicy(max_cached_keys=7))
        encryptor.close()
    assert state(encryptor) == outside


def test_the_observer_is_another_one_meanwhile() -> None:
    """Each hears of its own keys."""
    mine: list[object] = []
    others: list[object] = []
    encryptor = Encryptor(*keys(), observer=mine.append)
    with encryptor.override(*keys(), observer=others.append):
        encryptor.field("a.b", str).encrypt("x")
    assert (len(mine), len(others) > 0) == (0, True)


def test_what_configure_refuses_is_refused_and_nothing_changes(encryptor: Encryptor) -> None:
    """The Encryptor goes on as it was."""
    outside = state(encryptor)
    with (
        pytest.raises(ConfigurationError, match="is not a key store"),
        encryptor.override(LocalKeyProvider.generate(), {}),  # type: ignore[arg-type]
    ):
        pass
    assert state(encryptor) == outside


def test_a_pickle_made_meanwhile_is_of_another_configuration(tmp_path: Path) -> None:
    """In another process it becomes an Encryptor of its own, with the keys of that time."""
    providers = []
    for number in (1, 2):
        file = tmp_path / f"key-{number}"
        file.write_bytes(b64encode(bytes([number]) * 32))
        providers.append(LocalKeyProvider.from_file(file))
    encryptor = Encryptor(providers[0], FileKeyStore(tmp_path / "keys"))
    first = pickle.dumps(encryptor)
    with encryptor.override(providers[1], FileKeyStore(tmp_path / "other-keys")):
        meanwhile = pickle.dumps(encryptor)
    assert meanwhile != first
    assert pickle.dumps(encryptor) == first

"""Encryptors that forget their keys, and that are closed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore, WrappedKey
from tests.doubles import CountingProvider
from tests.processes import ROOT

SSN = "078-05-1120"
SALT = slice(17, 29)


@pytest.fixture
def encryptor() -> Encryptor:
    """An Encryptor with keys in a store."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


class TestForget:
    @pytest.mark.parametrize("stored", [True, False])
    def test_ends_keys_leases_and_salts_that_fields_hold(self, stored: bool) -> None:
        """Fields that have all at hand fetch again, and encrypt under a new salt."""
        provider = CountingProvider()
        encryptor = Encryptor(provider, MemoryKeyStore() if stored else None)
        field = encryptor.field("a.b", str)
        data = field.encrypt(SSN, tenant="A")
        assert field.decrypt(data) == field.quiet.decrypt(data) == SSN
        asked = provider.unwraps
        encryptor.forget()
        assert encryptor.stats().live_keys == 0
        assert field.quiet.decrypt(data) == field.decrypt(data) == SSN
        assert provider.unwraps == asked + 1
        assert field.encrypt(SSN, tenant="A")[SALT] != data[SALT]

    def test_ends_index_keys_and_prepared_hmacs(self, encryptor: Encryptor) -> None:
        """Indexes ask again, and tag as before."""
        index = encryptor.blind_index("a.b", str)
        tag = index.tag(SSN)
        encryptor.forget()
        assert encryptor.stats().live_keys == 0
        assert index.tags(SSN) == [tag]
        assert encryptor.stats().live_keys == 1

    def test_a_key_that_is_being_fetched_is_not_kept(self) -> None:
        """Whoever waits for it gets it, this once."""
        entered, going_on = threading.Event(), threading.Event()

        class Slow(LocalKeyProvider):
            def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
                entered.set()
                assert going_on.wait(10)
                return super().unwrap(wraps, context)

        store, key = MemoryKeyStore(), bytes(range(32))
        data = Encryptor(LocalKeyProvider(key), store).field("a.b", str).encrypt(SSN)
        encryptor = Encryptor(Slow(key), store)
        field, read = encryptor.field("a.b", str), []
        thread = threading.Thread(target=lambda: read.append(field.decrypt(data)))
        thread.start()
        assert entered.wait(10)
        encryptor.forget()
        going_on.set()
        thread.join(10)
        assert read == [SSN]
        assert encryptor.stats().live_keys == 0

    def test_before_it_is_configured(self) -> None:
        """There is nothing to forget."""
        Encryptor().forget()


class TestClose:
    def test_who_uses_it_then_is_told(self, encryptor: Encryptor) -> None:
        """Fields, indexes and the Encryptor itself: nothing goes on with what it has."""
        field, index = encryptor.field("a.b", str), encryptor.blind_index("a.b", str)
        with encryptor as same:
            assert same is encryptor
            data, _ = field.encrypt(SSN), index.tag(SSN)
        for use in (lambda: field.encrypt(SSN), lambda: field.decrypt(data), lambda: index.tag(SSN), encryptor.stats):
            with pytest.raises(ConfigurationError, match="is closed"):
                use()
        encryptor.close()

    def test_it_can_be_configured_again(self, encryptor: Encryptor) -> None:
        """With the same keys, values are read as before; store and provider were left open."""
        field = encryptor.field("a.b", str)
        data, provider, store = field.encrypt(SSN), encryptor.provider, encryptor.store
        encryptor.close()
        encryptor.configure(provider, store)
        assert field.decrypt(data) == SSN


RESTORED = """
import snapshot_restore_py as hook
from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
Encryptor()
field = encryptor.field("a.b", str)
data = field.encrypt("x")
(restored,) = hook.registered
restored()
assert encryptor.stats().live_keys == 0
assert field.encrypt("x")[17:29] != data[17:29]
"""


def test_after_a_restore_all_is_forgotten(tmp_path: Path) -> None:
    """Lambda's runtime brings the hook, with which one function is registered for all Encryptors."""
    hook = "registered = []\ndef register_after_restore(function, *args, **named):\n    registered.append(function)\n"
    (tmp_path / "snapshot_restore_py.py").write_text(hook)
    path = [str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{RESTORED}"], check=True, timeout=60)

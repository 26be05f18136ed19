"""Encryptors that forget their keys, and that are closed."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore, WrappedKey, row_context
from fieldcrypt.keys.live.live_key import CachedKey
from fieldcrypt.prepared.readers import Readers
from fieldcrypt.spi import FieldGroup
from tests.support.backends import BACKENDS
from tests.support.doubles import CountingProvider, Toll
from tests.support.processes import ROOT

SSN = "078-05-1120"
KEY_ID, SALT, NONCE = slice(1, 17), slice(17, 29), slice(29, 41)


@pytest.fixture
def encryptor() -> Encryptor:
    """An Encryptor with keys in a store."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads take turns in the middle of everything."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def _live(key_ids: set[bytes]) -> set[bytes]:
    """Return the ids of those live keys that are anywhere in memory."""
    gc.collect()
    return {each.key_id for each in gc.get_objects() if isinstance(each, CachedKey)} & key_ids


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

    @pytest.mark.parametrize("kind", ["field", "its quiet twin", "a reader"])
    def test_what_reads_is_prepared_once_again(
        self, kind: str, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And not for each value from then on, though all have the same key and salt."""
        field = encryptor.field("a.b", str)
        twin = field.quiet
        read = {"field": field.decrypt, "its quiet twin": twin.decrypt, "a reader": field.reader()}[kind]
        data = field.encrypt(SSN)
        assert read(data) == read(data) == SSN
        encryptor.forget()
        assert read(data) == SSN
        prepared: list[bytes] = []
        monkeypatch.setattr(Readers, "prepare", lambda self, data, tenant: prepared.append(data))
        assert read(data) == SSN
        assert not prepared

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

    @pytest.mark.parametrize("stored", [True, False])
    def test_no_key_stays_in_memory(self, stored: bool) -> None:
        """Nor one that this process has made: a snapshot has nothing to tell."""
        encryptor = Encryptor(CountingProvider(), MemoryKeyStore() if stored else None)
        field = encryptor.field("a.b", str)
        made = {field.encrypt(SSN, tenant=tenant)[KEY_ID] for tenant in ("A", "B")}
        if stored:
            made |= {encryptor.data_keys.rotate("A").key_id, encryptor.data_keys.create("A", index=True).key_id}
        assert _live(made) == made
        encryptor.forget()
        assert _live(made) == set()

    @pytest.mark.parametrize("end", [Encryptor.forget, Encryptor.close])
    def test_a_key_that_is_being_made_is_not_kept(self, end: Callable[[Encryptor], None]) -> None:
        """Whoever waits for it gets it, this once; a field that comes back asks again, or is told."""
        provider, hanging = CountingProvider(), Toll()
        encryptor = Encryptor(provider, MemoryKeyStore())
        field, index, got = encryptor.field("a.b", str), encryptor.blind_index("a.b"), []
        provider.before_wrap = hanging.wait
        threads = [Thread(target=lambda use=use: got.append(use(SSN))) for use in (field.encrypt, index.tag)]
        for thread in threads:
            thread.start()
        hanging.until_reached(2)
        end(encryptor)
        hanging.open()
        for thread in threads:
            thread.join(10)
        assert len(got) == 2
        (data,) = (each for each in got if len(each) > 32)
        if end is Encryptor.forget:
            assert encryptor.stats().live_keys == 0
            assert field.encrypt(SSN)[SALT] != data[SALT]
        else:
            for use in (field.encrypt, index.tag):
                with pytest.raises(ConfigurationError, match="is closed"):
                    use(SSN)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_who_works_meanwhile_does_not_notice(self, backend: str, quick_switches: None) -> None:
        """Records of five fields come back right, no thread fails or waits for ever, and no nonce comes twice."""
        encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), backend=backend)
        kinds: list[type] = [str, int, bytes, Decimal, list]
        group = FieldGroup([encryptor.field(f"a.{kind.__name__}", kind) for kind in kinds])
        made: list[list[bytes]] = [[] for _ in range(6)]
        wrong, end = [], time.monotonic() + 0.5

        def work(number: int) -> None:
            try:
                while time.monotonic() < end:
                    turn = len(made[number])
                    values = [f"{number}", turn, bytes([number]), Decimal(turn), [number]]
                    data = group.encrypt(values, tenant="A", context=row_context(turn))
                    made[number] += data
                    assert group.decrypt(data, tenant="A", context=row_context(turn)) == values
            except BaseException as error:  # noqa: BLE001 (reported by the test itself)
                wrong.append(error)

        threads = [Thread(target=work, args=(number,), daemon=True) for number in range(len(made))]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            encryptor.forget()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        assert not wrong
        assert all(made)
        drawn = [data[SALT.start : NONCE.stop] for each in made for data in each]
        assert len(set(drawn)) == len(drawn)
        assert len({data[SALT] for each in made for data in each}) > 1  # it did forget

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

"""What happens to those who use a key while it is taken away, and what the native core does when it fails."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import ConfigurationError, Encryptor, FieldcryptError, LocalKeyProvider, MemoryKeyStore, WrappedKey
from fieldcrypt.errors import KeyWipedError, NativeError
from tests.support.backends import NATIVE

native: Any = pytest.importorskip("fieldcrypt_native")

SECRET = bytes(range(32))
SALT = bytes(12)
THREADS = 8
ROUNDS = 150


# Several threads that ask a cipher which was wiped, and change turns all the time.
ASKING = """
import sys, threading
import fieldcrypt_native
from fieldcrypt.errors import KeyWipedError
sys.setswitchinterval(1e-6)
cipher = fieldcrypt_native.Cipher(bytes(32))
cipher.wipe()

def ask():
    for _ in range(20_000):
        try:
            cipher.cipher(bytes(12))
        except KeyWipedError:
            pass

threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("refused")
"""


class HeldUp(LocalKeyProvider):
    """A key provider that takes its time if it is told so."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.holds_up, self.came, self.goes_on = threading.Event(), threading.Event(), threading.Event()

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        if self.holds_up.is_set():
            self.came.set()
            self.goes_on.wait(60)
        return super().unwrap(wraps, context)


@pytest.fixture
def encryptor() -> Encryptor:
    """With the native core."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), backend=NATIVE)


class TestWiped:
    """A key that was taken away."""

    def test_a_wiped_cipher_gives_no_more_keys(self) -> None:
        """Whoever asks is told to ask the keyring."""
        cipher = native.Cipher(SECRET)
        cipher.wipe()
        assert cipher.is_wiped
        with pytest.raises(KeyWipedError):
            cipher.cipher(SALT)
        with pytest.raises(KeyWipedError):
            cipher.sealer(SALT, 1)

    def test_the_keys_that_salts_selected_are_wiped_too(self) -> None:
        """Readers that were prepared hold them."""
        cipher = native.Cipher(SECRET)
        subkey = cipher.cipher(SALT)
        cipher.wipe()
        with pytest.raises(KeyWipedError):
            subkey.decrypt(bytes(12), bytes(40), b"")

    def test_all_that_were_fed_from_an_hmac_are_wiped(self) -> None:
        """Indexes hold those."""
        mac = native.Mac(SECRET)
        fed = mac.fed(b"head").fed(b"more")
        mac.wipe()
        assert mac.is_wiped
        assert fed.is_wiped
        with pytest.raises(KeyWipedError):
            fed.tag(b"end", 16)
        with pytest.raises(KeyWipedError):
            fed.fed(b"end")

    def test_closing_wipes_what_fields_and_indexes_have_prepared(self, encryptor: Encryptor) -> None:
        """Even if somebody still holds on to it."""
        field, index = encryptor.field("a.b", str), encryptor.blind_index("a.b", str)
        field.decrypt(field.encrypt("Ann"))
        index.tag("Ann")
        macs = index._macs.tagging(None)
        key = encryptor._configured().live_keys._keys.all(lambda _: True)[0]
        encryptor.close()
        assert key.is_wiped
        assert macs[0].is_wiped

    def test_a_shredded_key_is_wiped(self, encryptor: Encryptor) -> None:
        """Its values are gone now, and not when somebody happens to drop the key."""
        encryptor.field("a.b", str).encrypt("Ann", tenant="a")
        (key,) = encryptor._configured().live_keys._keys.all(lambda _: True)
        encryptor.data_keys.shred("a", by="test")
        assert key.is_wiped

    def test_those_who_ask_a_wiped_cipher_together_do_not_wait_for_each_other(self) -> None:
        """Their errors are made by Python, which runs other threads meanwhile: so no lock is held."""
        finished = subprocess.run([sys.executable, "-c", ASKING], env=os.environ, capture_output=True, timeout=60)
        assert finished.stdout == b"refused\n"

    @pytest.mark.parametrize("let_go", [Encryptor.close, Encryptor.forget])
    @pytest.mark.parametrize("work", ["decrypt", "encrypt", "tag"])
    def test_a_key_that_is_fetched_meanwhile_is_not_kept(self, let_go: Callable[[Encryptor], None], work: str) -> None:
        """It serves who waits for it. Nothing that was prepared with it stays behind, where nobody would wipe it."""
        provider = HeldUp(os.urandom(32))
        encryptor = Encryptor(provider, MemoryKeyStore(), backend=NATIVE)
        field, index = encryptor.field("a.b", str), encryptor.blind_index("a.b", str)
        data = field.encrypt("Ann")
        index.tag("Ann")
        encryptor.forget()
        works = {
            "decrypt": lambda: field.decrypt(data),
            "encrypt": lambda: field.encrypt("Ann"),
            "tag": lambda: index.tag("Ann"),
        }
        with ThreadPoolExecutor(1) as thread:
            provider.holds_up.set()
            done = thread.submit(works[work])
            assert provider.came.wait(60)
            let_go(encryptor)
            provider.goes_on.set()
            assert done.result(60)
        assert [*field._readers.recent, *field._writers.recent, *index._macs._recent] == []

    def test_an_evicted_key_serves_those_who_have_it(self) -> None:
        """A call may need more keys than are kept."""
        native_key = native.Cipher(SECRET)
        subkey = native_key.cipher(SALT)
        del native_key
        gc.collect()
        assert subkey.decrypt(bytes(12), bytes(40), b"") is None


class TestThreads:
    """Eight threads that use an Encryptor while another one takes its keys away."""

    def test_forgetting(self, encryptor: Encryptor) -> None:
        """Every result is right, for forgotten keys are fetched again."""
        self._disturb(encryptor, encryptor.forget, lambda error: False)

    def test_closing(self, encryptor: Encryptor) -> None:
        """Every result is right, or an error says that the Encryptor is closed."""
        provider, store = encryptor.provider, encryptor.store

        def close() -> None:
            encryptor.close()
            time.sleep(0.001)
            encryptor.configure(provider, store)

        self._disturb(encryptor, close, lambda error: isinstance(error, ConfigurationError))

    def _disturb(
        self, encryptor: Encryptor, disturb: Callable[[], object], allowed: Callable[[Exception], bool]
    ) -> None:
        field, index = encryptor.field("a.b", str), encryptor.blind_index("a.b", str)
        data, tag = field.encrypt("Ann", tenant="t"), index.tag("Ann", tenant="t")
        over = threading.Event()

        def use() -> int:
            done = 0
            while not over.is_set():
                try:
                    assert field.decrypt(data, tenant="t") == "Ann"
                    assert field.decrypt(field.encrypt("Bob", tenant="t"), tenant="t") == "Bob"
                    assert field.decrypt_many(field.encrypt_many(["x"] * 9, tenant="t"), tenant="t") == ["x"] * 9
                    assert index.tag("Ann", tenant="t") == tag
                    assert index.tags("Ann", tenant="t") == [tag]
                    done += 1
                except FieldcryptError as error:
                    if not allowed(error):
                        raise
            return done

        with ThreadPoolExecutor(THREADS) as threads:
            running = [threads.submit(use) for _ in range(THREADS)]
            try:
                for _ in range(ROUNDS):
                    disturb()
                    time.sleep(0.002)
            finally:
                over.set()
            assert sum(each.result(60) for each in running) > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where there is fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
class TestFork:
    """A child process that continues with its parent's keys."""

    def test_a_child_takes_a_new_salt(self, encryptor: Encryptor) -> None:
        """So that parent and child never draw nonces for the same key."""
        field = encryptor.field("a.b", str)
        before = field.encrypt("Ann")
        said = _in_child(lambda: field.encrypt("Ann"))
        assert said[1:17] == before[1:17]
        assert said[17:29] != before[17:29]
        assert field.decrypt(said) == "Ann"

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux shows what is locked")
    def test_a_child_locks_the_pages_of_keys_again(self, encryptor: Encryptor) -> None:
        """It inherits keys, but not that their pages are locked."""
        field = encryptor.field("a.b", str)
        field.encrypt("Ann")
        if native.memory_fault() is not None:
            pytest.skip("this process may lock no memory")
        assert int(_in_child(lambda: b"%d" % _locked())) == _locked() > 0

    def test_a_child_of_a_busy_process_goes_on(self, encryptor: Encryptor) -> None:
        """No thread holds a lock of the native core while another one forks."""
        field, index = encryptor.field("a.b", str), encryptor.blind_index("a.b", str)
        data, tag = field.encrypt("Ann"), index.tag("Ann")
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                field.decrypt_many(field.encrypt_many(["Ann"] * 50))
                index.tag("Ann")
                native.Cipher(SECRET).cipher(SALT)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                assert _in_child(lambda: field.decrypt(data).encode() + index.tag("Ann")) == b"Ann" + tag
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _locked() -> int:
    """How much memory this process has locked, in KiB."""
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmLck"))
    return int(line.split()[1])


def _in_child(work: Callable[[], bytes]) -> bytes:
    """What work returns in a forked child; it has ten seconds."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, work())
        finally:
            os._exit(0)
    os.close(writing)
    watch = threading.Timer(10, os.kill, (child, 9))
    watch.start()
    try:
        with open(reading, "rb") as pipe:
            return pipe.read()
    finally:
        watch.cancel()
        os.waitpid(child, 0)


class TestFailing:
    """What goes wrong in the native core itself."""

    def test_a_panic_is_an_error_of_ours(self, capfd: pytest.CaptureFixture[str]) -> None:
        """It says where, and shows no value: not even on the console, where Rust prints what a panic says."""
        with pytest.raises(NativeError, match=r"src/panic.rs:\d+: please report this") as caught:
            native._panic()
        assert "a secret" not in str(caught.value)
        assert capfd.readouterr() == ("", "")


def _instances(encryptor: Encryptor) -> Iterator[object]:
    field = encryptor.field("a.b", str)
    field.decrypt(field.encrypt("Ann"))
    cipher = native.Cipher(SECRET)
    yield from (cipher, cipher.cipher(SALT), cipher.sealer(SALT, 1), native.Mac(SECRET))
    yield from (*field._writers.recent.values(), *field._readers.recent.values())


def test_nothing_that_holds_a_key_can_be_pickled(encryptor: Encryptor) -> None:
    """It is refused in our words, so that whoever tries learns why."""
    for instance in _instances(encryptor):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(instance)


def test_keys_are_in_locked_pages_or_it_is_said_why_not() -> None:
    """What `doctor` shows is so: there are pages that are locked, and kept out of core dumps."""
    cipher = native.Cipher(SECRET)
    fault = native.memory_fault()
    smaps = Path("/proc/self/smaps")
    if fault is not None:
        assert "lock" in fault
    elif smaps.exists():
        flags = [line.split()[1:] for line in smaps.read_text().splitlines() if line.startswith("VmFlags:")]
        assert any({"lo", "dd"} <= set(each) for each in flags)
    assert not cipher.is_wiped

"""Salts (SPEC section 3): how many messages one serves, and that no two processes share one."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest

from fieldcrypt import Encryptor, KeyPolicy, LocalKeyProvider, MemoryKeyStore, _system, call_after_fork
from fieldcrypt.format.envelope import PREFIX
from fieldcrypt.keys.live import live_key
from tests.conftest import Clock
from tests.support.backends import fixes_nonces
from tests.support.doubles import CountingProvider, Gate, until_waiting
from tests.support.processes import in_child

SSN = "078-05-1120"
PARENT = os.getpid()


def test_a_salt_serves_so_many_messages(encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A salt serves as many messages as the limit says, of all fields of a key together, and then a new one does."""
    monkeypatch.setattr(live_key, "MESSAGES_PER_SALT", 10)
    fields = [encryptor.field(name, str) for name in ("a.a", "a.b", "a.c")]
    salts = Counter(fields[i % 3].encrypt(SSN, context={"row": str(i)} if i % 2 else None)[PREFIX] for i in range(100))
    # A field that finds the salt of another one used up moves on with it, so all salts but the last are used in full.
    assert sorted(salts.values()) == [10] * 10


def test_the_limit_is_that_of_the_specification() -> None:
    """SPEC section 3 allows 2^20 messages a salt."""
    assert live_key.MESSAGES_PER_SALT == 2**20


def test_threads_do_not_exceed_the_limit(encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that encrypt at once take no more messages from a salt than it may serve."""
    monkeypatch.setattr(live_key, "MESSAGES_PER_SALT", 7)
    field = encryptor.field("a.b", str)
    with ThreadPoolExecutor(8) as pool:
        salts = Counter(value[PREFIX] for value in pool.map(lambda _: field.encrypt(SSN), range(2000)))
    assert max(salts.values()) <= 7


def test_tenants_and_encryptors_do_not_share_salts(encryptor: Encryptor) -> None:
    """Every data key has salts of its own."""
    field = encryptor.field("a.b", str)
    assert len({field.encrypt(SSN, tenant=f"clinic-{i}")[PREFIX][17:] for i in range(50)}) == 50


class TestFork:
    """A forked child goes on with the keys of its parent, and under other salts."""

    def test_parent_and_child_read_each_other(self, encryptor: Encryptor) -> None:
        """What one of the two writes after the fork, the other can read; the salts differ, the key does not."""
        field = encryptor.field("a.b", str)
        before = field.encrypt(SSN, tenant="clinic-7")

        def child() -> bytes:
            assert field.decrypt(before, tenant="clinic-7") == SSN
            return field.encrypt("of the child", tenant="clinic-7")

        of_child = in_child(child)
        after = field.encrypt(SSN, tenant="clinic-7")
        assert field.decrypt(of_child, tenant="clinic-7") == "of the child"
        assert before[PREFIX] == after[PREFIX]
        assert of_child[:17] == after[:17]
        assert of_child[PREFIX] != after[PREFIX]

    def test_two_children(self, encryptor: Encryptor) -> None:
        """Two children of one parent do not share a salt either, nor does a grandchild with them."""
        field = encryptor.field("a.b", str)
        field.encrypt(SSN)

        def encrypt() -> bytes:
            return field.encrypt(SSN)[PREFIX]

        def with_grandchild() -> bytes:
            return encrypt() + in_child(encrypt)

        of_third = in_child(with_grandchild)
        salts = [encrypt(), in_child(encrypt), in_child(encrypt), of_third[:29], of_third[29:]]
        assert len(set(salts)) == 5

    def test_a_key_that_was_evicted(self) -> None:
        """A child also takes a new salt for a key that still encrypts, but has lost its place in the cache."""
        encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=KeyPolicy(max_cached_keys=1))
        field = encryptor.field("a.b", str)
        of_b = field.encrypt(SSN, tenant="B")
        field.encrypt(SSN, tenant="A")
        assert field.decrypt(of_b) == SSN
        of_child = in_child(lambda: field.encrypt(SSN, tenant="A"))
        assert of_child[PREFIX] != field.encrypt(SSN, tenant="A")[PREFIX]

    def test_a_key_that_was_evicted_while_it_was_confirmed(self, clock: Clock) -> None:
        """Nor do parent and child share the salt of a key that lost its place while a thread had it confirmed."""
        provider, policy, gate = CountingProvider(), KeyPolicy(max_cached_keys=1), Gate()
        field = Encryptor(provider, MemoryKeyStore(), policy=policy).field("a.b", str)
        field.encrypt(SSN, tenant="A")
        clock.advance(policy.cache_ttl.total_seconds())
        provider.before_unwrap = gate.wait
        thread = Thread(target=lambda: field.encrypt(SSN, tenant="A"))
        thread.start()
        until_waiting([thread])
        field.encrypt(SSN, tenant="B")
        gate.open()
        thread.join()
        of_child = in_child(lambda: field.encrypt(SSN, tenant="A"))
        assert of_child[PREFIX] != field.encrypt(SSN, tenant="A")[PREFIX]

    def test_while_a_key_is_fetched(self) -> None:
        """A child does not wait for a fetch that was under way in a thread of its parent, which it does not have."""
        provider, store, gate = CountingProvider(), MemoryKeyStore(), Gate()
        value = Encryptor(provider, store).field("a.b", str).encrypt(SSN)
        field = Encryptor(provider, store).field("a.b", str)
        provider.before_unwrap = gate.wait
        thread = Thread(target=field.decrypt, args=(value,))
        thread.start()
        until_waiting([thread])

        def child() -> bytes:
            provider.before_unwrap = None
            return field.decrypt(value).encode()

        try:
            assert in_child(child) == SSN.encode()
        finally:
            gate.open()
            thread.join()


@fixes_nonces
def test_salts_and_nonces_are_drawn_anew(encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
    """All 24 bytes of a nonce come from the operating system, the last 12 anew for every message."""
    drawn: list[bytes] = []
    genuine = _system.random_bytes

    def recorded(size: int) -> bytes:
        drawn.append(genuine(size))
        return drawn[-1]

    monkeypatch.setattr(_system, "random_bytes", recorded)
    field = encryptor.field("a.b", str)
    values = [field.encrypt(SSN) for _ in range(10)]
    assert {value[17:29] for value in values} <= set(drawn)
    assert [value[29:41] for value in values] == drawn[-10:]
    assert len(set(drawn)) == len(drawn)


class Clumsy:
    """Something of somebody else's that fails when the process forks."""

    def reset(self) -> None:
        if os.getpid() != PARENT:
            raise RuntimeError("after a fork")


def test_new_salts_whatever_others_do(encryptor: Encryptor) -> None:
    """What fails in a child does not keep an Encryptor from taking a new salt there."""
    clumsy = Clumsy()
    call_after_fork(clumsy.reset)
    other = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())  # registered later
    fields = [each.field("a.b", str) for each in (encryptor, other)]
    salts = [field.encrypt("x")[17:29] for field in fields]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestUnraisableExceptionWarning)
        children = in_child(lambda: b"".join(field.encrypt("x")[17:29] for field in fields))
    assert children[:12] != salts[0]
    assert children[12:] != salts[1]


def no_such_call(*_: object) -> bytes:
    raise OSError(errno.ENOSYS, "Function not implemented")


@pytest.mark.parametrize(
    ("name", "replacement", "source"),
    [
        ("confstr", lambda _: "glibc 2.40", "getrandom"),
        ("confstr", lambda _: "glibc 2.41", "urandom"),
        ("confstr", lambda _: "glibc 3.0", "urandom"),
        ("confstr", lambda _: "glibc", "urandom"),
        ("confstr", lambda _: None, "urandom"),
        ("confstr", no_such_call, "urandom"),
        ("getrandom", no_such_call, "urandom"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="there is one way to the kernel's generator")
def test_the_kernel_is_asked_wherever_this_runs(
    name: str, replacement: Any, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By os.getrandom where that is known to be shorter, and by os.urandom whatever else there is."""
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.36")
    monkeypatch.setattr(os, name, replacement)
    assert _system._kernel_randomness() is getattr(os, source)

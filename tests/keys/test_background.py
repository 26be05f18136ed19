"""Live keys and their threads: over a fork, when work fails, and when the process ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from fieldcrypt import Encryptor, KeyPolicy, _system
from fieldcrypt._base.background import Background
from fieldcrypt.format.envelope import PREFIX
from tests.keys.live import CHECKED, POLICY, SSN, THREADS, new_field
from tests.support.doubles import PATIENCE, CountingProvider, Later, RowStore, Toll, background_threads, until_idle
from tests.support.processes import ROOT, in_child


class TestFork:
    """A child has none of its parent's threads, and nothing that they held."""

    def test_in_the_middle_of_a_check(self, later: Later, provider: CountingProvider, store: RowStore | None) -> None:
        """The child reads, writes under another salt, and checks the key by itself; the parent's check goes on."""
        field, hanging = new_field(provider, store), Toll()
        value = field.encrypt(SSN)
        provider.before_unwrap = hanging.wait
        later.advance(CHECKED)
        assert field.decrypt(value) == SSN
        hanging.until_reached()
        before = provider.unwraps

        def child() -> bytes:
            provider.before_unwrap = None
            assert field.decrypt(value) == SSN
            later.advance(6)  # when those who use the key ask what became of the check
            written = field.encrypt(SSN)
            assert field.decrypt(value) == SSN
            until_idle()
            assert provider.unwraps == before + 1
            return written

        try:
            written = in_child(child)
        finally:
            hanging.open()
        until_idle()
        assert field.decrypt(written) == SSN
        assert written[PREFIX] != field.encrypt(SSN)[PREFIX]
        assert provider.unwraps == before

    def test_while_threads_hold_all_locks(self, provider: CountingProvider, store: RowStore | None) -> None:
        """The child waits for none of the locks that threads of its parent held at the fork."""
        encryptor = Encryptor(provider, store, policy=POLICY)
        field = encryptor.field("a.b", str)
        value, keyring, held = field.encrypt(SSN), encryptor._keyring, Toll()
        assert keyring is not None
        locks = [
            keyring._leases._lock,
            keyring._encrypting._lock,
            keyring.live_keys._keys._lock,
            keyring.live_keys._fetches._lock,
            keyring._choices._lock,
            keyring._background._lock,
            keyring.events._lock,
        ]

        def hold() -> None:
            for lock in locks:
                lock.acquire()
            held.wait()
            for lock in locks:
                lock.release()

        holder = Thread(target=hold)
        holder.start()
        held.until_reached()

        def child() -> bytes:
            assert field.decrypt(value) == SSN
            encryptor.stats()
            return field.encrypt(SSN, tenant="new")

        try:
            written = in_child(child)
        finally:
            held.open()
            holder.join(PATIENCE)
        if store is None:
            assert field.decrypt(written) == SSN

    def test_during_heavy_use(self, later: Later, provider: CountingProvider, rows: RowStore) -> None:
        """Children forked at any moment of threads that read, write and check keys are able to do the same."""
        policy = KeyPolicy(cache_ttl=timedelta(milliseconds=20), max_cached_keys=3)
        field, stop = new_field(provider, rows, policy), threading.Event()
        values = [field.encrypt(SSN, tenant=f"clinic-{i}") for i in range(5)]

        def use() -> None:
            while not stop.is_set():
                for i, value in enumerate(values):
                    assert field.decrypt(value) == SSN
                    field.encrypt(SSN, tenant=f"clinic-{i}")

        threads = [Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()

        def child() -> bytes:
            for i, value in enumerate(values):
                assert field.decrypt(value) == SSN
                assert field.decrypt(field.encrypt(SSN, tenant=f"clinic-{i}")) == SSN
            return b"done"

        try:
            assert [in_child(child) for _ in range(20)] == [b"done"] * 20
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)


class TestThreads:
    """The threads that do what nobody waits for."""

    def test_they_end_when_they_have_nothing_to_do(self, later: Later, provider: CountingProvider) -> None:
        """An Encryptor that was checked leaves no thread behind."""
        field = new_field(provider, None)
        value = field.encrypt(SSN)
        later.advance(CHECKED)
        field.decrypt(value)
        until_idle()
        assert background_threads() == []

    def test_work_that_fails_does_not_leave_other_work_undone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If a key store or a key provider raises what it should not, the next key is checked all the same."""
        ended: list[Any] = []
        monkeypatch.setattr(threading, "excepthook", ended.append)
        background, hanging, done = Background(), Toll(), threading.Event()

        def fail() -> None:
            hanging.wait()
            raise RuntimeError

        for i in range(THREADS):
            background.submit(i, fail)
        hanging.until_reached(THREADS)
        background.submit("last", done.set)
        hanging.open()
        assert done.wait(PATIENCE)
        until_idle()
        assert len(ended) == THREADS

    def test_work_waits_when_no_thread_can_be_had(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no thread can be started nothing fails, and the same work is taken when one can be."""
        background, done = Background(), threading.Event()

        def refuse(work: Callable[[], None]) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(_system, "start_thread", refuse)
            background.submit("work", done.set)
        assert not done.is_set()
        background.submit("work", done.set)
        assert done.wait(PATIENCE)

    def test_a_process_ends_while_a_check_hangs(self) -> None:
        """The interpreter does not wait for a region that never answers."""
        program = """if True:
            import time
            from threading import Event
            from fieldcrypt import Encryptor, MemoryKeyStore, _system
            from tests.support.doubles import CountingProvider, Later

            later, asked = Later(), Event()
            _system.monotonic = later.monotonic
            provider = CountingProvider()
            field = Encryptor(provider, MemoryKeyStore()).field("a.b", str)
            value = field.encrypt("x")
            provider.before_unwrap = lambda: (asked.set(), time.sleep(3600))
            later.advance(0.91 * 900)
            field.decrypt(value)
            assert asked.wait(30)
            print(field.decrypt(value))
        """
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "x\n", "")

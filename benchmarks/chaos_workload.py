"""What the applications of a chaos run do: write and read, over many tenants, in several threads."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event, Lock
from typing import NamedTuple

from benchmarks.chaos_report import DENIED, Operation, Phase
from fieldcrypt import Field, FieldcryptError, KeyAccessDeniedError

__all__ = ["Workload"]

TENANTS = 96  # at any time; a new one comes every few operations, and the oldest goes
OPERATIONS_PER_TENANT = 5  # of one thread
POOL_SIZE = 256


class Written(NamedTuple):
    """A value and what it was encrypted to."""

    data: bytes
    tenant: str
    text: str


class Pool:
    """Values written lately by any thread, for any thread to read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: list[Written] = []

    def add(self, value: Written, rng: random.Random) -> None:
        """Add a value, in the place of any other if there are many."""
        with self._lock:
            if len(self._values) < POOL_SIZE:
                self._values.append(value)
            else:
                self._values[rng.randrange(POOL_SIZE)] = value

    def any(self, rng: random.Random) -> Written | None:
        """Return one of them, if there are any."""
        with self._lock:
            return rng.choice(self._values) if self._values else None

    def by_tenant(self) -> Sequence[Written]:
        """Return all of them, those of a tenant together."""
        with self._lock:
            return sorted(self._values, key=lambda written: written.tenant)


class Workload:
    """Operations, timed and checked.

    Args:
        seed: decides, for each thread, which operations it does.
        phases: those so far; the last one is now.

    Attributes:
        operations: those done so far.
    """

    def __init__(self, seed: int, phases: Sequence[Phase]) -> None:
        self._seed = seed
        self._phases = phases
        self._pool = Pool()
        self._stop = Event()
        self.operations: list[Operation] = []  # appended to by all threads

    def work(self, number: int, field: Field[str], home: str) -> None:
        """Be one of the threads, until told to stop: read and write in turns that its number decides.

        Args:
            number: of the thread.
            field: of its application.
            home: the region that the application prefers, so that what it says of the key counts.
        """
        rng = random.Random(f"{self._seed} {number}")
        for count in itertools.count():
            if self._stop.is_set():
                return
            written = self._pool.any(rng) if rng.random() < 0.5 else None
            if written is not None:
                self._operate(partial(_read, field, written), home)
            else:
                tenant = f"tenant-{count // OPERATIONS_PER_TENANT + rng.randrange(TENANTS)}"
                self._operate(partial(self._write, field, tenant, rng), home)

    def stop(self) -> None:
        """Let all threads come to their end."""
        self._stop.set()

    def read_everything(self, field: Field[str], home: str) -> None:
        """Read all that is left, once."""
        for written in self._pool.by_tenant():
            self._operate(partial(_read, field, written), home)

    def _operate(self, work: Callable[[], bool], home: str) -> None:
        """Time an operation, which says whether what it saw is right."""
        failure, right, refused = "", True, False
        first = len(self._phases) - 1
        start = time.perf_counter()
        try:
            right = work()
        except FieldcryptError as error:
            refused = isinstance(error, KeyAccessDeniedError) and self._denied(home, first)
            failure = "" if refused else f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        self.operations.append(Operation((first, len(self._phases) - 1), seconds, failure, not right, refused))

    def _denied(self, home: str, first: int) -> bool:
        """Return True if a region denied the key since a phase began, or in the one before: answers may be shared."""
        return any((phase.fault, phase.region) == (DENIED, home) for phase in self._phases[max(first - 1, 0) :])

    def _write(self, field: Field[str], tenant: str, rng: random.Random) -> bool:
        text = f"{tenant} {rng.random()}"
        self._pool.add(Written(field.encrypt(text, tenant=tenant), tenant, text), rng)
        return True


def _read(field: Field[str], written: Written) -> bool:
    return field.decrypt(written.data, tenant=written.tenant) == written.text

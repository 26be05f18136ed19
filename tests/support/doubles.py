"""What tests put in the place of key service and database: real ones of ours that count, and fail on request."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Event, Lock, Semaphore, Thread
from threading import enumerate as enumerate_threads
from typing import NamedTuple, TypeVar

from fieldcrypt import (
    DecryptionError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyProvider,
    KeyProviderError,
    KeyRecord,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    Purpose,
    Tombstone,
    WrappedKey,
)
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import wrap_context
from fieldcrypt.keys.stores.store import read_record

T = TypeVar("T")

Failure = Callable[[], Exception]
PATIENCE = 30.0  # seconds until a test gives up on another thread


def outage() -> Exception:
    """A key service that cannot be reached."""
    return KeyProviderError("no region answers")


def refusal() -> Exception:
    """A key service that says no."""
    return KeyAccessDeniedError("the key is disabled")


def store_outage() -> Exception:
    """A key store that cannot be reached."""
    return KeyStoreError("the table does not answer")


class Gate:
    """Holds threads up until it is opened, or until nobody can be expected to open it any more."""

    def __init__(self) -> None:
        self._opened = Event()

    def wait(self) -> None:
        if not self._opened.wait(PATIENCE):
            raise AssertionError("nobody opened the gate")

    def open(self) -> None:
        self._opened.set()


class Toll(Gate):
    """A gate that says who has come to it."""

    def __init__(self) -> None:
        super().__init__()
        self._arrived = Semaphore(0)

    def wait(self) -> None:
        self._arrived.release()
        super().wait()

    def until_reached(self, times: int = 1) -> None:
        """Return when so many threads more have come."""
        for _ in range(times):
            if not self._arrived.acquire(timeout=PATIENCE):
                raise AssertionError("nobody comes to the gate")


class Later:
    """The genuine clocks, put forward: for tests with threads, which would not wait for a clock that stands still."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def wall_clock(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self._ahead += seconds


class CountingProvider(KeyProvider):
    """A local key provider that counts its calls, and fails when told to."""

    def __init__(self) -> None:
        self.inner = LocalKeyProvider.generate()
        self.wraps = 0
        self.unwraps = 0
        self.contexts: list[dict[str, str]] = []  # of all calls
        self.wrap_failure: Failure | None = None
        self.unwrap_failure: Failure | None = None
        self.before_wrap: Callable[[], object] | None = None
        self.before_unwrap: Callable[[], object] | None = None

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        self.wraps += 1
        self.contexts.append(dict(context))
        if self.before_wrap is not None:
            self.before_wrap()
        if self.wrap_failure is not None:
            raise self.wrap_failure()
        return self.inner.wrap(data_key, context)

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        self.unwraps += 1
        self.contexts.append(dict(context))
        if self.before_unwrap is not None:
            self.before_unwrap()
        if self.unwrap_failure is not None:
            raise self.unwrap_failure()
        return self.inner.unwrap(wraps, context)

    def wrapping_keys(self) -> Sequence[str]:
        return self.inner.wrapping_keys()


class Row(NamedTuple):
    """What a database keeps of a key record."""

    tenant: str | None
    state: str
    record: bytes


class RowStore:
    """A key store over rows that a test edits as someone with access to the database can."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Row] = {}
        self.reads = 0
        self.get_failure: Failure | None = None
        self.list_failure: Failure | None = None
        self.add_failure: Failure | None = None
        self._replacing = Lock()
        self.before_add: Callable[[], object] | None = None

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        self.reads += 1
        if self.get_failure is not None:
            raise self.get_failure()
        row = self.rows.get(key_id)
        if row is None:
            raise KeyNotFoundError(f"no row for {key_id.hex()}")
        return read_record(key_id, row.record, tenant=row.tenant, state=row.state)

    def add(self, record: KeyRecord | Tombstone) -> None:
        if self.before_add is not None:
            self.before_add()
        if self.add_failure is not None:
            raise self.add_failure()
        if record.key_id in self.rows:
            raise KeyStoreError("the key id is taken")
        self.rows[record.key_id] = Row(record.tenant, record.state.value, record.to_bytes())

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        self.reads += 1
        if self.list_failure is not None:
            raise self.list_failure()
        return [
            read_record(key_id, row.record, tenant=row.tenant, state=row.state)
            for key_id, row in tuple(self.rows.items())
            if row.tenant == tenant
        ]

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        with self._replacing:
            row = self.rows.get(old.key_id)
            if row is None or row[1:] != (old.state.value, old.to_bytes()):
                return False
            self.rows[old.key_id] = Row(new.tenant, new.state.value, new.to_bytes())
            return True

    def key_ids(self) -> Iterator[bytes]:
        yield from tuple(self.rows)

    def go_down(self) -> None:
        """Have every call fail as if the database could not be reached."""
        self.get_failure = self.list_failure = self.add_failure = store_outage

    def retire(self, key_id: bytes) -> None:
        """Note that a key may no longer encrypt."""
        self.rows[key_id] = self.rows[key_id]._replace(state=KeyState.RETIRED.value)


def make_record(
    provider: LocalKeyProvider,
    tenant: str | None = None,
    *,
    created: int = 1_800_000_000,
    purpose: Purpose = Purpose.ENCRYPTION,
) -> KeyRecord:
    """Make the authentic record of a new data key."""
    data_key = DataKey.generate()
    wraps = provider.wrap(data_key.secret, wrap_context(data_key.key_id, purpose, created, tenant))
    return data_key.seal(KeyRecord(data_key.key_id, purpose, created, tenant, tuple(wraps)))


def flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every change of a single bit: which byte it is in, and the changed bytes."""
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bit // 8, bytes(changed)


def told(error: BaseException | None) -> str:
    """Everything that an error and the errors behind it, shown or suppressed, carry."""
    parts = []
    while error is not None:
        parts.append(f"{error!s} {error!r} {error.args!r} {vars(error)!r} {getattr(error, 'object', '')!r}")
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def background_threads() -> list[Thread]:
    """The threads in which Encryptors work for nobody in particular."""
    return [thread for thread in enumerate_threads() if thread.name == "fieldcrypt"]


def until_idle() -> None:
    """Return when all work in the background is done, and its threads have ended."""
    for thread in background_threads():
        thread.join(PATIENCE)
        if thread.is_alive():
            raise AssertionError("work in the background does not end")


def until_waiting(threads: Iterable[Thread]) -> None:
    """Return when all threads stand in a wait of the `threading` module."""
    end = time.monotonic() + PATIENCE
    for thread in threads:
        while not _waits(thread):
            if time.monotonic() > end:
                raise AssertionError(f"{thread} does not wait for anything")
            time.sleep(0.001)


def _waits(thread: Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code.co_name == "wait" and frame.f_globals["__name__"] == "threading"


class Crash(BaseException):
    """The end of a process, which no `except Exception` holds up."""


class CrashingStore(RowStore):
    """A key store whose process ends at one of its calls: before the call does anything, or before it is answered."""

    def __init__(self, rows: Mapping[bytes, Row], calls: int, *, answered: bool) -> None:
        super().__init__()
        self.rows = dict(rows)
        self._calls = calls  # that go well
        self._before = not answered

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        return self._counted(lambda: super(CrashingStore, self).get(key_id))

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        return self._counted(lambda: super(CrashingStore, self).replace(old, new))

    def _counted(self, work: Callable[[], T]) -> T:
        self._calls -= 1
        if self._calls < 0 and self._before:
            raise Crash
        result = work()
        if self._calls < 0:
            raise Crash
        return result


class ForgetfulStore(RowStore):
    """A key store that says that it replaced a record, and did not."""

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        return True


class LaggingStore(RowStore):
    """A key store whose list by tenant shows what was there some time ago, as an index of DynamoDB may."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: Sequence[KeyRecord | Tombstone] | None = None

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        return super().list(tenant) if self.listed is None else self.listed


class SeveralKeysProvider(KeyProvider):
    """Several local keys, each of which wraps every data key unless it is away; any of them unwraps."""

    def __init__(self, *keys: LocalKeyProvider) -> None:
        self.keys = keys
        self.away: set[LocalKeyProvider] = set()

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        return [wrap for key in self.keys if key not in self.away for wrap in key.wrap(data_key, context)]

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        for key in self.keys:
            theirs = [wrap for wrap in wraps if wrap.name in key.wrapping_keys()]
            if theirs and key not in self.away:
                return key.unwrap(theirs, context)
        raise DecryptionError("the data key is wrapped under none of these keys")

    def wrapping_keys(self) -> Sequence[str]:
        return [name for key in self.keys for name in key.wrapping_keys()]


class GarblingProvider(CountingProvider):
    """A key service that makes wraps which nobody can open."""

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        return [WrappedKey(wrap.name, bytes(len(wrap.data))) for wrap in super().wrap(data_key, context)]


class PublicKeyProvider(CountingProvider):
    """A key service under whose keys everybody can wrap."""

    public_key_wrapping = True

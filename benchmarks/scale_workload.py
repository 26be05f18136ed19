"""What the scale benchmark runs in processes of its own."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from fieldcrypt import (
    Encryptor,
    Field,
    KeyNotFoundError,
    KeyPolicy,
    KeyRecord,
    KeyState,
    LocalKeyProvider,
    MemoryKeyStore,
    Tombstone,
)
from fieldcrypt.keys.stores.store import read_record

__all__ = ["Megabytes", "begin", "field", "memory", "round_trips"]

Megabytes = float

_field: Field[str] | None = None


def field() -> Field[str]:
    """Make a field with a key of its own, which needs no call any more."""
    made = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("scale.text", str)
    made.decrypt(made.encrypt(""))
    return made


def begin() -> None:
    """Prepare a process of a pool."""
    global _field
    _field = field()


def round_trips(size: int, start: float, seconds: float, of: Field[str] | None = None) -> float:
    """Encrypt and decrypt texts of so many bytes, from a point in time on, and return how many a second.

    Args:
        size: of a text, in bytes.
        start: when to begin, by the clock that all processes share (`time.time`).
        seconds: how long to go on.
        of: the field; in a process of a pool, its own.
    """
    encrypted_by = of or _field
    assert encrypted_by is not None  # noqa: S101 (for mypy: begin() was called)
    encrypt, decrypt, clock = encrypted_by.encrypt, encrypted_by.decrypt, time.perf_counter
    text, at_once = "x" * size, max(1, 20_000 // size)
    time.sleep(max(0.0, start - time.time()))
    began = clock()
    end, count, now = began + seconds, 0, began
    while now < end:
        for _ in range(at_once):
            decrypt(encrypt(text))
        count += at_once
        now = clock()
    return count / (now - began)


class _OnDisk:
    """A key store that takes no memory of the process, as databases do not."""

    def __init__(self, path: Path) -> None:
        self._rows = sqlite3.connect(path, isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("CREATE TABLE keys (id BLOB PRIMARY KEY, tenant TEXT, record BLOB, state TEXT)")
        self._rows.execute("CREATE INDEX by_tenant ON keys (tenant)")

    def _read(self, rows: Iterator[Any]) -> list[KeyRecord | Tombstone]:
        return [read_record(key_id, data, tenant=tenant, state=state) for key_id, tenant, data, state in rows]

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        for record in self._read(self._rows.execute("SELECT * FROM keys WHERE id = ?", (key_id,))):
            return record
        raise KeyNotFoundError(f"no key {key_id.hex()}")

    def add(self, record: KeyRecord | Tombstone) -> None:
        state = record.state if isinstance(record, KeyRecord) else KeyState.SHREDDED
        row = (record.key_id, record.tenant, record.to_bytes(), state.value)
        self._rows.execute("INSERT INTO keys VALUES (?, ?, ?, ?)", row)

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        return self._read(self._rows.execute("SELECT * FROM keys WHERE tenant IS ?", (tenant,)))

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        raise NotImplementedError("nothing is rewrapped here")

    def key_ids(self) -> Iterator[bytes]:
        for (key_id,) in self._rows.execute("SELECT id FROM keys"):
            yield key_id


def memory(folder: Path, counts: Sequence[int], max_cached_keys: int) -> list[Megabytes]:
    """Use the keys of more and more tenants, and return how much the process has grown at each of the counts."""
    policy = KeyPolicy(max_cached_keys=max_cached_keys, cache_ttl=timedelta(days=1))  # none goes before its time
    of = Encryptor(LocalKeyProvider.generate(), _OnDisk(folder / "keys"), policy=policy).field("scale.text", str)
    of.decrypt(of.encrypt(""))
    begun, grown, done = _resident(), [], 0
    for count in counts:
        for number in range(done, count):
            of.decrypt(of.encrypt("x", tenant=f"tenant-{number}"))
        done = count
        grown.append(_resident() - begun)
    return grown


def _resident() -> Megabytes:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

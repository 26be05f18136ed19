"""Putting records from a backup into a key store: what is missing, if it opens, and nothing that was shredded.

A backup is believed no more than a key store is: someone may have edited it. It can only add what opens under the
wrapping keys, and it can neither overwrite an entry nor end a data key.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import NamedTuple

from fieldcrypt.errors import (
    ConfigurationError,
    FieldcryptError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyProviderError,
    KeyStoreError,
)
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.format._text import tenant_text
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, KeyState
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.progress import Meter, Progress

__all__ = ["Restoration", "RestoreReport"]

_THREADS = 8  # that ask the key service
_CAUSE = "restored from a backup"


class _Outcome(enum.Enum):
    ADDED = "added"
    PRESENT = "present"
    SHREDDED = "shredded"
    FAILED = "failed"


class RestoreReport(NamedTuple):
    """What became of the entries of a backup.

    Attributes:
        added: records and tombstones that the key store did not have. In a dry run, how many would be added.
        present: how many it has an entry for, which stays as it is.
        shredded: how many were left out because the data key, or its tenant, was shredded: tombstones win.
        failures: error by key id (32 hexadecimal digits), of records that do not open, and of tombstones of a tenant
            that has data keys too. They were left out.
        stopped: the error that ended the run early: key service or key store could not be used. Run it again.
    """

    added: int
    present: int
    shredded: int
    failures: dict[str, FieldcryptError]
    stopped: FieldcryptError | None

    @property
    def complete(self) -> bool:
        """True if no entry failed and the run was not stopped."""
        return not self.failures and self.stopped is None


class Restoration:
    """Adds the entries of a backup to a key store.

    Args:
        keyring: opens records.
        store: gets them.
        dry_run: add nothing; records are opened all the same.

    Raises:
        ConfigurationError: the key provider only writes, so that it cannot open records.
    """

    def __init__(self, keyring: Keyring, store: KeyStore, *, dry_run: bool) -> None:
        if not keyring.provider.by_tenant and keyring.provider.write_only:
            raise ConfigurationError("the key provider of this Encryptor is write_only: it cannot open records")
        self._keyring = keyring
        self._store = store
        self._dry_run = dry_run
        self._counts = dict.fromkeys(_Outcome, 0)
        self._failures: dict[str, FieldcryptError] = {}
        self._stopped: FieldcryptError | None = None
        self._shredded: set[str] = set()  # tenants, as the backup says
        self._disputed: set[str] = set()  # those of which it has data keys too
        self._owners: dict[bytes, str | None] = {}  # of the data keys that it has
        self._tenants: dict[str, Sequence[KeyRecord | Tombstone]] = {}  # what the store has of each
        self._lock = Lock()

    def run(
        self, entries: Iterable[KeyRecord | Tombstone], on_progress: Callable[[Progress], object] | None
    ) -> RestoreReport:
        """Add what is missing: tombstones first, so that an interruption brings nothing back that was shredded."""
        from concurrent.futures import ThreadPoolExecutor  # a tenth of the time of `import fieldcrypt`
        from contextvars import copy_context

        everything = list(entries)
        stones = [entry for entry in everything if isinstance(entry, Tombstone)]
        records = _restricted([entry for entry in everything if isinstance(entry, KeyRecord)])
        self._owners = {record.key_id: record.tenant for record in records}
        self._shredded = {stone.tenant for stone in stones if stone.tenant is not None}
        self._disputed = self._shredded & {record.tenant for record in records}
        meter = Meter("restore", len(everything), on_progress=on_progress)

        def work(entry: KeyRecord | Tombstone) -> None:
            outcome = None if self._stopped else self._outcome(entry)
            if outcome is not None:
                with self._lock:
                    self._counts[outcome] += 1
                meter.add(1, outcome is _Outcome.ADDED, outcome is _Outcome.FAILED)

        for stone in stones:
            work(stone)
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="fieldcrypt") as pool:
            futures = [pool.submit(copy_context().run, work, record) for record in records]
            try:
                for future in futures:
                    future.result()
            finally:
                pool.shutdown(cancel_futures=True)  # so that an interruption does not wait for all records
        counts = self._counts
        return RestoreReport(
            counts[_Outcome.ADDED],
            counts[_Outcome.PRESENT],
            counts[_Outcome.SHREDDED],
            self._failures,
            self._stopped,
        )

    def _outcome(self, entry: KeyRecord | Tombstone) -> _Outcome | None:
        try:
            return self._stone(entry) if isinstance(entry, Tombstone) else self._record(entry)
        except KeyAccessDeniedError as error:  # of this data key perhaps: a policy can deny single ones
            self._failures[entry.key_id.hex()] = error.with_traceback(None)
            return _Outcome.FAILED
        except (KeyProviderError, KeyStoreError) as error:
            self._stopped = error.with_traceback(None)  # whose frames hold a data key
            return None
        except FieldcryptError as error:
            self._failures[entry.key_id.hex()] = error.with_traceback(None)
            return _Outcome.FAILED

    def _record(self, record: KeyRecord) -> _Outcome:
        found = self._entry(record.key_id)
        if found is not None:
            return _Outcome.SHREDDED if isinstance(found, Tombstone) else _Outcome.PRESENT
        if record.tenant is not None and (record.tenant in self._shredded or self._stones(record.tenant)):
            return _Outcome.SHREDDED
        provider = self._keyring.providers.for_tenant(record.tenant)
        secret = provider.unwrap(record.wraps, record.context())
        AuthenticRecord(record, DataKey(secret, self._keyring.backend))  # raises for one that was edited
        return self._add(record)

    def _stone(self, stone: Tombstone) -> _Outcome:
        """Add a tombstone. It needs no key, so anyone can forge one: it must not end a data key, here or to come."""
        found = self._entry(stone.key_id)
        if isinstance(found, Tombstone):
            return _Outcome.PRESENT
        if stone.tenant is None:
            raise ConfigurationError("it is a tombstone of no tenant, whose keys cannot be shredded: it is forged")
        living = any(isinstance(each, KeyRecord) for each in self._of_tenant(stone.tenant))
        if living or stone.tenant in self._disputed:
            where = "the key store" if living else "the backup"
            raise ConfigurationError(
                f"the backup says that {tenant_text(stone.tenant)} was shredded by {stone.by!r}, and {where} has data "
                "keys of it. If it was shredded, shred it again, or remove the lines of its data keys from the backup; "
                "if not, the tombstone is forged, so remove its line"
            )
        if stone.key_id in self._owners:
            raise ConfigurationError(
                f"it is a tombstone of {tenant_text(stone.tenant)}, shredded by {stone.by!r}, in the place of a data "
                f"key of {tenant_text(self._owners[stone.key_id])} that the backup has too: it is forged, so remove "
                "its line"
            )
        return self._add(stone)

    def _add(self, entry: KeyRecord | Tombstone) -> _Outcome:
        if self._dry_run:
            return _Outcome.ADDED
        try:
            self._store.add(entry)
        except KeyStoreError:
            found = self._entry(entry.key_id)  # raises if the store itself failed
            if found is None:
                raise
            return _Outcome.SHREDDED if isinstance(found, Tombstone) else _Outcome.PRESENT  # another one was faster
        report(Event(EventKind.RECORD_PUT_BACK, entry.key_id.hex(), entry.tenant, cause=_CAUSE))
        return _Outcome.ADDED

    def _entry(self, key_id: bytes) -> KeyRecord | Tombstone | None:
        try:
            return self._store.get(key_id)
        except KeyNotFoundError:
            return None

    def _stones(self, tenant: str) -> bool:
        return any(isinstance(each, Tombstone) for each in self._of_tenant(tenant))

    def _of_tenant(self, tenant: str) -> Sequence[KeyRecord | Tombstone]:
        """Return what the store had of a tenant before anything was added."""
        if tenant not in self._tenants:
            self._tenants[tenant] = self._store.list(tenant)
        return self._tenants[tenant]


def _restricted(records: list[KeyRecord]) -> list[KeyRecord]:
    """Return records, retired if they are retired anywhere: several exports may be in one file."""
    retired = {record for record in records if record.state is KeyState.RETIRED}
    return [
        stricter if (stricter := record._replace(state=KeyState.RETIRED)) in retired else record for record in records
    ]

"""Data keys under other wrapping keys, while everything runs: no value is touched, and no data key can be lost.

For each data key, the new wraps are opened, written next to the old ones and read back; only then the old ones are
removed. It can be interrupted anywhere and started again, and any number of processes may do it at once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from fieldcrypt.backends import PYTHON, Backend
from fieldcrypt.errors import ConfigurationError, FieldcryptError, KeyProviderError, KeyShreddedError, located
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.keys.admin.claims import refresh_claim
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, WrappedKey, sorted_wraps
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.keys.stores.update import update_record
from fieldcrypt.progress import Meter, Progress
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["Outcome", "Rewrapping", "RewrapReport"]

T = TypeVar("T")


class Outcome(enum.Enum):
    """The result for one data key."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"  # it was as it should be
    SHREDDED = "shredded"  # a tombstone, which has nothing to wrap
    FAILED = "failed"


class RewrapReport(NamedTuple):
    """The result for all data keys of a key store.

    Attributes:
        changed, unchanged, shredded: numbers of data keys. In a dry run, `changed` is how many would change.
        failures: error by key id (32 hexadecimal digits), of keys that are as readable as before.
        stopped: the error that ended the run early: the key service refused or could not be reached.
    """

    changed: int
    unchanged: int
    shredded: int
    failures: dict[str, FieldcryptError]
    stopped: KeyProviderError | None

    @property
    def complete(self) -> bool:
        """True if every data key is as it should be."""
        return not self.failures and self.stopped is None


class Rewrapping:
    """Brings the records of a key store under the wrapping keys of a provider.

    Provider calls for each data key that changes: one unwrap, and for each new wrapping key one wrap and one unwrap.

    Args:
        store: holds the records.
        source: unwraps data keys as they are now.
        target: whose wrapping keys they should be under.
        repair: only add missing wraps, and keep those under other keys.
        vouches: returns True for a record that cannot have been planted; others are left alone.
        tenant: whose records alone; None for all.
        backend: derives from data keys.
    """

    def __init__(
        self,
        store: KeyStore,
        source: KeyProvider,
        target: KeyProvider,
        *,
        repair: bool = False,
        vouches: Callable[[KeyRecord], bool] = lambda _: True,
        tenant: str | None = None,
        backend: Backend = PYTHON,
    ) -> None:
        self._store = store
        self._source = source
        self._target = target
        self._repair = repair
        self._vouches = vouches
        self._tenant = tenant
        self._backend = backend
        self._restricted: dict[tuple[KeyProvider, frozenset[str]], KeyProvider] = {}  # the target, for some keys alone

    def needed(self, record: KeyRecord | Tombstone) -> bool:
        """Return True if a record needs a new wrap. Asks no key service."""
        if isinstance(record, Tombstone):
            return False
        _, others, missing = self._sorted(record)
        return bool(missing or (others and not self._repair))

    def rewrap(self, key_id: bytes) -> Outcome:
        """Bring one record under the wrapping keys.

        Raises:
            ConfigurationError: it may have been planted.
            DecryptionError: the record is not authentic, or not wrapped for the source.
            KeyProviderError: source or target do not work.
            KeyStoreError: the store does not work, or others keep changing the record.
        """
        try:
            return update_record(self._store, key_id, self._attempt)
        except KeyShreddedError:
            return Outcome.SHREDDED

    def _attempt(self, record: KeyRecord) -> Outcome | None:
        if not self._for_tenant(record, self._to_change):
            refresh_claim(self._store, record)  # the process that changed the record may have stopped before this
            return Outcome.UNCHANGED
        changed = self._for_tenant(record, self._rewrapped)
        if changed is None:
            return None
        refresh_claim(self._store, changed)
        kind = EventKind.KEY_REPAIRED if self._repair else EventKind.KEY_REWRAPPED
        report(Event(kind, record.key_id.hex(), record.tenant))
        return Outcome.CHANGED

    def run(
        self, *, dry_run: bool = False, threads: int = 8, on_progress: Callable[[Progress], object] | None = None
    ) -> RewrapReport:
        """Bring all records under the wrapping keys.

        A record that is not authentic is reported, and the others go on; so is a tenant's own key service that fails.
        The run ends when a shared key service refuses or cannot be reached: start again when it works.

        Args:
            dry_run: only count; no key service is asked for anything but names.
            threads: how many keys to work on at once.
            on_progress: called after each data key.

        Raises:
            KeyStoreError: the key ids cannot be read.
            KeyProviderError: the target cannot name its keys.
        """
        from concurrent.futures import ThreadPoolExecutor  # a tenth of the time of `import fieldcrypt`
        from contextvars import copy_context

        if self._tenant is None:
            key_ids = list(self._store.key_ids())
        else:
            key_ids = [record.key_id for record in self._store.list(self._tenant)]
        self._target.for_tenant(self._tenant).wrapping_keys()  # fails here, if at all, and not once for every key
        meter = Meter("repair" if self._repair else "rewrap", len(key_ids), on_progress=on_progress)
        counts = dict.fromkeys(Outcome, 0)
        failures: dict[str, FieldcryptError] = {}
        stopped: list[KeyProviderError] = []

        def work(key_id: bytes) -> Outcome | None:
            if stopped:
                return None
            try:
                return self._dry(key_id) if dry_run else self.rewrap(key_id)
            except KeyProviderError as error:
                if error.tenant is not None and self._tenant is None and self._has_own(error.tenant):
                    failures[key_id.hex()] = error.with_traceback(None)
                    return Outcome.FAILED
                stopped.append(error.with_traceback(None))  # whose frames hold a data key
                return None
            except FieldcryptError as error:
                failures[key_id.hex()] = error.with_traceback(None)
                return Outcome.FAILED

        with ThreadPoolExecutor(threads, thread_name_prefix="fieldcrypt") as pool:
            # The context says whose events these are, and one context cannot be entered twice.
            futures = [pool.submit(copy_context().run, work, key_id) for key_id in key_ids]
            try:
                for future in futures:
                    outcome = future.result()
                    if outcome is not None:
                        counts[outcome] += 1
                        meter.add(1, outcome is Outcome.CHANGED, outcome is Outcome.FAILED)
            finally:
                pool.shutdown(cancel_futures=True)  # so that an interruption does not wait for all keys
        return RewrapReport(
            counts[Outcome.CHANGED],
            counts[Outcome.UNCHANGED],
            counts[Outcome.SHREDDED],
            failures,
            stopped[0] if stopped else None,
        )

    def _dry(self, key_id: bytes) -> Outcome:
        record = self._store.get(key_id)
        if isinstance(record, Tombstone):
            return Outcome.SHREDDED
        return Outcome.CHANGED if self._for_tenant(record, self._to_change) else Outcome.UNCHANGED

    def _to_change(self, record: KeyRecord) -> bool:
        if not self.needed(record):
            return False
        if not self._vouches(record):
            raise ConfigurationError(
                "someone who knows the data key may have planted it, and it would pass for authentic once rewrapped: "
                "if you trust it, pass accept_public_key=True, or under own_keys_only accept_foreign_keys=True"
            )
        return True

    def _for_tenant(self, record: KeyRecord, work: Callable[[KeyRecord], T]) -> T:
        """Return what work on a record returns; an error of a tenant's key service names the tenant."""
        try:
            return work(record)
        except KeyProviderError as error:
            raise located(error, key_id=record.key_id.hex(), tenant=record.tenant) from error.__cause__

    def _has_own(self, tenant: str) -> bool:
        """Return True if a tenant has a key provider of its own."""
        try:
            return any(each.for_tenant(tenant) is not each.for_tenant(None) for each in (self._source, self._target))
        except KeyProviderError:
            return True  # a failed lookup concerns this tenant alone, too

    @discreet
    def _rewrapped(self, record: KeyRecord) -> KeyRecord | None:
        """Change one record, and return the new one; None if another process changed it meanwhile."""
        own, others, missing = self._sorted(record)
        context = record.context()
        source, target = (each.for_tenant(record.tenant) for each in (self._source, self._target))
        data_key = DataKey(source.unwrap(record.wraps, context), self._backend)
        data_key.verify(record)
        made = self._wrapping_with(target, missing).wrap(data_key.secret, context) if missing else []
        new = [wrap for wrap in made if target.wrapping_key(wrap.name) in missing]
        # Before they are written: a reader with the target's keys tries no other wrap if one of its own is not
        # authentic.
        for wrap in new or own:
            DataKey(target.unwrap([wrap], context), self._backend).verify(record)
        if new:
            both = data_key.seal(record._replace(wraps=sorted_wraps([*own, *new, *others])))
            if not self._store.replace(record, both) or self._store.get(record.key_id) != both:
                return None
            record = both
        unmade = missing.difference(target.wrapping_key(wrap.name) or "" for wrap in new)
        if unmade:
            raise KeyProviderError(f"no wrap could be made under {', '.join(sorted(unmade))}")
        if self._repair or not others:
            return record
        alone = data_key.seal(record._replace(wraps=sorted_wraps([*own, *new])))
        return alone if self._store.replace(record, alone) else None

    def _wrapping_with(self, target: KeyProvider, names: set[str]) -> KeyProvider:
        key = target, frozenset(names)
        if key not in self._restricted:
            self._restricted[key] = target.wrapping_with(names)
        return self._restricted[key]

    def _sorted(self, record: KeyRecord) -> tuple[list[WrappedKey], list[WrappedKey], set[str]]:
        """Return the wraps under the target's keys, those under others, and the target's keys that have none."""
        own: list[WrappedKey] = []
        others: list[WrappedKey] = []
        target = self._target.for_tenant(record.tenant)
        missing = set(target.wrapping_keys())
        for wrap in record.wraps:
            name = target.wrapping_key(wrap.name)
            (others if name is None else own).append(wrap)
            missing.discard(name or "")
        return own, others, missing

"""The key that encrypts for a tenant: choosing it (SPEC section 6), and making it where none may encrypt."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from fieldcrypt import _system
from fieldcrypt.errors import DecryptionError, KeyNotFoundError, KeyProviderError, KeyStoreError
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.format._text import duration_text, tenant_text
from fieldcrypt.keys.live.first_keys import FirstKeys
from fieldcrypt.keys.live.key_maker import KeyMaker
from fieldcrypt.keys.live.listing import RecordListing
from fieldcrypt.keys.live.live_key import LiveKey
from fieldcrypt.keys.live.live_keys import LiveKeys
from fieldcrypt.keys.live.opened_records import OpenedRecords
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.tenant_providers import TenantProviders, whose
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import KeyRecord, Purpose
from fieldcrypt.keys.rotation import Choice, choose, encrypts_from, next_created

__all__ = ["ROTATION_RETRY_INTERVAL", "EncryptingKeys"]

ROTATION_RETRY_INTERVAL = 60.0  # seconds; each retry costs a provider call, and waiting loses nothing


class EncryptingKeys:
    """Chooses the keys that encrypt, and makes keys.

    Args:
        providers: wrap and unwrap data keys.
        listed: what the key store has; None if values carry their records.
        live_keys: for values.
        opened: opens records.
        first_keys: makes the first key of a tenant.
        maker: makes those that follow.
        policy: when to make the next one, and when it starts to encrypt.
        events: where to report rotations.
    """

    def __init__(
        self,
        providers: TenantProviders,
        listed: RecordListing | None,
        live_keys: LiveKeys[LiveKey],
        opened: OpenedRecords,
        first_keys: FirstKeys[LiveKey],
        maker: KeyMaker[LiveKey],
        policy: KeyPolicy,
        events: Events,
    ) -> None:
        self._providers = providers
        self._listed = listed
        self._live_keys = live_keys
        self._opened = opened
        self._first_keys = first_keys
        self._maker = maker
        self._policy = policy
        self._events = events
        # The last replacement of each tenant, and when. Without the key itself, which must be forgotten with all
        # others.
        self._made: OrderedDict[str | None, tuple[AuthenticRecord, float]] = OrderedDict()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def records(self, tenant: str | None) -> list[KeyRecord]:
        """Return the records of a tenant's data keys for values that may encrypt in this process.

        Keys that other processes made may not where those who can wrap are not trusted
        (`TenantProviders.own_keys_only`), and a write-only provider cannot open them.

        Raises:
            KeyShreddedError: the tenant was shredded; any keys that it still has must not be used.
            KeyStoreError: there is no key store, or it cannot be used.
        """
        if self._listed is None:
            raise KeyStoreError("without a key store there are no data keys to list")
        records = self._listed.list(tenant, Purpose.ENCRYPTION)
        if self._providers.own_keys_only(tenant):
            return [record for record in records if self._live_keys.made(record)]
        return records

    def choice(self, tenant: str | None, in_use: LiveKey | None, now: float) -> Choice[AuthenticRecord]:
        """Choose among a tenant's keys, including those that this process has and the store's list lacks.

        Args:
            tenant: whose keys.
            in_use: the key that encrypted last in this process.
            now: seconds since 1970.

        Raises:
            KeyProviderError, KeyStoreError: as for `OpenedRecords.newest_first` and `records`.
        """
        if self._listed is None:
            return choose([] if in_use is None else [in_use.record], now, self._policy, replicated=False)
        records = {record.key_id: record for record in self.records(tenant)}
        # Keys that are not listed yet, or that were lost and are put back now.
        if in_use is not None and in_use.key_id not in records:
            records[in_use.key_id] = self._live_keys.record_of(in_use)
        made, _ = self._made.get(tenant, (None, 0.0))
        if made is not None and made.key_id not in records:
            records[made.key_id] = self._live_keys.record_in_store(made)
        return choose(self._opened.newest_first(records.values()), now, self._policy)

    def key(self, tenant: str | None, choice: Choice[AuthenticRecord], now: float) -> tuple[LiveKey, float]:
        """Return the key that encrypts, and when to choose again; makes it, or the next one, if necessary.

        Raises:
            KeyProviderError, KeyStoreError: it cannot be made, or not be confirmed.
        """
        if choice.newest is None:
            key = self._noted(tenant, self._first_keys.make(tenant, next_created(None, now, self._policy)))
        elif choice.record is None:
            key = self._replacement(tenant, choice.newest)
        elif choice.due:
            return self._followed(tenant, choice.record, choice.newest, now)
        else:
            return self.confirmed(choice.record), choice.until
        return key, min(now, key.record.created) + self._policy.rotate_after.total_seconds()

    def confirmed(self, record: AuthenticRecord) -> LiveKey:
        """Return the live key of a record.

        Raises:
            KeyProviderError, KeyStoreError: it may not be used any more, or cannot be unwrapped.
        """
        embedded = record.stored.to_bytes() if self._listed is None else None
        try:
            return self._live_keys.get(record.key_id, embedded, tenant=whose(record.tenant))
        except DecryptionError as error:
            raise KeyStoreError(f"the record of data key {record.key_id.hex()} cannot be opened: {error}") from None

    def rotate(self, tenant: str | None) -> LiveKey:
        """Make a key that is newer than all others.

        Raises:
            KeyNotFoundError: the tenant has no data key.
            KeyProviderError, KeyStoreError: it cannot be made.
        """
        records = self.records(tenant)
        if not records:
            raise KeyNotFoundError(f"the key store has no data key of {tenant_text(tenant)}")
        now = _system.wall_clock()
        # A record that cannot be opened for now does not count: otherwise anyone who can write to the store could delay
        # this key with a record that only an unreachable region could refuse.
        later = [record for record in records if record.created > now - 1]
        newest = next(self._opened.newest_first(later, insist=False), None)
        key = self._make(tenant, next_created(newest, now, self._policy))
        self._events.report(Event(EventKind.KEY_ROTATED, key.key_id.hex(), tenant))
        return key

    def _followed(
        self, tenant: str | None, active: AuthenticRecord, newest: AuthenticRecord, now: float
    ) -> tuple[LiveKey, float]:
        """Make the next key, and encrypt under the old one until the new one has reached every region."""
        try:
            new = self._make(tenant, next_created(newest, now, self._policy))
        except (KeyProviderError, KeyStoreError) as error:
            self._events.report(Event(EventKind.ROTATION_FAILED, active.key_id.hex(), tenant, cause=str(error)))
            return self.confirmed(active), now + ROTATION_RETRY_INTERVAL
        self._events.report(Event(EventKind.KEY_ROTATED, new.key_id.hex(), tenant))
        if self._listed is None:
            return new, now + self._policy.rotate_after.total_seconds()
        return self.confirmed(active), encrypts_from(new.record.created, now, self._policy)

    def _replacement(self, tenant: str | None, newest: AuthenticRecord) -> LiveKey:
        """Make a key that encrypts at once, because no existing one may; but not one after another."""
        made, when = self._made.get(tenant, (None, 0.0))
        if made is not None and _system.monotonic() < when + self._policy.propagation_delay.total_seconds():
            raise KeyStoreError(
                f"data key {made.key_id.hex()} was made recently, and may not encrypt: another one is made "
                f"{duration_text(self._policy.propagation_delay)} after it"
            )
        return self._make(tenant, next_created(newest, float("-inf"), self._policy))

    def _make(self, tenant: str | None, created: float) -> LiveKey:
        return self._noted(tenant, self._maker.make(tenant, created))

    def _noted(self, tenant: str | None, key: LiveKey) -> LiveKey:
        with self._lock:
            self._made[tenant] = key.record, _system.monotonic()
            self._made.move_to_end(tenant)
            while len(self._made) > self._policy.max_cached_keys:
                self._made.popitem(last=False)
        return key

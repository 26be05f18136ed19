"""The live keys of one process: which data key encrypts for a tenant, which one opens a value, and for how long.

Everything here is off the hot path: fields keep what they got, and come back when its deadline has passed.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from fieldcrypt import _system
from fieldcrypt.errors import (
    DecryptionError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyProviderError,
    KeyStoreError,
)
from fieldcrypt.keys.data_key import DataKey
from fieldcrypt.keys.live_key import Lease, LiveKey
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.provider import KeyProvider
from fieldcrypt.keys.records import KeyRecord, KeyState, Purpose, check_tenant, sorted_wraps, wrap_context
from fieldcrypt.keys.rotation import choose
from fieldcrypt.keys.single_flight import SingleFlight
from fieldcrypt.keys.store import KeyStore

__all__ = ["Keyring"]

RETRY_INTERVAL = 5.0  # seconds between attempts while store or provider cannot be reached
ROTATION_RETRY_INTERVAL = 60.0  # seconds; each costs a call of the provider, and nothing is lost by waiting
_MAX_VERIFIED = 16  # encodings remembered of one key's record


class Keyring:
    """Live keys over a key provider and, unless values are self-contained, a key store.

    Args:
        provider: wraps and unwraps data keys.
        store: keeps wrapped data keys; None if every value carries its own.
        policy: limits in time and number.
    """

    def __init__(self, provider: KeyProvider, store: KeyStore | None, policy: KeyPolicy) -> None:
        self._provider = provider
        self._store = store
        self._policy = policy
        self._cache_ttl = policy.cache_ttl.total_seconds()
        # By key id and whether the record came with the value. A key that the store has lost, or that was taken from
        # it, must not come back for stored values because somebody put its record into a self-contained one.
        self._keys: OrderedDict[tuple[bytes, bool], LiveKey] = OrderedDict()
        self._leases: OrderedDict[str | None, Lease] = OrderedDict()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start with locks that nobody holds and salts that nobody shares; also runs in a forked child."""
        self._lock = Lock()
        self._fetches: SingleFlight[LiveKey] = SingleFlight()
        self._choices: SingleFlight[Lease] = SingleFlight()
        for key in (*self._keys.values(), *(lease.key for lease in self._leases.values())):
            key.forget_salt()

    @property
    def self_contained(self) -> bool:
        """True if values carry their key records."""
        return self._store is None

    def for_encryption(self, tenant: str | None) -> Lease:
        """Return the live key that encrypts for a tenant, making it if need be.

        Raises:
            TypeError, ValueError: the tenant is not a str of 1 to 255 bytes.
            KeyProviderError: the data key cannot be wrapped or unwrapped.
            KeyStoreError: the key store cannot be used, or holds a record that is not authentic.
        """
        lease = self._leases.get(tenant)
        if lease is not None and lease.deadline > _system.monotonic():
            return lease
        if tenant is not None:
            check_tenant(tenant)
        return self._choices.run(tenant, lambda: self._choose(tenant))

    def for_decryption(self, key_id: bytes, record: bytes | None = None) -> LiveKey:
        """Return the live key of an id, unwrapping it if need be.

        Args:
            key_id: 16 bytes.
            record: the key record that came with a self-contained value, or None to ask the store.

        Raises:
            DecryptionError: the record, or the key in it, is not authentic.
            KeyProviderError: the data key cannot be unwrapped.
            KeyStoreError: the key store cannot be used; `KeyNotFoundError` if it has no such key.
        """
        key = self._live(key_id, record)
        if key is None:
            # Keyed by the record too: a forged one must not decide for those who brought the right one.
            key = self._fetches.run((key_id, record), lambda: self._fetch(key_id, record))
        return key

    # Decryption

    def _live(self, key_id: bytes, record: bytes | None) -> LiveKey | None:
        key = self._keys.get((key_id, record is not None))
        if key is None or key.deadline <= _system.monotonic():
            return None
        return key if record is None or record in key.verified else None

    def _fetch(self, key_id: bytes, record: bytes | None) -> LiveKey:
        live = self._live(key_id, record)
        if live is not None:
            return live  # someone fetched it between our look and our flight
        key = self._keys.get((key_id, record is not None))
        if key is not None and (record is None or record in key.verified):
            return self._refresh(key)
        if record is not None:
            return self._admit(KeyRecord.from_bytes(key_id, record), embedded=True)
        return self._admit(self._load(key_id), embedded=False)

    def _load(self, key_id: bytes) -> KeyRecord:
        if self._store is None:
            raise KeyStoreError("the value was written with a key store, but the Encryptor has none")
        record = self._store.get(key_id)
        if record.key_id != key_id:
            raise KeyStoreError(f"the key store gave another key than {key_id.hex()}")
        return record

    def _refresh(self, key: LiveKey) -> LiveKey:
        """Confirm a key whose deadline has passed, or go on with it for a while if nobody can be asked."""
        expired = key.expires
        grace_ends = expired + self._policy.grace.total_seconds()
        if key.deadline > expired:
            # The last attempt failed. While this thread waits for the next one, the others need not.
            key.deadline = min(_system.monotonic() + RETRY_INTERVAL, grace_ends)
        try:
            record = key.record if key.embedded else self._load(key.key_id)
            self._unwrap(record)
        except (KeyAccessDeniedError, KeyNotFoundError, DecryptionError):
            self._drop(key)
            raise
        except (KeyProviderError, KeyStoreError) as error:
            now = _system.monotonic()
            outage = not isinstance(error, KeyProviderError) or error.retryable
            if not outage or now >= grace_ends:
                self._drop(key)
                raise
            _warn("going on with data key %s, which cannot be confirmed: %s", key.key_id.hex(), error)
            return self._keep(key, expired, min(now + RETRY_INTERVAL, grace_ends))
        key.record = record
        return self._keep(key, *self._fresh())

    def _admit(self, record: KeyRecord, *, embedded: bool) -> LiveKey:
        key = LiveKey(record, self._unwrap(record).cipher(), embedded=embedded)
        key = self._keep(key, *self._fresh())
        if len(key.verified) >= _MAX_VERIFIED:
            key.verified.clear()
        key.verified.add(record.to_bytes())
        return key

    def _unwrap(self, record: KeyRecord) -> DataKey:
        data_key = DataKey(self._provider.unwrap(record.wraps, record.context()))
        data_key.verify(record)
        if record.purpose is not Purpose.ENCRYPTION:
            raise DecryptionError("the data key is not one for values")
        return data_key

    def _fresh(self) -> tuple[float, float]:
        """Return when a key expires that was confirmed just now, and its deadline."""
        expires = _system.monotonic() + self._cache_ttl
        return expires, expires

    def _keep(self, key: LiveKey, expires: float, deadline: float) -> LiveKey:
        """Return the one live key of its id, which is this one unless another came first, and hold it until a deadline.

        A key that was confirmed may have been evicted meanwhile: it takes its place again, for whoever uses it must be
        found by a refusal and after a fork.
        """
        slot = (key.key_id, key.embedded)
        with self._lock:
            kept = self._keys.setdefault(slot, key)
            self._keys.move_to_end(slot)
            if kept is key or deadline > kept.deadline:
                kept.expires, kept.deadline = expires, deadline
            while len(self._keys) > self._policy.max_cached_keys:
                _, oldest = self._keys.popitem(last=False)
                oldest.end()
        return kept

    def _drop(self, key: LiveKey) -> None:
        key.end()
        with self._lock:
            self._keys.pop((key.key_id, key.embedded), None)

    # Encryption

    def _choose(self, tenant: str | None) -> Lease:
        lease = self._leases.get(tenant)
        if lease is not None and lease.deadline > _system.monotonic():
            return lease
        try:
            records = self._records(tenant, lease)
        except KeyStoreError as error:
            if lease is None:
                raise
            _warn("the data keys of tenant %r cannot be listed; going on with the last one: %s", tenant, error)
            key = self._confirmed(lease.key.record)
            if key.record.state is not KeyState.ACTIVE:
                raise
            return self._lease(tenant, key, RETRY_INTERVAL)
        now = _system.wall_clock()
        choice = choose(records, now, self._policy, replicated=self._store is not None)
        if choice.record is None:
            key, until = self._create(tenant, now), now + self._policy.rotate_after.total_seconds()
        elif choice.due or (choice.successor is not None and not self._opens(choice.successor)):
            key, until = self._rotate(tenant, choice.record, now)
        else:
            key, until = self._confirmed(choice.record), choice.until
        if key.tenant != tenant:
            raise KeyStoreError(f"the key store gave a key of another tenant: {key.key_id.hex()}")
        return self._lease(tenant, key, until - now)

    def _records(self, tenant: str | None, lease: Lease | None) -> list[KeyRecord]:
        if self._store is not None:
            return list(self._store.list(tenant))
        return [] if lease is None else [lease.key.record]

    def _confirmed(self, record: KeyRecord) -> LiveKey:
        embedded = record.to_bytes() if self._store is None else None
        try:
            return self.for_decryption(record.key_id, embedded)
        except DecryptionError as error:
            raise KeyStoreError(f"the record of data key {record.key_id.hex()} cannot be opened: {error}") from None

    def _opens(self, record: KeyRecord) -> bool:
        """Say whether a record is authentic; one that cannot be opened for now counts as such."""
        try:
            self.for_decryption(record.key_id)
        except DecryptionError:
            _warn("the key record %s in the key store is not authentic", record.key_id.hex())
            return False
        except (KeyProviderError, KeyStoreError):
            pass
        return True

    def _create(self, tenant: str | None, now: float) -> LiveKey:
        data_key = DataKey.generate()
        created = int(now)
        context = wrap_context(data_key.key_id, Purpose.ENCRYPTION, created, tenant)
        wraps = sorted_wraps(self._provider.wrap(data_key.secret, context))
        record = data_key.seal(KeyRecord(data_key.key_id, Purpose.ENCRYPTION, created, tenant, wraps))
        if self._store is not None:
            self._store.add(record)  # before its first use: a key that is not kept loses what it encrypted
        key = LiveKey(record, data_key.cipher(), embedded=self._store is None)
        return self._keep(key, *self._fresh())

    def _rotate(self, tenant: str | None, active: KeyRecord, now: float) -> tuple[LiveKey, float]:
        """Make the next key; encrypt under the old one until the new one has reached every region."""
        try:
            new = self._create(tenant, now)
        except (KeyProviderError, KeyStoreError) as error:
            _warn("the data key %s is due for rotation, which failed: %s", active.key_id.hex(), error)
            return self._confirmed(active), now + ROTATION_RETRY_INTERVAL
        if self._store is None:
            return new, now + self._policy.rotate_after.total_seconds()
        return self._confirmed(active), now + self._policy.propagation_delay.total_seconds()

    def _lease(self, tenant: str | None, key: LiveKey, seconds: float) -> Lease:
        lease = Lease(key, _system.monotonic() + seconds)
        lease.deadline = min(lease.deadline, key.deadline)  # read last: the key may just have been dropped
        with self._lock:
            self._leases[tenant] = lease
            self._leases.move_to_end(tenant)
            while len(self._leases) > self._policy.max_cached_keys:
                _, oldest = self._leases.popitem(last=False)
                oldest.deadline = float("-inf")
        return lease

    def __reduce__(self) -> str:
        raise TypeError("a keyring holds live keys and cannot be pickled")


def _warn(message: str, *arguments: object) -> None:
    import logging  # here, because it would be a fifth of the time of `import fieldcrypt`

    logging.getLogger("fieldcrypt").warning(message, *arguments)

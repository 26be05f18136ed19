"""Key records that come with self-contained values: which are opened, and how often."""

from __future__ import annotations

from collections.abc import Callable

from fieldcrypt._base.remembered import Remembered
from fieldcrypt._base.token_bucket import TokenBucket
from fieldcrypt.errors import DecryptionError, KeyProviderError, KeyShreddedError, NotWrappedHereError, located
from fieldcrypt.keys.lookup.refused_records import Fingerprint, fingerprint
from fieldcrypt.keys.lookup.tombstones import Tombstones
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone

__all__ = ["EmbeddedRecords", "Opened", "Unwrap"]

Opened = tuple[AuthenticRecord, DataKey]
Unwrap = Callable[[KeyRecord, KeyProvider], Opened]

_FAILED = 10.0  # seconds for which an error of the key service is kept

_NOT_READ = (
    "the value carries its own data key, which this Encryptor does not read because it has a key store: if some "
    "values are yours, set Encryptor(…, read_self_contained=True)"
)


class EmbeddedRecords:
    """Opens records that anyone who can write to the data can forge, at the price of few key service and key store
    calls.

    Records that are not authentic are remembered. All other unknown ones share as many attempts per second as the
    policy allows, of which successful ones do not count.

    Args:
        tombstones: of the key store, if there is one.
        policy: `unknown_records_per_second`, `own_keys_only`, `max_cached_keys` and `cache_ttl` count.
        read: False if none must be opened. Shredded values are still reported as such.
    """

    def __init__(self, tombstones: Tombstones, policy: KeyPolicy, *, read: bool) -> None:
        self._tombstones = tombstones
        self._read = read
        self._trusts_nobody = policy.own_keys_only
        self._per_second = policy.unknown_records_per_second
        self._bucket = TokenBucket(self._per_second)
        # What is not authentic for a provider stays so.
        self._refused: Remembered[Fingerprint, KeyProvider] = Remembered(float("inf"), policy.max_cached_keys)
        self._failed: Remembered[Fingerprint, KeyProviderError] = Remembered(_FAILED, policy.max_cached_keys)
        self._unread: Remembered[Fingerprint, bool] = Remembered(
            policy.cache_ttl.total_seconds(), policy.max_cached_keys
        )

    def open(self, record: KeyRecord, provider: KeyProvider, unwrap: Unwrap) -> Opened:
        """Return a record, authentic, and its data key.

        Args:
            record: as it came with the value.
            provider: the one to open it with.
            unwrap: has it do that.

        Raises:
            DecryptionError: it is not authentic, or not read here.
            KeyShreddedError: a tombstone ends the data key.
            KeyStoreError: the key store cannot be asked for one.
            KeyProviderError: the data key cannot be unwrapped; or was not tried, because too many failed recently.
        """
        _raise(self._tombstones.known(record), record)
        if not self._read:
            self._look_once(record)
            raise DecryptionError(_NOT_READ)
        if self._refused.get(fingerprint(record)) is provider:
            raise DecryptionError("the key record in the value is not authentic")
        if not self._bucket.take():
            raise self._not_tried_error(record)
        failed = True
        try:
            self.check(record)  # before the key service is asked: its answer would change nothing
            opened = unwrap(record, provider)
            failed = self._trusts_nobody or provider.public_key_wrapping  # others can make as many as they want
            return opened
        except KeyShreddedError:
            failed = False  # it is known from now on
            raise
        except NotWrappedHereError:
            failed = self._tombstones.are_kept  # else no service was asked. Not remembered, because an alias may move
            raise
        except DecryptionError:
            self._refused.put(fingerprint(record), provider)
            raise
        except KeyProviderError as error:
            self._failed.put(fingerprint(record), located(error).with_traceback(None))
            raise
        finally:
            self._bucket.done(failed=failed)

    def check(self, record: KeyRecord) -> None:
        """Ask the key store whether a data key was shredded.

        Raises:
            KeyShreddedError: a tombstone ends it.
            KeyStoreError: the key store cannot be asked.
        """
        _raise(self._tombstones.look_up(record), record)

    def forget(self) -> None:
        """Forget everything about records."""
        self._refused.clear()
        self._failed.clear()
        self._unread.clear()

    def _not_tried_error(self, record: KeyRecord) -> KeyProviderError:
        """Return the error of the last attempt to unwrap a record, or why there was none."""
        failed = self._failed.get(fingerprint(record))
        if failed is not None:
            return located(failed)
        return KeyProviderError(
            "the value's data key is unknown here, and was not unwrapped, because too many unknown data keys failed: "
            f"{self._per_second} per second (KeyPolicy.unknown_records_per_second)"
        )

    def _look_once(self, record: KeyRecord) -> None:
        """Ask the key store whether a data key was shredded, unless it was asked recently, or too often for others."""
        if self._unread.get(fingerprint(record)) or not self._bucket.take():
            return
        stone = None
        try:
            stone = self._tombstones.look_up(record)
            self._unread.put(fingerprint(record), True)
        finally:
            self._bucket.done(failed=stone is None)
        _raise(stone, record)


def _raise(stone: Tombstone | None, record: KeyRecord) -> None:
    if stone is not None:
        raise stone.lost_error(record.key_id)

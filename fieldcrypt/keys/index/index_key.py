"""Unwrapped data keys for blind indexes (SPEC section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from fieldcrypt.backends import Mac
from fieldcrypt.keys.live.live_key import CachedKey, KeyLease
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import Purpose

__all__ = ["IndexKey", "IndexLease"]


class IndexKey(CachedKey):
    """A data key for blind indexes, as its HMAC."""

    __slots__ = ("_mac",)

    purpose = Purpose.BLIND_INDEX

    def __init__(self, record: AuthenticRecord, mac: Mac, *, embedded: bool) -> None:
        super().__init__(record, embedded=embedded)
        self._mac = mac

    @classmethod
    def from_record(cls, record: AuthenticRecord, data_key: DataKey, *, embedded: bool) -> Self:
        """Return the key of an authentic record for blind indexes and its data key."""
        return cls(record, data_key.mac(), embedded=embedded)

    def mac(self, head: bytes) -> Mac:
        """Return HMAC-SHA-256 under the index key, already fed with the head of messages."""
        return self._mac.fed(head)

    def wipe(self) -> None:
        """Wipe the HMAC, also in prepared indexes."""
        self._mac.wipe()

    @property
    def is_wiped(self) -> bool:
        return self._mac.is_wiped


class IndexLease(KeyLease):
    """The index keys of a tenant, until a deadline on the monotonic clock.

    Attributes:
        keys: all keys under which there may be tags, the active one first; empty if the tenant has none yet.
        complete: False if others may be in use already: then every search has to look for them.
        listed: when the key store was asked for them.
        usable_until: until when they may be used while the store is asked again.
    """

    __slots__ = ("complete", "keys", "listed", "usable_until")

    keys: tuple[IndexKey, ...]
    usable_until: float

    def __init__(self, keys: Sequence[IndexKey], *, complete: bool, listed: float) -> None:
        super().__init__()
        self.keys = tuple(keys)
        self.complete = complete
        self.listed = listed
        self.usable_until = float("-inf")
        for key in keys:
            key.lease = self

    def end(self) -> None:
        """Make its holders come back, and list the keys again."""
        self.usable_until = float("-inf")
        super().end()

    def bring_forward(self, seconds: float) -> None:
        """Count time that was lost, as if it had passed."""
        self.listed -= seconds
        self.usable_until -= seconds
        super().bring_forward(seconds)

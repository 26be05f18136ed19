"""How long data keys live, and when new ones take over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from fieldcrypt.format.context import NO_TENANT, NoTenant
from fieldcrypt.format.envelope import KEY_ID_SIZE
from fieldcrypt.keys.record.record import check_tenant

__all__ = ["KeyPolicy"]

_SINCE_0_1 = ("index_keys", "not_before", "own_keys_only", "unknown_records_per_second")


class KeyPolicy:
    """The limits of a keyring.

    Attributes:
        cache_ttl: how long a process uses an unwrapped data key before it asks the key store and the key provider
            again. This bounds how long a shredded or denied key stays usable; it also sets how many KMS calls there
            are (one per process, data key and `cache_ttl`).
        max_cached_keys: how many unwrapped data keys of each purpose a process uses; least recently used keys are
            evicted first. A field drops what it prepared with an evicted key a little later: it has up to twice as
            many, and never more than 8,192 tenants and 2,048 keys.
        grace: how long after `cache_ttl` a process goes on with a key if the store or the provider cannot be
            *reached*. A refusal ends the use of a key at once, whatever the grace; the provider may allow less
            (`KeyProvider.grace`).
        rotate_after: the age at which an active data key is followed by a new one. Old ones still decrypt.
        propagation_delay: how long a new data key waits in the key store, so that it can reach every region, before
            anything is encrypted under it. The first key of a tenant does not wait.
        replication_wait: how long a reader waits for the record of a value's data key if the key store does not have
            it, because it may be replicated after the value. Fruitless waits are few, whatever is read: after one there
            is none for thirty times as long.
        not_before: no data key that was made earlier encrypts or tags any more, whatever the key store says about it; a
            new one is made where there is no other. For the time after a leak (docs/operations/on-call.md): a key store
            that was restored, or whose newer records were deleted, cannot bring an old key back into use.
        unknown_records_per_second: how many failed attempts per second to unwrap data keys in self-contained values a
            process makes, because anyone who can write to the data can plant them. Beyond that it raises a retryable
            KeyProviderError. Keys that are unwrapped do not count, unless a public key can wrap them.
        own_keys_only: encrypt only under data keys that this process made itself, as with a public key. For deployments
            where others may wrap under the wrapping keys (`kms:Encrypt`): they can plant data keys that they know.
            Values that are read may still be under such a key, so fields declare `accept_foreign_keys`; blind indexes
            need `index_keys`. Costs a data key per process and tenant (docs/operations/keys.md).
        index_keys: by tenant (None or `NO_TENANT` for values of no tenant), the ids of the only index keys that tag
            and search for it: 16 bytes each, or 32 hexadecimal digits. What the key store says then no longer counts.
    """

    __slots__ = (
        "cache_ttl",
        "grace",
        "index_keys",
        "max_cached_keys",
        "not_before",
        "own_keys_only",
        "propagation_delay",
        "replication_wait",
        "rotate_after",
        "unknown_records_per_second",
    )

    def __init__(
        self,
        cache_ttl: timedelta = timedelta(minutes=15),
        max_cached_keys: int = 10_000,
        grace: timedelta = timedelta(hours=1),
        rotate_after: timedelta = timedelta(days=90),
        propagation_delay: timedelta = timedelta(minutes=5),
        replication_wait: timedelta = timedelta(seconds=2),
        not_before: datetime | None = None,
        unknown_records_per_second: int = 5,
        *,
        own_keys_only: bool = False,
        index_keys: Mapping[str | NoTenant | None, Iterable[bytes | str]] | None = None,
    ) -> None:
        """Take the limits.

        Raises:
            TypeError: a time is not a timedelta, `not_before` not a datetime, a number not an int,
                `own_keys_only` not a bool, a tenant not text, or a key id neither bytes nor text.
            ValueError: a limit is negative, `not_before` has no offset, the limits cannot work together, a tenant is
                out of range, has no index key or is named twice, or a key id is none.
        """
        self.cache_ttl: Final = _duration("cache_ttl", cache_ttl)
        self.grace: Final = _duration("grace", grace)
        self.rotate_after: Final = _duration("rotate_after", rotate_after)
        self.propagation_delay: Final = _duration("propagation_delay", propagation_delay)
        self.replication_wait: Final = _duration("replication_wait", replication_wait)
        self.max_cached_keys: Final = _number("max_cached_keys", max_cached_keys)
        self.unknown_records_per_second: Final = _number("unknown_records_per_second", unknown_records_per_second)
        if rotate_after <= propagation_delay:
            raise ValueError("rotate_after must be longer than propagation_delay, or no key would ever be in use")
        if not_before is not None:
            if not isinstance(not_before, datetime):
                raise TypeError(f"not_before is a datetime, not {type(not_before).__name__}")
            if not_before.utcoffset() is None:
                raise ValueError("not_before needs an offset: datetime.now(UTC), for example")
        self.not_before: Final = not_before
        if not isinstance(own_keys_only, bool):
            raise TypeError("own_keys_only is a bool")
        self.own_keys_only: Final = own_keys_only
        self.index_keys: Final = _pinned({} if index_keys is None else index_keys)

    @property
    def earliest(self) -> float:
        """The earliest creation time of a key that encrypts or tags, in seconds since 1970."""
        return float("-inf") if self.not_before is None else math.ceil(self.not_before.timestamp())

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Return the limits. Without those that 0.1 did not know, if they have their defaults: so it unpickles them."""
        default = KeyPolicy()
        limits = {name: getattr(self, name) for name in self.__slots__}
        unused = {name for name in _SINCE_0_1 if limits[name] == getattr(default, name)}
        return None, {name: value for name, value in limits.items() if name not in unused}

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Restore a pickle, of an older version too: limits that it did not have get their defaults."""
        KeyPolicy.__init__(self, **state[1])

    def __repr__(self) -> str:
        return f"KeyPolicy({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


def _number(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is an int")
    if value < 1:
        raise ValueError(f"{name} is at least 1")
    return value


def _duration(name: str, value: timedelta) -> timedelta:
    if not isinstance(value, timedelta):
        raise TypeError(f"{name} is a timedelta, not {type(value).__name__}")
    if value < timedelta(0):
        raise ValueError(f"{name} cannot be negative")
    return value


def _pinned(
    index_keys: Mapping[str | NoTenant | None, Iterable[bytes | str]],
) -> dict[str | None, tuple[bytes, ...]]:
    if not isinstance(index_keys, Mapping):
        raise TypeError("index_keys has key ids by tenant: {tenant: [key id, …]}")
    pinned: dict[str | None, tuple[bytes, ...]] = {}
    for name, key_ids in index_keys.items():
        tenant = None if name is NO_TENANT else name
        if tenant is not None:
            check_tenant(tenant)
        if isinstance(key_ids, (bytes, str)):
            raise TypeError("index_keys has a list of key ids for each tenant")
        ids = tuple(_key_id(key_id) for key_id in key_ids)
        if tenant in pinned or not ids:
            raise ValueError(f"index_keys names {'no key of ' if not ids else 'twice '}{name!r}")
        pinned[tenant] = tuple(dict.fromkeys(ids))
    return pinned


def _key_id(key_id: bytes | str) -> bytes:
    if not isinstance(key_id, (bytes, str)):
        raise TypeError(f"a key id is bytes or hexadecimal digits, not {type(key_id).__name__}")
    try:
        found = bytes.fromhex(key_id) if isinstance(key_id, str) else key_id
    except ValueError:
        found = b""
    if len(found) != KEY_ID_SIZE:
        raise ValueError(f"a key id has {KEY_ID_SIZE} bytes, or {2 * KEY_ID_SIZE} hexadecimal digits: not {key_id!r}")
    return found

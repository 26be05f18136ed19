"""The cache of a process's live keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from fieldcrypt import _system
from fieldcrypt.keys.live.live_key import CachedKey
from fieldcrypt.keys.policy import KeyPolicy

__all__ = ["CachedKeys"]

# A key in use is checked after 75 to 90 percent of its time to live, at random each time, so that keys that were
# fetched together are not checked together: neither those of one process, nor one key by a fleet of processes.
_CHECK_FROM, _CHECK_SPREAD = 0.75, 0.15

# A new record may be lost with the region that it was made in, before other regions have it. So the store is asked for
# it often, as it is for all keys when the store answers again after an error.
_YOUNG = 600.0  # seconds since its data key was made
_LOOK = 30.0  # seconds from one look to the next

K = TypeVar("K", bound=CachedKey)


class CachedKeys(Generic[K]):
    """Live keys by key id and whether the record came with the value; the least recently used ones are evicted first.

    A key that the store has lost, or that was removed from it, must not come back for stored values because someone put
    its record into a self-contained one.

    Args:
        policy: how many keys are kept, and for how long.
        given_up: called with each key that is evicted or ended.

    Attributes:
        shredded: how often keys were ended because they were shredded.
        forgotten: how often all keys were dropped. Code that confirms a key compares both before and after.
    """

    def __init__(self, policy: KeyPolicy, given_up: Callable[[K], None]) -> None:
        self._limit = policy.max_cached_keys
        self._cache_ttl = policy.cache_ttl.total_seconds()
        self._given_up = given_up
        self._keys: OrderedDict[tuple[bytes, bool], K] = OrderedDict()
        self.shredded = self.forgotten = 0
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start with a free lock and unshared salts; also runs in a forked child."""
        self._lock = Lock()
        for key in self._keys.values():
            key.after_fork()

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key_id: bytes, *, embedded: bool) -> K | None:
        """Return a key, even if its time is over."""
        return self._keys.get((key_id, embedded))

    def all(self, which: Callable[[K], bool]) -> list[K]:
        """Return the keys that fulfil a condition."""
        with self._lock:
            return [key for key in self._keys.values() if which(key)]

    def due(self, key: K, interval: float) -> bool:
        """Note that a key is used, and return True if it should be checked now: to one caller per interval."""
        slot = (key.key_id, key.embedded)
        now = _system.monotonic()
        with self._lock:  # keys also end under it, so that one that has ended gets no more time
            due = key.deadline <= now < key.usable_until
            if due:
                key.deadline = min(now + interval, key.usable_until)
            if slot in self._keys:
                self._keys.move_to_end(slot)
            key.extend()
        return due

    def put_off(self, key: K, interval: float) -> None:
        """Let users of a key go on for a while, within its time."""
        with self._lock:
            key.deadline = min(_system.monotonic() + interval, key.usable_until)

    def keep(self, key: K, expires: float, usable_until: float, deadline: float) -> K:
        """Return the one live key of this id, with its new times: this one, unless another came first.

        A key that was confirmed may have been evicted meanwhile: it is put back, because a refusal or a fork must be
        able to find it. Unless it was wiped: then its holders ask again.
        """
        slot = (key.key_id, key.embedded)
        with self._lock:
            if key.is_wiped:
                return key
            kept = self._keys.setdefault(slot, key)
            self._keys.move_to_end(slot)
            if kept is key or deadline > kept.deadline:
                kept.expires, kept.usable_until, kept.deadline = expires, usable_until, deadline
            evicted = [self._keys.popitem(last=False)[1] for _ in range(len(self._keys) - self._limit)]
            for oldest in evicted:
                oldest.end()  # and the call that uses it last wipes it: a call may use more keys than are kept
        for oldest in evicted:
            self._given_up(oldest)
        return kept

    def confirm(self, key: K, asked: float) -> K:
        """Keep a key that was just confirmed, by a provider that was asked then, for its time to live."""
        now = min(_system.monotonic(), asked)
        key.confirm_at = now + self._cache_ttl * (_CHECK_FROM + _CHECK_SPREAD * _system.at_random())
        kept = self.keep(key, now + self._cache_ttl, now + self._cache_ttl, _next_look(key))
        kept.confirm_at = key.confirm_at
        kept.graceless = False
        return kept

    def keep_checked(self, key: K) -> K:
        """Go on with a key whose record is unchanged in the store, until the next check of store or provider."""
        return self.keep(key, key.expires, key.expires, min(_next_look(key), key.expires))

    def drop(self, key: K, *, waited_for: bool = False) -> None:
        """End the use of a key, and of the one in its place.

        Args:
            key: which.
            waited_for: it serves callers once more, who are waiting for it, and is wiped when they let it go.
        """
        with self._lock:
            for ended in (key, self._keys.pop((key.key_id, key.embedded), key)):
                ended.end()
                if not (waited_for and ended is key):
                    ended.wipe()
        self._given_up(key)

    def drop_id(self, key_id: bytes) -> None:
        """End the use of a shredded key id, including keys that are just being confirmed."""
        with self._lock:
            self.shredded += 1
            keys = [self._keys.get((key_id, embedded)) for embedded in (False, True)]
        for key in keys:
            if key is not None:
                self.drop(key)

    def drop_shredded(self, which: Callable[[K], bool]) -> None:
        """End the use of the keys that fulfil a condition, as `drop_id` does."""
        with self._lock:
            self.shredded += 1
        for key in self.all(which):
            self.drop(key)

    def clear(self) -> None:
        """End the use of all keys, including those that are just being confirmed."""
        with self._lock:
            self.forgotten += 1
            forgotten = list(self._keys.values())
            for key in forgotten:
                key.end()
                key.after_fork()  # should a check that is under way bring it back for a moment
                key.wipe()
            self._keys.clear()
        for key in forgotten:
            self._given_up(key)

    def bring_forward(self, seconds: float) -> None:
        """Count lost time as if it had passed; keys that are just being confirmed are not kept."""
        with self._lock:
            self.forgotten += 1
            for key in self._keys.values():
                key.bring_forward(seconds)

    def look_soon(self) -> None:
        """Have users of each stored key ask the keyring soon, each at a time of its own."""
        now = _system.monotonic()
        with self._lock:
            for key in self._keys.values():
                if not key.embedded:
                    key.look_by(now + _LOOK * _system.at_random())


def _next_look(key: CachedKey) -> float:
    if key.embedded or abs(_system.wall_clock() - key.record.created) > _YOUNG:
        return key.confirm_at
    return min(key.confirm_at, _system.monotonic() + _LOOK * (1 - _CHECK_SPREAD * _system.at_random()))

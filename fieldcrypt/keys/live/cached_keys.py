"""The live keys that a process has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from fieldcrypt import _system
from fieldcrypt.keys.live.live_key import CachedKey

__all__ = ["CachedKeys"]

K = TypeVar("K", bound=CachedKey)


class CachedKeys(Generic[K]):
    """Live keys by key id and whether the record came with the value; those that nobody asked for longest go first.

    A key that the store has lost, or that was taken from it, must not come back for stored values because somebody put
    its record into a self-contained one.

    Args:
        limit: how many there are at the most.
        given_up: is told of each key that loses its place.

    Attributes:
        shredded: how often keys were ended because they were shredded.
        forgotten: how often all were to be forgotten. Who had a key confirmed meanwhile looks at both.
    """

    def __init__(self, limit: int, given_up: Callable[[K], None]) -> None:
        self._limit = limit
        self._given_up = given_up
        self._keys: OrderedDict[tuple[bytes, bool], K] = OrderedDict()
        self.shredded = self.forgotten = 0
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start with a lock that nobody holds and salts that nobody shares; also runs in a forked child."""
        self._lock = Lock()
        for key in self._keys.values():
            key.after_fork()

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key_id: bytes, *, embedded: bool) -> K | None:
        """Return a key, whatever its time."""
        return self._keys.get((key_id, embedded))

    def all(self, which: Callable[[K], bool]) -> list[K]:
        """Return the keys of which something holds."""
        with self._lock:
            return [key for key in self._keys.values() if which(key)]

    def due(self, key: K, interval: float) -> bool:
        """Note that a key is used, and say if it is time to check it: to one of those who ask in an interval."""
        slot = (key.key_id, key.embedded)
        now = _system.monotonic()
        with self._lock:  # under which keys end, too: one that has ended is not given time again
            due = key.deadline <= now < key.usable_until
            if due:
                key.deadline = min(now + interval, key.usable_until)
            if slot in self._keys:
                self._keys.move_to_end(slot)
            key.extend()
        return due

    def put_off(self, key: K, interval: float) -> None:
        """Let those who use a key go on for a while, within its time."""
        with self._lock:
            key.deadline = min(_system.monotonic() + interval, key.usable_until)

    def keep(self, key: K, expires: float, usable_until: float, deadline: float) -> K:
        """Return the one live key of its id, which is this one unless another came first, with its new times.

        A key that was confirmed may have been evicted meanwhile: it takes its place again, for whoever uses it must be
        found by a refusal and after a fork.
        """
        slot = (key.key_id, key.embedded)
        with self._lock:
            kept = self._keys.setdefault(slot, key)
            self._keys.move_to_end(slot)
            if kept is key or deadline > kept.deadline:
                kept.expires, kept.usable_until, kept.deadline = expires, usable_until, deadline
            evicted = [self._keys.popitem(last=False)[1] for _ in range(len(self._keys) - self._limit)]
            for oldest in evicted:
                oldest.end()
        for oldest in evicted:
            self._given_up(oldest)
        return kept

    def drop(self, key: K) -> None:
        """End the use of a key, and of the one in its place."""
        with self._lock:
            for ended in (key, self._keys.pop((key.key_id, key.embedded), key)):
                ended.end()
        self._given_up(key)

    def drop_id(self, key_id: bytes) -> None:
        """End the use of the keys of an id, which were shredded, also of those that are being confirmed just now."""
        with self._lock:
            self.shredded += 1
            keys = [self._keys.get((key_id, embedded)) for embedded in (False, True)]
        for key in keys:
            if key is not None:
                self.drop(key)

    def drop_shredded(self, which: Callable[[K], bool]) -> None:
        """End the use of the keys of which something holds, as `drop_id` does."""
        with self._lock:
            self.shredded += 1
        for key in self.all(which):
            self.drop(key)

    def clear(self) -> None:
        """End the use of all keys, also of those that are being confirmed at the moment."""
        with self._lock:
            self.forgotten += 1
            forgotten = list(self._keys.values())
            for key in forgotten:
                key.end()
                key.after_fork()  # should a check that is under way bring it back for a moment
            self._keys.clear()
        for key in forgotten:
            self._given_up(key)

    def bring_forward(self, seconds: float) -> None:
        """Count time that was lost as if it had passed; keys that are being confirmed at the moment are not kept."""
        with self._lock:
            self.forgotten += 1
            for key in self._keys.values():
                key.bring_forward(seconds)

    def look_by(self, moment: Callable[[], float]) -> None:
        """Have whoever uses a stored key ask the keyring by a moment of its own, on the monotonic clock."""
        with self._lock:
            for key in self._keys.values():
                if not key.embedded:
                    key.look_by(moment())

"""A bounded map whose entries end after a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

from fieldcrypt import _system

__all__ = ["Remembered"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Keeps entries for a time; when it is full, the oldest ones go first.

    Args:
        seconds: how long an entry counts.
        limit: how many entries there are at most.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()  # and until when each counts
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)  # including those that have ended

    def get(self, key: K) -> V | None:
        """Return the entry, or None if there is none or its time is over."""
        value, until = self._entries.get(key, (None, float("-inf")))
        return value if _system.monotonic() < until else None

    def put(self, key: K, value: V) -> None:
        """Add an entry, or renew it."""
        with self._lock:
            self._entries[key] = value, _system.monotonic() + self._seconds
            self._entries.move_to_end(key)
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

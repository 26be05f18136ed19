"""A bounded map whose hits cost nothing beyond a dict lookup."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class GenerationCache(Generic[K, V]):
    """Keeps the most recently used entries: at least `limit` and at most twice as many.

    An exact LRU moves an entry at every hit. Here the hot path reads the dict `recent` itself; on a miss it calls
    `find`, which brings back what the older generation still has. When `recent` is full it becomes the older one.

    Attributes:
        recent: the newer generation; always the same dict.
    """

    __slots__ = ("_limit", "_most", "_older", "recent")

    def __init__(self, limit: int) -> None:
        self._most = self._limit = limit
        self.recent: dict[K, V] = {}
        self._older: dict[K, V] = {}

    def find(self, key: K) -> V | None:
        """Return the entry of a key from either generation, or None."""
        value = self.recent.get(key)
        if value is None:
            value = self._older.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Add or replace an entry."""
        if len(self.recent) >= self._limit and key not in self.recent:
            self._older = self.recent.copy()
            self.recent.clear()
        self.recent[key] = value

    def drop(self, key: K) -> None:
        """Forget an entry, if there is one."""
        self.recent.pop(key, None)
        self._older.pop(key, None)

    def narrow(self, limit: int) -> None:
        """Lower the limit; it never rises above the one that the cache was made with."""
        self._limit = min(self._most, limit)

    def clear(self) -> None:
        """Forget everything."""
        self._older = {}
        self.recent.clear()

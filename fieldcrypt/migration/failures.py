"""The failures of a job."""

from __future__ import annotations

from threading import Lock

from fieldcrypt.migration.reports import MAX_FAILURES, Key

__all__ = ["Failures"]


class Failures:
    """Why rows or items could not be changed: only the first ones, so that it fits in memory. Shared by workers."""

    def __init__(self) -> None:
        self.found: dict[Key, Exception] = {}
        self._lock = Lock()

    def add(self, key: Key, error: Exception) -> None:
        """Note why the row or item of a key could not be changed; of two parts there may be a reason each."""
        with self._lock:
            before = self.found.get(key)
            if before is not None and str(error) not in str(before):
                self.found[key] = ValueError(f"{before}; {error}")
            elif before is None and len(self.found) < MAX_FAILURES:
                self.found[key] = error

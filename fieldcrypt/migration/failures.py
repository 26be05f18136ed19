"""What a step could not do."""

from __future__ import annotations

from threading import Lock
from typing import Any

from fieldcrypt.migration.reports import MAX_FAILURES

__all__ = ["Failures"]


class Failures:
    """Why rows or items could not be changed; of the first ones only, so that it fits in memory. Of several workers."""

    def __init__(self) -> None:
        self.found: dict[tuple[Any, ...], Exception] = {}
        self._lock = Lock()

    def add(self, key: tuple[Any, ...], error: Exception) -> None:
        """Note why the row or item of a key could not be changed."""
        with self._lock:
            if len(self.found) < MAX_FAILURES or key in self.found:
                self.found[key] = error

"""How fast a job may go."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from fieldcrypt import _system

__all__ = ["Pace"]

_NAP = 1.0  # seconds


class Pace:
    """Keeps all workers of a process below a rate, by having them wait.

    Args:
        rate: how much a second, rows as a rule; None: as fast as can be.

    Raises:
        ValueError: the rate is not positive.
    """

    def __init__(self, rate: float | None = None) -> None:
        if rate is not None and rate <= 0:
            raise ValueError("a rate is more than nothing a second")
        self._rate = rate
        self._lock = Lock()
        self._free_at = 0.0

    def take(self, amount: float, meanwhile: Callable[[], object] | None = None) -> None:
        """Wait until so much more may be done, after what was taken before.

        Args:
            amount: how much.
            meanwhile: is called about once a second while it waits.
        """
        if self._rate is None:
            return
        with self._lock:
            now = _system.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + amount / self._rate
        left = start - now
        while left > 0:
            _system.sleep(left if meanwhile is None else min(left, _NAP))
            left -= _NAP if meanwhile is not None else left
            if meanwhile is not None:
                meanwhile()

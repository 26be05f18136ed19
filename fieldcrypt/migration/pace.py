"""How fast a job may go."""

from __future__ import annotations

from threading import Lock

from fieldcrypt import _system

__all__ = ["Pace"]


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

    def take(self, amount: float) -> None:
        """Wait until so much more may be done, after what was taken before."""
        if self._rate is None:
            return
        with self._lock:
            now = _system.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + amount / self._rate
        if start > now:
            _system.sleep(start - now)

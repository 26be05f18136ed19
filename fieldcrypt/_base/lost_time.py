"""Time that passed while the process was suspended, which the monotonic clock does not count."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from fieldcrypt import _system

__all__ = ["LostTime"]

_TOLERANCE = 5.0  # seconds by which the two clocks may drift apart before that counts


class LostTime:
    """Compares the two clocks: after a suspension, or a restore from a snapshot, the wall clock is ahead.

    A step backwards of the wall clock changes nothing. Setting it forward only makes keys be checked early.

    Args:
        found: called with the number of seconds that were lost, once per loss.
    """

    def __init__(self, found: Callable[[float], object]) -> None:
        self._found = found
        self._ahead = _ahead()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def look(self) -> None:
        """Compare both clocks. Costs a fraction of a microsecond."""
        if abs(_ahead() - self._ahead) <= _TOLERANCE:
            return
        with self._lock:
            ahead = _ahead()
            lost, self._ahead = ahead - self._ahead, ahead
        if lost > _TOLERANCE:
            self._found(lost)


def _ahead() -> float:
    return _system.wall_clock() - _system.monotonic()

"""Time that passed while the process stood still, of which the monotonic clock knows nothing."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from fieldcrypt import _system

__all__ = ["LostTime"]

_TOLERANCE = 5.0  # seconds by which the two clocks may drift apart before that counts


class LostTime:
    """Compares the two clocks: a machine that was suspended, or cloned from a snapshot, finds the wall clock ahead.

    A step backwards of the wall clock changes nothing. Whoever sets it forward has keys checked early and no more.

    Args:
        found: told how many seconds were lost, once per loss.
    """

    def __init__(self, found: Callable[[float], object]) -> None:
        self._found = found
        self._ahead = _ahead()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def look(self) -> None:
        """Look at both clocks. Costs a fraction of a microsecond."""
        if abs(_ahead() - self._ahead) <= _TOLERANCE:
            return
        with self._lock:
            ahead = _ahead()
            lost, self._ahead = ahead - self._ahead, ahead
        if lost > _TOLERANCE:
            self._found(lost)


def _ahead() -> float:
    return _system.wall_clock() - _system.monotonic()

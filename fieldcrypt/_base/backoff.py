"""A pause after failed attempts, so that they take a bounded share of a process's time."""

from __future__ import annotations

from fieldcrypt import _system

__all__ = ["Backoff"]


class Backoff:
    """Pauses attempts after a failed one, for a multiple of the time that it took.

    Anyone who can write to the data can plant values whose data keys do not exist. However many there are, each
    thread spends at most one part in `rest + 1` of its time on them.

    Args:
        rest: how many times longer than the failed attempt the pause lasts.
    """

    __slots__ = ("_rest", "_until")

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._until = float("-inf")

    @property
    def active(self) -> bool:
        """True while no further attempt should be made."""
        return _system.monotonic() < self._until

    def failed_after(self, seconds: float) -> None:
        """Note that an attempt failed after so many seconds."""
        self._until = max(self._until, _system.monotonic() + self._rest * seconds)

"""How much of its time a process spends on looking for what is not there."""

from __future__ import annotations

from fieldcrypt import _system

__all__ = ["Patience"]


class Patience:
    """Runs out when something was looked for in vain, and comes back after a multiple of the time that it took.

    Whoever can write to the data can plant values whose data keys are nowhere. However many they are, each thread of
    a process loses at most one part in `rest + 1` of its time to them.

    Args:
        rest: how many times longer to rest than the look took.
    """

    __slots__ = ("_rest", "_until")

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._until = float("-inf")

    @property
    def exhausted(self) -> bool:
        """True while nothing should be looked for that may well not be there."""
        return _system.monotonic() < self._until

    def in_vain(self, seconds: float) -> None:
        """Note that a look took so long, and found nothing."""
        self._until = max(self._until, _system.monotonic() + self._rest * seconds)

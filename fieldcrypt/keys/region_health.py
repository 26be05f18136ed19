"""Which regions have lately failed."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from fieldcrypt import _system

__all__ = ["RegionHealth"]


class RegionHealth:
    """Remembers failed regions for a while, so that only the first callers wait for them.

    Args:
        cooldown: seconds until one caller tries a failed region again.
    """

    __slots__ = ("_cooldown", "_lock", "_sick_until")

    def __init__(self, cooldown: float) -> None:
        self._cooldown = cooldown
        self._sick_until: dict[str, float] = {}
        self._lock = Lock()

    def order(self, regions: Sequence[str]) -> list[str]:
        """Return the regions as they are to be tried: in the given order, but sick ones last.

        A region whose cool-down is over is in its old place for this caller alone (a probe), and stays last for the
        others until the caller has reported.
        """
        now = _system.monotonic()
        first, last = [], []
        with self._lock:
            for region in regions:
                until = self._sick_until.get(region)
                if until is not None and until > now:
                    last.append(region)
                    continue
                if until is not None:
                    self._sick_until[region] = now + self._cooldown
                first.append(region)
        return first + last

    def failed(self, region: str) -> None:
        """Note that a region did not answer as it should."""
        with self._lock:
            self._sick_until[region] = _system.monotonic() + self._cooldown

    def succeeded(self, region: str) -> None:
        """Note that a region answered."""
        if region in self._sick_until:
            with self._lock:
                self._sick_until.pop(region, None)

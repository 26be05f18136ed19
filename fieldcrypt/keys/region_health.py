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
        self.reset()

    def reset(self) -> None:
        """Start with a lock that nobody holds; for a forked child."""
        self._lock = Lock()

    def order(self, regions: Sequence[str]) -> list[str]:
        """Return the regions as they are to be tried: in the given order, but sick ones last."""
        now = _system.monotonic()
        with self._lock:
            sick = [region for region in regions if self._sick_until.get(region, now) > now]
        return [region for region in regions if region not in sick] + sick

    def begin(self, region: str) -> None:
        """Note that a region is being tried. If it was sick until now, that is a probe, and others leave it alone."""
        with self._lock:
            if region in self._sick_until:
                self._sick_until[region] = _system.monotonic() + self._cooldown

    def failed(self, region: str) -> None:
        """Note that a region did not answer as it should."""
        with self._lock:
            self._sick_until[region] = _system.monotonic() + self._cooldown

    def succeeded(self, region: str) -> None:
        """Note that a region answered."""
        if region in self._sick_until:
            with self._lock:
                self._sick_until.pop(region, None)

"""Which regions have failed recently."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from fieldcrypt import _system
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.keys.aws_kms.clients import Place

__all__ = ["RegionHealth"]


class RegionHealth:
    """Remembers for a while which regions failed, and which keys are away, so that only the first callers wait for
    them.

    Args:
        cooldown: seconds until one caller tries a failed region again.
    """

    def __init__(self, cooldown: float) -> None:
        self._cooldown = cooldown
        self._sick_until: dict[Place | KeyArn, float] = {}
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def sick(self, places: Iterable[Place | KeyArn]) -> set[Place | KeyArn]:
        """Return the regions that should not be tried for now."""
        now = _system.monotonic()
        with self._lock:
            return {place for place in places if self._sick_until.get(place, now) > now}

    def admits(self, place: Place | KeyArn) -> bool:
        """Return True if a region may be tried now. If it was sick, the caller probes it, and others keep waiting."""
        now = _system.monotonic()
        with self._lock:
            if self._sick_until.get(place, now) > now:
                return False
            if place in self._sick_until:
                self._sick_until[place] = now + self._cooldown
            return True

    def failed(self, place: Place | KeyArn) -> None:
        """Note that a region failed."""
        with self._lock:
            self._sick_until[place] = _system.monotonic() + self._cooldown

    def succeeded(self, place: Place | KeyArn) -> None:
        """Note that a region answered."""
        if place in self._sick_until:
            with self._lock:
                self._sick_until.pop(place, None)

"""For how long a live key goes on."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Lifetime"]


class Lifetime(NamedTuple):
    """The times of a live key, on the monotonic clock, in seconds.

    Attributes:
        confirmed: when key provider and key store last confirmed it.
        expires: `cache_ttl` after that.
        ends: when it ends if neither can be asked from now on: after its grace, if it has one.
        is_overdue: True if the last attempt to confirm it failed.
    """

    confirmed: float
    expires: float
    ends: float
    is_overdue: bool

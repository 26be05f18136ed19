"""SPEC section 6 once more, written from its words: which key encrypts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Known", "chosen", "newest_that_waited"]

CLOCKS = 60


class Known(NamedTuple):
    """What an authentic record says, in the order that counts, and its state."""

    created: int
    key_id: bytes
    active: bool


def newest_that_waited(records: Iterable[Known], now: float, delay: float) -> Known | None:
    """The newest key that has reached every region, or whose maker's clock is ahead."""
    waited = [each for each in sorted(records) if each.created + delay <= now or each.created > now + CLOCKS]
    return waited[-1] if waited else None


def chosen(records: Sequence[Known], now: float, delay: float, not_before: float) -> Known | None:
    """The key that encrypts, or None if one has to be made."""

    def may(each: Known) -> bool:
        return each.active and each.created >= not_before

    newest = newest_that_waited(records, now, delay)
    if newest is not None and may(newest):
        return newest
    newer = [each for each in sorted(records) if (newest is None or each > newest) and may(each)]
    return newer[0] if newer else None

"""Where to run work that may have to wait for a key store or a key provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Offload", "in_place"]

T = TypeVar("T")


class Offload(Protocol):
    """Runs work elsewhere and returns its result: in a thread, say, so that an event loop is not blocked.

    It gets only work that asks a key store or a key provider, a few times per hour and data key. Work with keys that
    the process already has does not go through it.
    """

    def __call__(self, work: Callable[[], T], /) -> T:
        """Return what `work` returns, or raise what it raises."""
        ...


def in_place(work: Callable[[], T]) -> T:
    """Run the work in the calling thread."""
    return work()

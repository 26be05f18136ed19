"""Where work is done that may have to wait for a key store or a key provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Offload", "in_place"]

T = TypeVar("T")


class Offload(Protocol):
    """Does work elsewhere and returns its result: in a thread, say, so that an event loop goes on meanwhile.

    It is given only what asks a key store or a key provider, a few times an hour for each data key; what the process
    has at hand never comes by here.
    """

    def __call__(self, work: Callable[[], T], /) -> T:
        """Return what `work` returns, or raise what it raises."""
        ...


def in_place(work: Callable[[], T]) -> T:
    """Do the work here and now."""
    return work()

"""Work with keys that other threads may wipe at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fieldcrypt.errors import KeyWipedError

__all__ = ["unless_wiped"]

_MOST = 64  # times; each needs another thread that drops the key within some microseconds

T = TypeVar("T")


def unless_wiped(work: Callable[[], T]) -> T:
    """Return what work returns; begin again if a key was wiped meanwhile, for then another one is to be had.

    Args:
        work: asks the keyring for the key itself, so that it finds out what is the matter if there is none.
    """
    for _ in range(_MOST):
        try:
            return work()
        except KeyWipedError:
            continue
    raise KeyWipedError

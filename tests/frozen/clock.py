"""A clock that the writer puts forward. Import it before fieldcrypt, which takes the clock as it finds it."""

from __future__ import annotations

import time

__all__ = ["BEGINNING", "advance"]

BEGINNING = 1_793_491_200.0  # 2026-11-01
_genuine = time.time
_started = _genuine()
_ahead = 0.0


def advance(seconds: float) -> None:
    """Let so much time pass."""
    global _ahead
    _ahead += seconds


time.time = lambda: BEGINNING + _ahead + _genuine() - _started

"""A limit on failed attempts that others can provoke."""

from __future__ import annotations

from threading import Condition

from fieldcrypt import _system

__all__ = ["TokenBucket"]


class TokenBucket:
    """Tokens for attempts, a number of them per second; an attempt that succeeds gives its token back.

    So honest work is limited only in how much runs at once, and failed attempts are limited in total. A caller that
    finds no token waits while others still hold theirs, because they may give them back.

    Args:
        per_second: how many tokens come in a second, and how many there are at most.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._changed = Condition()
        self._tokens = float(self._per_second)
        self._counted = _system.monotonic()
        self._at_work = 0

    def take(self) -> bool:
        """Take a token and return True; False if there is none, and none will come back."""
        with self._changed:
            while not self._has_one():
                if not self._at_work:
                    return False
                self._changed.wait(1 / self._per_second)
            self._tokens -= 1
            self._at_work += 1
            return True

    def done(self, *, failed: bool) -> None:
        """Note how the attempt for which a token was taken turned out."""
        with self._changed:
            self._at_work -= 1
            self._tokens += not failed
            self._changed.notify_all()

    def _has_one(self) -> bool:
        now = _system.monotonic()
        self._tokens = min(self._per_second, self._tokens + (now - self._counted) * self._per_second)
        self._counted = now
        return self._tokens >= 1

"""Code that must not be running while the process forks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

__all__ = ["ForkGuard"]


class ForkGuard:
    """Makes a fork wait for all threads in its `held` blocks, and makes new ones wait for the fork.

    For C libraries that have locks of their own: a lock that another thread holds at a fork is never released in the
    child.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
            os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._reset)

    def _reset(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._forking = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the process from forking."""
        with self._changed:
            self._changed.wait_for(lambda: not self._forking)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def _before(self) -> None:
        with self._changed:
            self._forking += 1
            self._changed.wait_for(lambda: not self._inside)

    def _after(self) -> None:
        with self._changed:
            self._forking -= 1
            self._changed.notify_all()

"""Telling watches what goes on, by methods that are others for as long as there is a watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Noting"]

T = TypeVar("T")
Note = Callable[[T], None]


class Noting(Generic[T]):
    """Replaces methods when the first watch begins, and puts them back when the last one ends, in whatever order.

    Args:
        replace: puts methods that call a function with what they see in the place of others, until a stack is left.
    """

    def __init__(self, replace: Callable[[ExitStack, Note[T]], None]) -> None:
        self._replace = replace
        self._stack = ExitStack()
        self._notes: list[Note[T]] = []
        self._lock = Lock()

    @contextmanager
    def __call__(self, note: Note[T]) -> Iterator[None]:
        """Call a function with all that is seen meanwhile."""
        with self._lock:
            if not self._notes:
                with ExitStack() as stack:
                    self._replace(stack, self._tell)
                    self._stack = stack.pop_all()
            self._notes.append(note)
        try:
            yield
        finally:
            with self._lock:
                self._notes.remove(note)
                if not self._notes:
                    self._stack.close()

    def _tell(self, seen: T) -> None:
        for note in tuple(self._notes):
            note(seen)

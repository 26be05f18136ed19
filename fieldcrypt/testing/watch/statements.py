"""Notes what this process has drivers of SQLAlchemy execute.

Every engine hands its statements over by an event that a driver could be replaced with, the asynchronous ones too: last
of all, so that nobody changes them afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

__all__ = ["Statement", "statements_noted"]

_EVENTS = ("do_execute", "do_executemany", "do_execute_no_params")


class Statement(NamedTuple):
    """A statement, and its parameters: of one execution or of many."""

    text: str
    parameters: Any


@contextmanager
def statements_noted(note: Callable[[Statement], None]) -> Iterator[None]:
    """Call a function with every statement that an engine executes meanwhile; without SQLAlchemy, never."""
    if not find_spec("sqlalchemy"):
        yield
        return
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        note(Statement(statement, parameters))

    def execute_no_params(cursor: Any, statement: str, context: Any) -> None:
        note(Statement(statement, ()))

    listeners: dict[str, Callable[..., Any]] = dict(zip(_EVENTS, (execute, execute, execute_no_params), strict=True))
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)

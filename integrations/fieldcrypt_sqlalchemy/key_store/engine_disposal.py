"""What is closed together with an engine of the application."""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Engine, event

__all__ = ["close_with"]


class Closable(Protocol):
    """Can be closed any number of times."""

    def close(self) -> None:
        """Close it."""
        ...


_closed_with: WeakKeyDictionary[Engine, WeakSet[Closable]] = WeakKeyDictionary()


def close_with(engine: Engine, closable: Closable) -> None:
    """Have something closed whenever an engine is disposed, while both live.

    Args:
        engine: one of the application's. Those that its `execution_options()` returned share its pool, and are disposed
            with it.
        closable: what to close.
    """
    owner = engine
    while owner is not getattr(owner, "_proxied", owner):
        owner = getattr(owner, "_proxied", owner)
    new: WeakSet[Closable] = WeakSet()
    closables = _closed_with.setdefault(owner, new)
    closables.add(closable)
    if closables is new:
        _listen(owner, new)


def _listen(engine: Engine, closables: WeakSet[Closable]) -> None:
    def close_all(_: Any) -> None:
        for each in tuple(closables):
            each.close()

    # To listen to anything about an engine makes all its statements slower, for it asks for all listeners at every step
    # from then on. Disposal is told in any case, so the mark that this leaves is taken away, unless it was there.
    had_listeners = "_has_events" in vars(engine)
    event.listen(engine, "engine_disposed", close_all)
    if not had_listeners:
        vars(engine).pop("_has_events", None)

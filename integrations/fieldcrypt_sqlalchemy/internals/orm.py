"""What fieldcrypt reads, and sets, of the ORM: its attributes, sessions and listeners."""

from __future__ import annotations

from collections import deque
from typing import Any

from sqlalchemy.orm import ColumnProperty

from fieldcrypt_sqlalchemy.internals.gate import read

__all__ = ["deletes", "loaded_names", "never_defer", "put_last"]


def loaded_names(context: Any) -> Any:
    """Return the names of the attributes that are loaded, if they are loaded by name."""
    return read(context.compile_state.compile_options, "_only_load_props")


def deletes(session: Any) -> bool:
    """Return True if objects of a session are to be deleted."""
    return bool(read(session, "_deleted"))


def never_defer(prop: ColumnProperty[Any]) -> None:
    """Have an attribute loaded with its row even if it was declared as deferred."""
    prop.deferred = False
    prop.strategy_key = (("deferred", False), ("instrument", True))


def put_last(listeners: Any, listener: Any) -> None:
    """Put a listener last in a collection, whose list is replaced: other threads may be iterating over it."""
    present = read(listeners, "listeners")
    if present[-1] != listener:
        listeners.listeners = deque([*(each for each in present if each != listener), listener])

"""What fieldcrypt reads, and sets, of the ORM: its attributes, sessions and listeners."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ColumnProperty, Mapper
from sqlalchemy.orm.attributes import instance_state

from fieldcrypt_sqlalchemy.internals.gate import read

__all__ = ["deletes", "listen_last", "loaded_names", "never_defer", "restore_order"]

_LAST = "fieldcrypt_last"  # noted in the info of a class's manager: names of events, and listeners that come last


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


def listen_last(mapper: Mapper[Any], name: str, listener: Callable[..., Any]) -> None:
    """Listen to an event of a mapper, and come last from the next flush on (`restore_order`).

    Args:
        mapper: the class's.
        name: of an event that takes listeners which return a value.
        listener: takes states, and returns `EXT_CONTINUE`.
    """
    event.listen(mapper, name, listener, raw=True, retval=True)
    mapper.class_manager.info.setdefault(_LAST, []).append((name, listener))


def restore_order(session: Any, *_: Any) -> None:
    """Put listeners last again when a flush begins, if others were added after them.

    Another thread may be in a flush, or do the same: the lists are replaced, and never changed.
    """
    for manager in {instance_state(each).manager for each in (*session.new, *session.dirty)}:
        for name, listener in manager.info.get(_LAST, ()):
            _put_last(getattr(manager.mapper.dispatch, name), listener)


def _put_last(listeners: Any, listener: Any) -> None:
    """Put a listener last in a collection, whose list is replaced: other threads may be iterating over it."""
    present = read(listeners, "listeners")
    if present[-1] != listener:
        listeners.listeners = deque([*(each for each in present if each != listener), listener])

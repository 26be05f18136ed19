"""Listeners that come after everybody else's, whenever those were added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import instance_state

from fieldcrypt_sqlalchemy.internals.orm import put_last

__all__ = ["listen_last", "restore_order"]

_LAST = "fieldcrypt_last"  # noted in the info of a class's manager: names of events, and listeners that come last


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
            put_last(getattr(manager.mapper.dispatch, name), listener)

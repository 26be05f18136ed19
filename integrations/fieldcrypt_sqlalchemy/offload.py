"""Keeps work that may wait out of the event loop, and checks that functions get the Session that this needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

__all__ = ["can_await", "check_session", "in_thread"]

T = TypeVar("T")


def can_await() -> bool:
    """Return True if SQLAlchemy's asyncio extension called, which alone needs greenlet."""
    return sys.modules.get("greenlet") is not None and in_greenlet()


def check_session(function: str, session: Any) -> None:
    """Refuse what is not a Session, in the first place of a function's arguments.

    Raises:
        TypeError: it is an AsyncSession, or the arguments are in another order.
    """
    if not isinstance(session, (Session, scoped_session)):
        raise TypeError(
            f"{function} takes a Session and a statement, not {type(session).__name__} first: {function}(session, "
            f"statement). With an AsyncSession: await session.run_sync({function}, statement)"
        )


def in_thread(work: Callable[[], T]) -> T:
    """Do work in a thread if SQLAlchemy's asyncio extension called, so that its event loop goes on; else in place."""
    return await_only(asyncio.to_thread(work)) if can_await() else work()

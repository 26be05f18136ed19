"""Work that may have to wait, out of the event loop's way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

__all__ = ["can_await", "in_thread"]

T = TypeVar("T")


def can_await() -> bool:
    """Say whether SQLAlchemy's asyncio extension called; without greenlet, which only that needs, it has not."""
    return sys.modules.get("greenlet") is not None and in_greenlet()


def in_thread(work: Callable[[], T]) -> T:
    """Do work in a thread if SQLAlchemy's asyncio extension called, so that its event loop goes on; else in place."""
    return await_only(asyncio.to_thread(work)) if can_await() else work()

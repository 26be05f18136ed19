"""Work that may have to wait, out of the event loop's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

__all__ = ["in_thread"]

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> T:
    """Do work in a thread if SQLAlchemy's asyncio extension called, so that its event loop goes on; else in place."""
    return await_only(asyncio.to_thread(work)) if in_greenlet() else work()

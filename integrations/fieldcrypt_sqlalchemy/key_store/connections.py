"""The key store's own connections, over drivers of both kinds."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, TimeoutError

from fieldcrypt_sqlalchemy.key_store.engine_disposal import close_with
from fieldcrypt_sqlalchemy.key_store.own_loop import OwnLoop
from fieldcrypt_sqlalchemy.key_store.own_pool import OwnPool, traits

__all__ = ["Connections", "is_conflict", "is_duplicate"]

_PATIENCE = 30.0  # seconds to wait for one of the connections, as SQLAlchemy's pools do

# What databases say of transactions that got in each other's way, one of which has to give in.
# SQLSTATE: serialization failure, deadlock; MySQL: record has changed since last read, deadlock.
_CONFLICTS: frozenset[object] = frozenset({"40001", "40P01", 1020, 1213})
_DUPLICATES: frozenset[object] = frozenset({"23505"})

T = TypeVar("T")


class Connections:
    """Connections like an engine's, for calls that come from any thread.

    They are opened when they are needed, also after they were closed, and are closed with the engine. They are made
    again when the engine got other listeners or options than they were made with.

    Args:
        engine: whose pool, dialect, listeners and options to copy.
        most: how many there are at most at one time.
    """

    def __init__(self, engine: Engine, most: int) -> None:
        self._template = engine
        self._most = most
        self._opened: OwnPool | OwnLoop | None = None
        self._reset()
        close_with(engine, self)

    def _reset(self) -> None:
        self._changing = Lock()
        self._free = BoundedSemaphore(self._most)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What `run` raises when the database cannot be used.

        Over asyncio also what it, and in SQLAlchemy 2.0 asyncpg, raises while it connects, which is passed on as it is.
        """
        dialect: Any = self._template.dialect
        if not dialect.is_async:
            return (SQLAlchemyError,)
        driver = getattr(dialect.loaded_dbapi, dialect.driver, None)
        of_asyncpg = [getattr(driver, name) for name in ("PostgresError", "InterfaceError") if hasattr(driver, name)]
        return (SQLAlchemyError, OSError, *of_asyncpg)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, having committed what it did with one of the connections."""
        free = self._free
        if not free.acquire(timeout=_PATIENCE):
            raise TimeoutError(f"all of its {self._most} connections were in use for {_PATIENCE:.0f} seconds")
        try:
            with self._in_use() as opened:
                return opened.run(work)
        finally:
            free.release()

    def close(self) -> None:
        """Close the connections, those in use as soon as they are not. The next call opens new ones."""
        with self._changing:
            retired = self._retire()
        if retired is not None:
            retired.close()
            retired.wait()

    def leave_to_parent(self) -> None:
        """Forget the connections without touching them, in a forked child."""
        if self._opened is not None:
            self._closing.detach()
            _of_parents.append(self._opened)
            self._opened = None
        self._reset()

    @contextmanager
    def _in_use(self) -> Iterator[OwnPool | OwnLoop]:
        """Keep what is opened from being closed under a call that uses it."""
        now, retired = traits(self._template), None
        with self._changing:
            if self._opened is not None and self._opened.traits != now:
                retired = self._retire()
            if self._opened is None:
                self._opened = (OwnLoop if self._template.dialect.is_async else OwnPool)(self._template)
                self._closing = weakref.finalize(self, self._opened.close)
                self._closing.atexit = False  # the process takes threads and sockets with it
            opened = self._opened
            opened.users += 1
        if retired is not None:
            retired.close()
        try:
            yield opened
        finally:
            with self._changing:
                opened.users -= 1
                last = opened is not self._opened and not opened.users
            if last:
                opened.close()

    def _retire(self) -> OwnPool | OwnLoop | None:
        """Take what is opened, and return it if it is not in use."""
        opened, self._opened = self._opened, None
        if opened is None:
            return None
        self._closing.detach()
        return None if opened.users else opened


# A child shares sockets, and the selector of an event loop, with its parent. To close them there could end the parent's
# connections, or stop its loop from being told of anything; and Python closes when the last reference goes.
_of_parents: list[OwnPool | OwnLoop] = []


def is_conflict(error: BaseException | None) -> bool:
    """Return True if a transaction was undone because another one was in its way."""
    return any(code in _CONFLICTS for code in _codes(error))


def is_duplicate(error: BaseException | None) -> bool:
    """Return True if a row was refused because there is one with its key."""
    return isinstance(error, IntegrityError) or any(code in _DUPLICATES for code in _codes(error))


def _codes(error: BaseException | None) -> Iterator[object]:
    """Yield what a database said, as SQLSTATE or as MySQL's number; a driver may be wrapped in another one."""
    driver: Any = error.orig if isinstance(error, DBAPIError) else error
    while driver is not None:
        yield getattr(driver, "sqlstate", None) or getattr(driver, "pgcode", None)
        yield driver.args[0] if driver.args and isinstance(driver.args[0], int) else None
        driver = driver.__cause__

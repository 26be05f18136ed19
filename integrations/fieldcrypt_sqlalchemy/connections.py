"""The key store's own connections, over drivers of both kinds."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

__all__ = ["AsyncConnections", "Connections", "SyncConnections"]

T = TypeVar("T")


class Connections(Protocol):
    """A pool like an engine's, for calls that come from any thread."""

    def run(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, having committed what it did with a connection of the pool."""
        ...

    def start_anew(self) -> None:
        """Leave the connections to the parent; in a forked child."""
        ...

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What `run` raises when the database cannot be used."""
        ...


class SyncConnections:
    """Connections of an ordinary driver.

    Args:
        engine: whose pool, dialect and options to copy.
    """

    errors: tuple[type[Exception], ...] = (SQLAlchemyError,)

    def __init__(self, engine: Engine) -> None:
        self._engine = _like(engine)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do the work in the thread that calls."""
        with self._engine.begin() as connection:
            return work(connection)

    def start_anew(self) -> None:
        """Leave the connections to the parent; in a forked child."""
        self._engine.dispose(close=False)


class AsyncConnections:
    """Connections of an asyncio driver, which work in the event loop that opened them, and nowhere else.

    So they get an event loop of their own, in a thread of its own, at first use. Whoever calls is held up, also when
    it is a thread with another event loop. Loop and thread end when nobody holds this object any more.

    Args:
        engine: whose pool, dialect and options to copy.
    """

    def __init__(self, engine: Engine) -> None:
        self._template = _like(engine)
        self._starting = threading.Lock()
        self._loop: _OwnLoop | None = None

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Also what asyncio, and in SQLAlchemy 2.0 asyncpg, raises while it connects, which is passed on as it is."""
        dialect: Any = self._template.dialect
        driver = getattr(dialect.loaded_dbapi, dialect.driver, None)
        of_asyncpg = [getattr(driver, name) for name in ("PostgresError", "InterfaceError") if hasattr(driver, name)]
        return (SQLAlchemyError, OSError, *of_asyncpg)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do the work in the loop's thread, and wait for it."""
        return self._started().run(work)

    def start_anew(self) -> None:
        """Leave loop and connections to the parent, as they are; in a forked child, where the loop's thread is not."""
        self._starting = threading.Lock()
        if self._loop is not None:
            self._closing.detach()
            _of_parents.append(self._loop)
            self._loop = None

    def _started(self) -> _OwnLoop:
        with self._starting:
            if self._loop is None:
                self._loop = _OwnLoop(_like(self._template))
                self._closing = weakref.finalize(self, self._loop.close)
                self._closing.atexit = False  # the process takes thread and sockets with it
            return self._loop


# An event loop shares its selector with the parent that it came from: to close the loop, or a connection in it, would
# stop the parent's from being told of anything. Python does either when the last reference goes.
_of_parents: list[_OwnLoop] = []


class _OwnLoop:
    """An event loop that runs in a thread of its own until it is closed."""

    def __init__(self, engine: Engine) -> None:
        from sqlalchemy.ext.asyncio import AsyncEngine  # here, for those who have no greenlet

        self._engine = AsyncEngine(engine)
        # Not uvloop, should that be the default: it does not get over a fork.
        self._loop = asyncio.SelectorEventLoop()
        self._closed = asyncio.Event()
        threading.Thread(target=self._serve, name="fieldcrypt key store", daemon=True).start()

    def run(self, work: Callable[[Connection], T]) -> T:
        return asyncio.run_coroutine_threadsafe(self._work(work), self._loop).result()

    def close(self) -> None:
        """Have the thread close the connections and end, without waiting for it: this may be that thread."""
        self._loop.call_soon_threadsafe(self._closed.set)

    async def _work(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        await self._closed.wait()
        await self._engine.dispose()


def _like(engine: Engine) -> Engine:
    """Return an engine with a pool of its own, and no connection in it."""
    own = Engine(engine.pool.recreate(), engine.dialect, engine.url)
    return own.execution_options(**engine.get_execution_options())

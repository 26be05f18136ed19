"""An event loop for the key store's connections, over drivers that need one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

from fieldcrypt_sqlalchemy.key_store.own_pool import like, traits

__all__ = ["OwnLoop"]

_PATIENCE = 5.0  # seconds to wait for connections to be closed, which a server that is away may never do

T = TypeVar("T")


class OwnLoop:
    """Connections of an asyncio driver, which work in the event loop that opened them, and nowhere else.

    So they get an event loop of their own, in a thread of its own. The caller is held up, also when it is a thread
    with another event loop.

    Attributes:
        traits: of the engine when they were made.
        users: calls that use them at the moment.

    Args:
        engine: whose pool, dialect and options to copy.
    """

    def __init__(self, engine: Engine) -> None:
        from sqlalchemy.ext.asyncio import AsyncEngine  # here, for those who have no greenlet

        self.traits = traits(engine)
        self.users = 0
        self._engine = AsyncEngine(like(engine))
        # Not uvloop, should that be the default: it does not get over a fork.
        self._loop = asyncio.SelectorEventLoop()
        self._closed = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="fieldcrypt key store", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do the work in the loop's thread, wait for it, and return what it returns, having committed what it did."""
        return asyncio.run_coroutine_threadsafe(self._work(work), self._loop).result()

    def close(self) -> None:
        """Have the thread close the connections and end, without waiting for it."""
        self._loop.call_soon_threadsafe(self._closed.set)

    def wait(self) -> None:
        """Wait until connections and thread have ended, for a few seconds at most."""
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)

    async def _work(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        await self._closed.wait()
        await self._engine.dispose()

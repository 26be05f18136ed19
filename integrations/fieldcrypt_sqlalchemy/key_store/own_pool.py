"""A pool of connections like an engine's, for the key store alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import NullPool
from sqlalchemy.pool.events import PoolEvents

__all__ = ["OwnPool", "like", "traits"]

_POOL_EVENTS = [name for name, value in vars(PoolEvents).items() if inspect.isfunction(value) and name[0] != "_"]

T = TypeVar("T")


class OwnPool:
    """Connections of an ordinary driver, which work in the thread that calls.

    Attributes:
        traits: of the engine when they were made.
        users: calls that use them at the moment.

    Args:
        engine: whose pool, dialect and options to copy.
    """

    def __init__(self, engine: Engine) -> None:
        self.traits = traits(engine)
        self.users = 0
        self._engine = like(engine)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, having committed what it did."""
        with self._engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def wait(self) -> None:
        """Wait until they are closed: they are when `close` returns."""


def traits(engine: Engine) -> tuple[Any, ...]:
    """Return what connections of an engine depend on and can change: its pool's listeners, and its options.

    Those who listen to `do_connect` are not among them: they are the dialect's, which is shared.
    """
    dispatch: Any = engine.pool.dispatch
    return *(tuple(getattr(dispatch, name)) for name in _POOL_EVENTS), dict(engine.get_execution_options())


def like(engine: Engine) -> Engine:
    """Return an engine with a pool of its own and no connection in it, whose connections are tested before each use.

    The application's own pool is used at every moment, and this one once in minutes: if a server or a proxy closes idle
    connections, it is these.
    """
    pool = engine.pool.recreate()
    if not isinstance(pool, NullPool):  # whose connections are never idle
        event.listen(pool, "checkout", _test(engine.dialect), insert=True)
    own = Engine(pool, engine.dialect, engine.url)
    return own.execution_options(**engine.get_execution_options())


def _test(dialect: Any) -> Callable[..., None]:
    def test(connection: Any, *_: Any) -> None:
        try:
            dead = not dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            # Any other error is no reason to leave it: a driver that follows failovers says so that it did.
            dead = dialect.is_disconnect(error, connection, None)
        if dead:
            raise DisconnectionError  # upon which the pool opens another one

    return test

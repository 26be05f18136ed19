"""What the database servers of a test run have in common, and what their replicas can do."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Row, create_engine
from sqlalchemy.pool import NullPool

from tests.support.doubles import PATIENCE

HOST = "127.0.0.1"
NOBODY = 65534


class Service(ABC):
    """Something on loopback with a temporary directory: started on entry, stopped and removed on exit.

    Attributes:
        directory: all that it writes.
        port: where it listens.
    """

    directory: Path
    port: int

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix=f"fieldcrypt-{type(self).__name__.lower()}-"))
        self.port = _free_port()
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        try:
            self._stop()
        finally:
            shutil.rmtree(self.directory)

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _stop(self) -> None:
        """Stop what runs, if anything does."""


class Server(Service):
    """A database server, never run as root."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The SQLAlchemy URL of the database for an application."""

    @property
    @abstractmethod
    def _admin_url(self) -> str:
        """The SQLAlchemy URL for one who may do everything."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once, whatever it is doing, as `kill -9` does, for the rest of the test."""

    def sql(self, *statements: str) -> Sequence[Row[Any]]:
        """Do statements, each in a transaction of its own, as one who may do everything; return the last one's rows."""
        engine = create_engine(self._admin_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            results = [connection.exec_driver_sql(statement) for statement in statements]
            return results[-1].all() if results[-1].returns_rows else []


class Replica(Server):
    """A server that follows another one, its primary, and refuses to be written to."""

    @abstractmethod
    def catch_up(self) -> None:
        """Wait until all can be read here that was committed there before."""

    @abstractmethod
    def pause(self) -> None:
        """Let no further changes be seen, though they arrive: the replica lags behind."""

    @abstractmethod
    def resume(self) -> None:
        """Let them be seen again."""

    @abstractmethod
    def cut_off(self) -> None:
        """Receive no further changes: what the primary commits from now on, it alone has."""

    @abstractmethod
    def promote(self) -> None:
        """Become a server of its own that can be written to, with all that has arrived. The primary may be gone."""


def is_root() -> bool:
    """Return True if the test run is root's, as it often is in a container; servers refuse to run so."""
    return os.geteuid() == 0


def not_as_root() -> dict[str, Any]:
    """Return the arguments by which a subprocess is not root's."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if is_root() else {}


def until(condition: Callable[[], object], what: str) -> None:
    """Return when a condition holds, or fail and say what did not happen."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.01)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port

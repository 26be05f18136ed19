"""One call for many callers who want the same thing at the same time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Event, Lock, get_ident
from typing import Generic, TypeVar

__all__ = ["SingleFlight"]

T = TypeVar("T")


class _Flight(Generic[T]):
    """Work that one thread does and others wait for. It lands with a result or an exception, or is abandoned."""

    __slots__ = ("error", "landed", "result", "thread")

    def __init__(self) -> None:
        self.landed = Event()
        self.thread = get_ident()
        self.result: list[T] = []
        self.error: Exception | None = None


class SingleFlight(Generic[T]):
    """The first caller of a key does the work; callers that arrive meanwhile wait and share its result or exception."""

    __slots__ = ("_flights", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()
        self._flights: dict[Hashable, _Flight[T]] = {}

    def run(self, key: Hashable, work: Callable[[], T]) -> T:
        """Return what `work` returns. The work should first check whether it is still needed.

        Raises:
            RuntimeError: the work asks for itself, as when an observer of its events uses the Encryptor.
        """
        while True:
            with self._lock:
                flight = self._flights.get(key)
                if flight is None:
                    mine = self._flights[key] = _Flight()
                    break
            if flight.thread == get_ident():
                raise RuntimeError("an observer, key provider or key store uses the Encryptor that is calling it")
            flight.landed.wait()
            if flight.result:
                return flight.result[0]
            if flight.error is not None:
                raise _copied_error(flight.error)
            # Abandoned: a KeyboardInterrupt or the like stopped the thread. One of the waiting callers takes over.
        try:
            result = work()
            mine.result.append(result)
            return result
        except Exception as error:
            mine.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            mine.landed.set()


def _copied_error(error: Exception) -> Exception:
    """Return a copy: an exception raised in several threads would collect the frames and contexts of all of them."""
    kind = type(error)
    duplicate = kind.__new__(kind, *error.args)
    duplicate.__dict__.update(error.__dict__)
    duplicate.__cause__ = error.__cause__
    return duplicate

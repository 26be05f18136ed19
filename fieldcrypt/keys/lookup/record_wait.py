"""Key records that arrive after the values that need them, as can happen where tables are replicated separately."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from fieldcrypt import _system
from fieldcrypt._base.backoff import Backoff
from fieldcrypt._base.remembered import Remembered
from fieldcrypt._base.single_flight import SingleFlight
from fieldcrypt.errors import KeyNotFoundError, KeyShreddedError
from fieldcrypt.events import Event, EventKind, Events

__all__ = ["RecordWait"]

K = TypeVar("K")

FIRST_PAUSE = 0.05  # seconds; each further one is twice as long
REST = 30.0  # after a fruitless wait of 2 seconds, no waits for a minute
NOT_AGAIN = 1.0  # seconds in which a missing record is not asked for again, except to wait for it
_REMEMBERED = 1_000  # key ids whose records never arrived


class RecordWait(Generic[K]):
    """Asks again, for a bounded time, for records that are not there yet; callers that need the same one share a wait.

    Waits that fail are limited for all records together, and a key id that never arrived is not waited for again: an
    attacker can invent such ids for free.

    Args:
        wait: how long, in seconds.
        events: where to report late and missing records.
    """

    def __init__(self, wait: float, events: Events) -> None:
        self._wait = wait
        self._events = events
        self._backoff = Backoff(REST)
        self._missing: OrderedDict[bytes, None] = OrderedDict()
        self._absent: Remembered[bytes, str] = Remembered(NOT_AGAIN, _REMEMBERED)  # messages about missing records
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()
        self._flights: SingleFlight[K] = SingleFlight()

    def get(self, key_id: bytes, ask: Callable[[], K], asking: Hashable = None) -> K:
        """Return what `ask` returns, asking again while that may help.

        Args:
            key_id: of the record.
            ask: asks for it.
            asking: callers with equal ones may share an answer; default: the key id.

        Raises:
            KeyNotFoundError: there is no such record, or it was not waited for; the message says which.
            As `ask`.
        """
        missing = self._absent.get(key_id)
        if missing is None:
            try:
                return ask()
            except KeyShreddedError:
                raise
            except KeyNotFoundError as error:
                if not self._wait:
                    raise
                missing = str(error)
                self._absent.put(key_id, missing)
        if key_id in self._missing or self._backoff.active:
            raise KeyNotFoundError(
                f"{missing}. If it is new, its record may still be on its way, but it was not waited for: recent waits "
                "for missing records were fruitless"
            )
        return self._flights.run(asking or key_id, lambda: self._ask_again(key_id, ask, missing))

    def _ask_again(self, key_id: bytes, ask: Callable[[], K], missing: str) -> K:
        started, pause = _system.monotonic(), FIRST_PAUSE
        while (left := started + self._wait - _system.monotonic()) > 0:
            _system.sleep(min(pause, left))
            pause *= 2
            try:
                found = ask()
            except KeyShreddedError:
                raise
            except KeyNotFoundError as error:
                missing = str(error)
            else:
                self._events.report(Event(EventKind.KEY_LATE, key_id.hex(), seconds=_system.monotonic() - started))
                return found
        waited = _system.monotonic() - started
        self._give_up(key_id)
        self._events.report(Event(EventKind.KEY_MISSING, key_id.hex(), seconds=waited, cause=missing))
        raise KeyNotFoundError(f"{missing}. Its record may not have been replicated to here yet: waited {waited:.1f} s")

    def _give_up(self, key_id: bytes) -> None:
        self._backoff.failed_after(self._wait)
        with self._lock:
            self._missing[key_id] = None
            while len(self._missing) > _REMEMBERED:
                self._missing.popitem(last=False)

"""Events of keys, for monitoring: an observer, the log `fieldcrypt`, and counters.

No event holds plaintext or key material: only key ids, tenants, regions, times and error messages, all of which
CloudTrail or the key store show as well.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from threading import Lock
from typing import NamedTuple, Protocol, TypeVar

from fieldcrypt import _system
from fieldcrypt.counting.value_stats import NO_VALUES, ValuesByTenant

__all__ = ["CallStats", "Event", "EventKind", "Events", "Observer", "Stats", "report"]

T = TypeVar("T")


class EventKind(enum.StrEnum):
    """The kinds of events."""

    CACHE_HIT = "cache_hit"  # a field asked for a data key that was live; prepared fields do not even ask
    CACHE_MISS = "cache_miss"
    KMS_CALL = "kms_call"  # one request to a key service: place, operation, seconds, and a cause if it failed
    KEY_UNWRAPPED = "key_unwrapped"
    KEY_CREATED = "key_created"
    KEY_ROTATED = "key_rotated"  # a new key will follow the one named
    KEY_REWRAPPED = "key_rewrapped"
    KEY_REPAIRED = "key_repaired"
    KEY_SHREDDED = "key_shredded"
    FAILED_OVER = "failed_over"  # a place other than the first one served
    WRAP_MISSING = "wrap_missing"  # a data key was made without a wrap under this wrapping key
    KEY_UNCONFIRMED = "key_unconfirmed"  # store or provider cannot be reached; going on with what is live
    KEY_LATE = "key_late"  # the record of a value's key arrived after the value, and was waited for: seconds
    KEY_MISSING = "key_missing"  # it was waited for and did not arrive; not reported if it was not waited for
    KEY_LOST = "key_lost"  # it was shredded elsewhere, or the store lost it and never took it back
    RECORD_PUT_BACK = "record_put_back"  # the key store had lost the record of a live key, and has it again
    ROTATION_FAILED = "rotation_failed"
    RECORD_REFUSED = "record_refused"  # a record in the key store is not authentic
    DENIED = "denied"
    VALUE_REFUSED = "value_refused"  # a value does not decrypt, or not to what it should be: the place is its field
    CANARY_READ = "canary_read"  # somebody decrypts a canary, or tries to: the place is its field
    PLAINTEXT_READ = "plaintext_read"  # a field that accepts plaintext for now read some: the place is its name
    OLD_VALUE_READ = "old_value_read"  # likewise, a value of another scheme or of a previous declaration


_DEBUG = {
    EventKind.CACHE_HIT,
    EventKind.CACHE_MISS,
    EventKind.KMS_CALL,
    EventKind.KEY_UNWRAPPED,
    EventKind.PLAINTEXT_READ,
    EventKind.OLD_VALUE_READ,
}
_ERROR = {EventKind.DENIED, EventKind.RECORD_REFUSED, EventKind.VALUE_REFUSED, EventKind.CANARY_READ}
_WARNING = {
    EventKind.FAILED_OVER,
    EventKind.WRAP_MISSING,
    EventKind.KEY_UNCONFIRMED,
    EventKind.KEY_MISSING,
    EventKind.KEY_LOST,
    EventKind.RECORD_PUT_BACK,
    EventKind.ROTATION_FAILED,
}


class Event(NamedTuple):
    """An event.

    Attributes:
        kind: what happened.
        key_id: the data key, 32 hexadecimal digits.
        tenant: whose key it is.
        place: where it happened: a region, the name of a wrapping key, or a field.
        operation: of the key service.
        seconds: how long it took.
        cause: the error message.
    """

    kind: EventKind
    key_id: str | None = None
    tenant: str | None = None
    place: str | None = None
    operation: str | None = None
    seconds: float | None = None
    cause: str | None = None


class Observer(Protocol):
    """Called with every event, in the thread where it happens: it should be quick, and must not use the Encryptor."""

    def __call__(self, event: Event, /) -> object:
        """Handle an event. An exception is logged, and affects nothing else."""
        ...


class CallStats(NamedTuple):
    """Requests to a key service in one place.

    Attributes:
        calls: how many.
        failures: how many of them failed, refusals included.
        seconds: how long they took together.
    """

    calls: int = 0
    failures: int = 0
    seconds: float = 0.0


class Stats(NamedTuple):
    """Counts since the process began, or forked.

    Attributes:
        events: how often each kind of event happened, by its name.
        calls: requests to the key service, by place.
        live_keys: data keys that are unwrapped now.
        values: values by field and tenant, if the Encryptor counts them; see `Encryptor`.
    """

    events: dict[str, int]
    calls: dict[str, CallStats]
    live_keys: int
    values: ValuesByTenant = NO_VALUES


class Events:
    """Collects and passes on the events of one Encryptor.

    Args:
        observer: is called with all of them.
    """

    __slots__ = ("__weakref__", "_calls", "_counts", "_lock", "_observer")

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self.reset()
        _system.call_after_fork(self.reset)

    def reset(self) -> None:
        """Start counting again, with a new lock."""
        self._lock = Lock()
        self._counts: Counter[EventKind] = Counter()
        self._calls: dict[str, CallStats] = {}

    def report(self, event: Event) -> None:
        """Count an event, log it, and pass it to the observer."""
        with self._lock:
            self._counts[event.kind] += 1
            if event.kind is EventKind.KMS_CALL and event.place is not None:
                calls, failures, seconds = self._calls.get(event.place, CallStats())
                self._calls[event.place] = CallStats(
                    calls + 1, failures + (event.cause is not None), seconds + (event.seconds or 0.0)
                )
        _log(event)
        if self._observer is not None:
            try:
                self._observer(event)
            except Exception as error:  # noqa: BLE001 (a broken dashboard must not stop encryption)
                import logging  # as in _log

                logging.getLogger("fieldcrypt").error("the observer of events failed: %s", type(error).__name__)

    def watch(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; the events that key providers and stores report meanwhile come here."""
        token = _current.set(self)
        try:
            return work()
        finally:
            _current.reset(token)

    def stats(self, live_keys: int, values: ValuesByTenant = NO_VALUES) -> Stats:
        """Return the counts."""
        with self._lock:
            counts = {kind.value: count for kind, count in self._counts.items()}
            return Stats(counts, dict(self._calls), live_keys, values)


_current: ContextVar[Events | None] = ContextVar("fieldcrypt_events", default=None)


def report(event: Event) -> None:
    """Report an event to the Encryptor that this thread works for: for key providers and key stores."""
    events = _current.get()
    if events is None:
        _log(event)
    else:
        events.report(event)


def _log(event: Event) -> None:
    import logging  # here, because it would be a fifth of the time of `import fieldcrypt`

    if event.kind in _DEBUG:
        level = logging.DEBUG
    elif event.kind in _ERROR:
        level = logging.ERROR
    else:
        level = logging.WARNING if event.kind in _WARNING else logging.INFO
    logger = logging.getLogger("fieldcrypt")
    if logger.isEnabledFor(level):
        known = {name: value for name, value in event._asdict().items() if value is not None and name != "kind"}
        details = " ".join(
            f"{name}={value:.3f}" if isinstance(value, float) else f"{name}={value!r}"  # quoted: no forged log lines
            for name, value in known.items()
        )
        logger.log(level, "%s %s", event.kind.value, details, extra={"event": event.kind.value, **known})

"""An observer that remembers, and an Encryptor that it watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from fieldcrypt import Encryptor, Field, KeyPolicy, WrappedKey
from fieldcrypt.events import Event, EventKind, report
from tests.support.doubles import CountingProvider, RowStore

SSN = "078-05-1120"
TTL = 900.0
POLICY = KeyPolicy()


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        """What happened since this was last asked."""
        seen = [event.kind.value for event in self.events]
        self.events.clear()
        return seen

    def of(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]


class ReportingProvider(CountingProvider):
    """A local key provider that reports its calls, as a key service's does."""

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        report(Event(EventKind.KMS_CALL, place="here", operation="Encrypt", seconds=0.5))
        return super().wrap(data_key, context)

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        report(Event(EventKind.KMS_CALL, place="here", operation="Decrypt", seconds=0.25))
        return super().unwrap(wraps, context)


@pytest.fixture
def recorder() -> Recorder:
    """Sees all events of one Encryptor."""
    return Recorder()


@pytest.fixture
def encryptor(provider: CountingProvider, rows: RowStore, recorder: Recorder) -> Encryptor:
    """An Encryptor that is watched."""
    return Encryptor(provider, rows, policy=POLICY, observer=recorder)


@pytest.fixture
def field(encryptor: Encryptor) -> Field[str]:
    """A field of that Encryptor."""
    return encryptor.field("a.b", str)

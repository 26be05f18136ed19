"""A process that tags and searches, and how long its index keys take to follow each other."""

from __future__ import annotations

from datetime import timedelta

from fieldcrypt import BlindIndex, Encryptor, Event, EventKind, KeyPolicy, KeyRecord, Purpose
from fieldcrypt.keys.index.choice import settling_time
from tests.support.doubles import CountingProvider, RowStore

EMAIL = "ann@example.org"
DELAY, TTL, GRACE = 300.0, 900.0, 3600.0
POLICY = KeyPolicy(
    cache_ttl=timedelta(seconds=TTL), grace=timedelta(seconds=GRACE), propagation_delay=timedelta(seconds=DELAY)
)
SETTLING = settling_time(POLICY).total_seconds()
GROWN_UP = 2 * DELAY + 61  # the age at which a tenant's first key is alone, or never will be
INDEX = Purpose.BLIND_INDEX


class Process:
    """What stands for a process of its own: an Encryptor with a cache of its own, an index and a log of events."""

    def __init__(self, provider: CountingProvider, store: RowStore) -> None:
        self.events: list[Event] = []
        self.encryptor = Encryptor(provider, store, policy=POLICY, observer=self.events.append)
        self.index: BlindIndex[str] = self.encryptor.blind_index("a.b")

    def tag(self, tenant: str | None = "a") -> bytes:
        return self.index.tag(EMAIL, tenant=tenant)

    def tags(self, tenant: str | None = "a") -> list[bytes]:
        return self.index.tags(EMAIL, tenant=tenant)

    def rotate(self) -> bytes:
        return self.encryptor.data_keys.rotate("a", INDEX).key_id

    def retire(self) -> list[KeyRecord]:
        return self.encryptor.data_keys.retire_index_keys("a")

    def told(self, kind: EventKind) -> int:
        return sum(event.kind is kind for event in self.events)

"""A data-key cache per process, as the caching materials manager of aws-encryption-sdk has it: a model.

A writer takes a new data key from KMS for each encryption context (here: each tenant) and uses it until it is too old
or has served too many messages. It shares it with nobody. A value carries its data key; a reader, in the writer's own
process too, has KMS decrypt it and keeps it until it is too old. Both live in one cache of limited capacity, and the
one that was not used for longest goes first, as is documented (version 4 for Python removes the one that was added
first, and makes more calls where the cache is full). Nothing is fetched ahead of time.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from benchmarks.kms.fleet import Fleet
from benchmarks.kms.sample import Sample
from benchmarks.kms.service import Call, Latency

__all__ = ["SdkCache", "SdkPolicy", "simulate_sdk"]


@dataclass(frozen=True, slots=True)
class SdkPolicy:
    """The limits of a cache.

    Attributes:
        max_age: seconds; the same as fieldcrypt's `cache_ttl` unless said otherwise.
        max_messages: encrypted under a data key. The default is the most that the SDK allows.
        capacity: entries. The SDK has no default; this is fieldcrypt's `max_cached_keys`.
    """

    max_age: float = 900.0
    max_messages: int = 2**32
    capacity: int = 10_000


class SdkCache:
    """The cache of one process."""

    def __init__(self, policy: SdkPolicy) -> None:
        self._policy = policy
        self._entries: OrderedDict[Hashable, list[float]] = OrderedDict()  # since when, messages

    def encrypt(self, context: Hashable, now: float) -> bool:
        """Encrypt a message, and say whether that takes a new data key."""
        return not self._find(("encrypt", context), now, 1)

    def decrypt(self, data_key: Hashable, now: float) -> bool:
        """Decrypt a message, and say whether KMS has to decrypt its data key."""
        return not self._find(("decrypt", data_key), now, 0)

    def _find(self, key: Hashable, now: float, messages: int) -> bool:
        entry = self._entries.get(key)
        if entry is not None:
            entry[1] += messages
            if now - entry[0] <= self._policy.max_age and entry[1] <= self._policy.max_messages:
                self._entries.move_to_end(key)
                return True
            del self._entries[key]
        self._entries[key] = [now, messages]
        if len(self._entries) > self._policy.capacity:
            self._entries.popitem(last=False)
        return False


def simulate_sdk(
    fleet: Fleet,
    latency: Latency,
    *,
    processes: int,
    window: float,
    seed: int,
    policy: SdkPolicy | None = None,
    asks: int = 1_000_000,
    uses: int = 10_000_000,
) -> Sample:
    """Simulate some processes of a fleet that all start at the same moment, use by use.

    The processes do not depend on one another: which of the fleet's data keys a value is under follows from its tenant,
    its age and which process wrote it.

    Args:
        fleet, latency, processes, window, seed: as for `simulate_stored`.
        policy: of the caches.
        asks, uses: when there were so many calls, or values, the window ends.
    """
    policy = policy or SdkPolicy(fleet.ttl)
    rng = random.Random(seed)
    writes = [fleet.rate * (1 - fleet.reads) * share for share in fleet.popularity]
    # From one data key of a writer and tenant to the next.
    every = [min(policy.max_age, policy.max_messages / rate) + 1 / rate if rate > 0 else math.inf for rate in writes]
    caches = [SdkCache(policy) for _ in range(processes)]
    calls: list[Call] = []
    now = 0.0
    while len(calls) < asks and uses > 0:
        now += rng.expovariate(fleet.rate * processes)
        if now >= window:
            break
        uses -= 1
        number = rng.randrange(processes)
        tenant = fleet.tenant(rng)
        if rng.random() < fleet.reads:
            written, writer = now - fleet.age(rng), rng.randrange(fleet.processes)
            missing = caches[number].decrypt((tenant, writer, math.floor(written / every[tenant])), now)
            operation, waits = "Decrypt", "read"
        else:
            missing = caches[number].encrypt(tenant, now)
            operation, waits = "GenerateDataKey", "write"
        if missing:
            calls.append(Call(now, number % fleet.regions, operation, latency.draw(rng), tenant, waits))
    watched = min(now, window)
    return Sample(fleet, processes, calls, watched, min(2 * policy.max_age, watched / 2))

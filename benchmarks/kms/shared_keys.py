"""The key store of a simulated fleet: replicated between regions, and full of data keys from before."""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Callable, Iterator, Sequence

from benchmarks.kms.fleet import Fleet
from benchmarks.kms.service import Kms
from benchmarks.kms.virtual_time import VirtualTime
from fieldcrypt import KeyNotFoundError, KeyRecord, KeyStore, Purpose, Tombstone
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import wrap_context

__all__ = ["SharedKeys", "past_record"]


def past_record(kms: Kms, tenant: int, created: float) -> KeyRecord:
    """Make the authentic record of a data key that somebody made in the past, uncounted."""
    data_key = DataKey.generate()
    context = wrap_context(data_key.key_id, Purpose.ENCRYPTION, int(created), str(tenant))
    wrap = kms.keep(data_key.secret, context)
    return data_key.seal(KeyRecord(data_key.key_id, Purpose.ENCRYPTION, int(created), str(tenant), (wrap,)))


class SharedKeys:
    """The data keys of all tenants.

    A tenant begins with those that it would have after `history`: one for each time it was rotated, the last time at
    random or, if `together`, just `rotate_after` before the simulation has gone on for so many seconds. They are made
    when a process first asks for the tenant's.

    Args:
        fleet: whose tenants.
        kms: wraps them.
        time: passes.
        seed: of the times at which tenants were rotated.
        together: when all tenants have to be rotated, in seconds since the beginning, or None.
        on_rotation: called with the tenant and the time from which on a new data key encrypts.
    """

    def __init__(
        self,
        fleet: Fleet,
        kms: Kms,
        time: VirtualTime,
        seed: int,
        together: float | None,
        on_rotation: Callable[[int, float], None],
    ) -> None:
        self._fleet = fleet
        self._kms = kms
        self._time = time
        self._seed = seed
        self._together = together
        self._on_rotation = on_rotation
        self._delay = fleet.policy.propagation_delay.total_seconds()
        self._records: dict[bytes, KeyRecord] = {}
        self._of_tenant: dict[int, list[tuple[int, bytes]]] = {}  # created, key id
        self._arrives: dict[bytes, tuple[float, int]] = {}  # of those made in the simulation: when, in which region

    def at(self, region: int) -> KeyStore:
        """Return what the processes in a region see."""
        return _Replica(self, region)

    def shares(self, tenant: int, now: float) -> list[tuple[bytes, float]]:
        """Return the key ids of a tenant, and the share of its reads that want a value under each."""
        keys = self._keys_of(tenant)
        found = ((key_id, self._share(keys, place, now)) for place, (_, key_id) in enumerate(keys))
        return [(key_id, share) for key_id, share in found if share > 0]

    def share(self, tenant: int, key_id: bytes, now: float) -> float:
        """Return the share of a tenant's reads that want a value under one of its keys."""
        keys = self._keys_of(tenant)
        return next(self._share(keys, place, now) for place, (_, other) in enumerate(keys) if other == key_id)

    def newest(self, tenant: int) -> bytes:
        """Return the key id of the youngest data key."""
        return self._keys_of(tenant)[-1][1]

    def _share(self, keys: list[tuple[int, bytes]], place: int, now: float) -> float:
        start = self._start(keys, place)
        end = self._start(keys, place + 1) if place + 1 < len(keys) else now
        return self._fleet.share_aged(now - end, now - start)

    def _start(self, keys: list[tuple[int, bytes]], place: int) -> float:
        return keys[place][0] + self._delay * (place > 0)  # the first key of a tenant does not wait

    def _keys_of(self, tenant: int) -> list[tuple[int, bytes]]:
        keys = self._of_tenant.get(tenant)
        if keys is None:
            keys = self._of_tenant[tenant] = []
            if self._fleet.history:
                for created in self._rotations(tenant):
                    record = past_record(self._kms, tenant, created)
                    self._records[record.key_id] = record
                    insort(keys, (record.created, record.key_id))
        return keys

    def _rotations(self, tenant: int) -> Iterator[float]:
        every = self._fleet.policy.rotate_after.total_seconds()
        if self._together is None:
            created = self._time.start - random.Random(f"{self._seed} {tenant}").random() * min(
                every, self._fleet.history
            )
        else:
            created = self._time.start + self._together - every
        while True:
            yield created
            if created <= self._time.start - self._fleet.history:
                return
            created -= every

    # What replicas do

    def get(self, key_id: bytes, region: int) -> KeyRecord:
        record = self._records.get(key_id)
        if record is None or not self._is_in(region, key_id):
            raise KeyNotFoundError(f"{key_id.hex()} is not here yet")
        self._time.wait(self._fleet.store_time)
        return record

    def list(self, tenant: int, region: int) -> list[KeyRecord]:
        found = [self._records[key_id] for _, key_id in self._keys_of(tenant) if self._is_in(region, key_id)]
        self._time.wait(self._fleet.store_time)
        return found

    def add(self, record: KeyRecord, region: int) -> None:
        tenant = int(record.tenant or 0)
        keys = self._keys_of(tenant)
        self._time.wait(self._fleet.store_time)
        self._arrives[record.key_id] = self._time.now, region
        self._records[record.key_id] = record
        insort(keys, (record.created, record.key_id))
        first = keys[0][1] == record.key_id
        self._on_rotation(tenant, self._time.now if first else record.created + self._delay)

    def _is_in(self, region: int, key_id: bytes) -> bool:
        arrives = self._arrives.get(key_id)
        return arrives is None or self._time.now >= arrives[0] + self._fleet.lag * (region != arrives[1])


class _Replica:
    """A `KeyStore` as the processes of one region see it."""

    def __init__(self, keys: SharedKeys, region: int) -> None:
        self._keys = keys
        self._region = region

    def get(self, key_id: bytes) -> KeyRecord:
        return self._keys.get(key_id, self._region)

    def add(self, record: KeyRecord | Tombstone) -> None:
        if not isinstance(record, KeyRecord):
            raise NotImplementedError("nobody is shredded here")
        self._keys.add(record, self._region)

    def list(self, tenant: str | None) -> Sequence[KeyRecord]:
        return self._keys.list(int(tenant or 0), self._region)

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        raise NotImplementedError("nothing is rewrapped here")

    def key_ids(self) -> Iterator[bytes]:
        raise NotImplementedError("nobody looks at all of them here")

"""Two regions of a global table, what is true of their keys, and the two clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fieldcrypt import KeyRecord, KeyState, LocalKeyProvider, Purpose, Tombstone, WrappedKey
from fieldcrypt.keys.stores.store import read_record
from tests.keys.key_model.oracle import Known
from tests.support.doubles import CountingProvider, Row, RowStore, outage

__all__ = ["Genuine", "Region", "World"]


class Genuine(NamedTuple):
    """A data key that one of our processes made."""

    tenant: str
    created: int
    record: bytes
    made: float  # when


class Region(RowStore):
    """What processes in one region see: their own writes at once, new records of the other region after a while.

    Attributes:
        claims: by place, when each was written, and what it says.
    """

    keeps_claims = True

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.claims: dict[bytes, tuple[float, bytes]] = {}

    def get_claim(self, place: bytes) -> bytes | None:
        return self.claims.get(place, (0.0, None))[1]

    def put_claim(self, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        if self.get_claim(place) != replacing:
            return False
        self.claims[place] = (self._world.now, claim)
        self._world.claimed(self, place)
        return True

    def add(self, record: KeyRecord | Tombstone) -> None:
        super().add(record)
        self._world.made(self, record)

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        replaced = super().replace(old, new)
        if replaced:
            self._world.changed(self, new.key_id)
        return replaced


class World:
    """Everything that is not a process.

    Attributes:
        now: both clocks.
        regions: two.
        genuine: the data keys that were ever made, by key id.
        rows, claims: all that there ever were, for whoever puts one back.
        down: regions whose key service cannot be reached.
        lag: how long the next new record takes to the other region.
    """

    def __init__(self, delay: int) -> None:
        self.now = 1_800_000_000
        self.delay = delay
        self.lag = 0
        self.regions = (Region(self), Region(self))
        self.genuine: dict[bytes, Genuine] = {}
        self.rows: list[tuple[bytes, Row]] = []
        self.claims: list[bytes] = []
        self.down: set[int] = set()
        self._key = LocalKeyProvider.generate()
        self._claims_on_their_way: list[tuple[float, Region, bytes]] = []  # likewise, of places
        self._on_their_way: list[tuple[float, Region, bytes]] = []  # when they arrive, where from

    def made(self, region: Region, record: KeyRecord | Tombstone) -> None:
        """Note a new record, and send it on its way; a tombstone may be new too, where somebody deleted the record."""
        assert record.tenant is not None
        if isinstance(record, KeyRecord):
            genuine = Genuine(record.tenant, record.created, record.to_bytes(), self.now)
            assert self.genuine.setdefault(record.key_id, genuine).record == genuine.record  # or put back as it was
        self.rows.append((record.key_id, region.rows[record.key_id]))
        self._on_their_way.append((self.now + self.lag, region, record.key_id))
        self._deliver()

    def changed(self, region: Region, key_id: bytes) -> None:
        """Have the other region see a change, if it has the record; else it comes with the record."""
        self.rows.append((key_id, region.rows[key_id]))
        other = self._other(region)
        if key_id in other.rows:
            other.rows[key_id] = region.rows[key_id]

    def claimed(self, region: Region, place: bytes) -> None:
        """Send a claim on its way."""
        self.claims.append(region.claims[place][1])
        self._claims_on_their_way.append((self.now + self.lag, region, place))
        self._deliver()

    def advance(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds
        self._deliver()

    def authentic(self, region: int, tenant: str) -> list[Known]:
        """What the records of a tenant say in a region, of those that are as they were made."""
        found = []
        for key_id, row in self.regions[region].rows.items():
            genuine = self.genuine.get(key_id)
            if genuine is not None and row.record == genuine.record and row.tenant == genuine.tenant == tenant:
                found.append(Known(genuine.created, key_id, row.state == KeyState.ACTIVE.value))
        return found

    def shredded(self, region: int, tenant: str) -> bool:
        """Whether a region has a tombstone of a tenant, genuine or not."""
        rows = self.regions[region].rows.values()
        return any(row.tenant == tenant and row.state == KeyState.SHREDDED.value for row in rows)

    def provider(self, region: int) -> CountingProvider:
        """The key service, as processes of a region reach it."""
        return _RegionalProvider(self, region, self._key)

    def junk(self, tenant: str, key_id: bytes, created: int) -> Row:
        """A record that nobody can open."""
        wraps = (WrappedKey(self._key.wrapping_keys()[0], bytes(72)),)
        record = KeyRecord(key_id, Purpose.ENCRYPTION, created, tenant, wraps, bytes(32))
        return Row(tenant, KeyState.ACTIVE.value, record.to_bytes())

    def redated(self, key_id: bytes, created: int) -> Row:
        """The record of a genuine key, with another date."""
        genuine = self.genuine[key_id]
        record = read_record(key_id, genuine.record, tenant=genuine.tenant, state="active")
        assert isinstance(record, KeyRecord)
        return Row(genuine.tenant, KeyState.ACTIVE.value, record._replace(created=created).to_bytes())

    def _deliver(self) -> None:
        for when, region, key_id in list(self._on_their_way):
            if when <= self.now:
                self._on_their_way.remove((when, region, key_id))
                if key_id in region.rows:
                    self._other(region).rows.setdefault(key_id, region.rows[key_id])

        for when, region, place in list(self._claims_on_their_way):
            if when <= self.now:
                self._claims_on_their_way.remove((when, region, place))
                there, new = self._other(region).claims, region.claims.get(place)
                if new is not None and new[0] >= there.get(place, new)[0]:  # the last writer wins
                    there[place] = new

    def _other(self, region: Region) -> Region:
        return self.regions[1] if region is self.regions[0] else self.regions[0]


class _RegionalProvider(CountingProvider):
    """One key in all regions, of which each can be cut off."""

    def __init__(self, world: World, region: int, key: LocalKeyProvider) -> None:
        super().__init__()
        self.inner = key
        self._world = world
        self._region = region

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        self._check()
        return super().wrap(data_key, context)

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        self._check()
        return super().unwrap(wraps, context)

    def _check(self) -> None:
        if self._region in self._world.down:
            raise outage()

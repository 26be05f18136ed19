"""What somebody does who writes to the key store: to the stormy tenants."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from fieldcrypt import KeyState, Purpose
from fieldcrypt.keys.record.claim import claim_place
from tests.keys.key_model.story import DELAY, MANY, ROTATE, STORMY, Story
from tests.support.doubles import Row

__all__ = ["REGIONS", "WHICH", "Attacks"]

REGIONS = st.sampled_from([0, 1])
STORMY_TENANTS = st.sampled_from(STORMY)
WHICH = st.integers(0, 1_000)
AHEAD = st.sampled_from([-ROTATE, -DELAY, -1, 0, 1, DELAY, 61, 3_600, 80_000, 10 * 365 * 86_400])


class Attacks(Story):
    """Rules that need no key."""

    @rule(region=REGIONS, tenant=STORMY_TENANTS, ahead=AHEAD, key_id=st.binary(min_size=16, max_size=16))
    def plant(self, region: int, tenant: str, ahead: int, key_id: bytes) -> None:
        """A record that does not open."""
        rows = self.world.regions[region].rows
        if len([each for each in rows if each not in self.world.genuine]) < MANY // 2:
            rows.setdefault(key_id, self.world.junk(tenant, key_id, self.world.now + ahead))

    @rule(region=REGIONS, which=WHICH, ahead=AHEAD)
    def change_date(self, region: int, which: int, ahead: int) -> None:
        edited = [
            each
            for each, row in self.world.regions[region].rows.items()
            if each in self.world.genuine and row.record != self.world.genuine[each].record
        ]
        key_id = self._stormy(region, which)
        if key_id is not None and len(edited) < MANY // 2:
            self._put(region, key_id, self.world.redated(key_id, self.world.now + ahead))

    @rule(region=REGIONS, which=WHICH, state=st.sampled_from([KeyState.ACTIVE, KeyState.RETIRED]))
    def set_state(self, region: int, which: int, state: KeyState) -> None:
        key_id = self._stormy(region, which)
        if key_id is not None and self.world.regions[region].rows[key_id].state != KeyState.SHREDDED.value:
            self._put(region, key_id, self.world.regions[region].rows[key_id]._replace(state=state.value))

    @rule(region=REGIONS, which=WHICH)
    def delete(self, region: int, which: int) -> None:
        key_id = self._stormy(region, which)
        if key_id is not None:
            self._put(region, key_id, None)

    @rule(region=REGIONS, tenant=STORMY_TENANTS, what=st.sampled_from(["junk", "nothing", "another"]), which=WHICH)
    def spoil_claim(self, region: int, tenant: str, what: str, which: int) -> None:
        """Of the tenant's first key."""
        claims, place = self.world.regions[region].claims, claim_place(Purpose.ENCRYPTION, tenant)
        claims.pop(place, None)
        if what == "junk":
            claims[place] = (self.world.now, b"junk")
        if what == "another" and self.world.claims:
            claims[place] = (self.world.now, self.world.claims[which % len(self.world.claims)])

    @rule(region=REGIONS, which=WHICH)
    def put_back(self, region: int, which: int) -> None:
        """Any row that there ever was, over whatever is there now: a tombstone, for example."""
        rows = [(key_id, row) for key_id, row in self.world.rows if row.tenant in STORMY]
        if rows:
            self._put(region, *rows[which % len(rows)])

    def _stormy(self, region: int, which: int) -> bytes | None:
        rows = sorted(key_id for key_id, row in self.world.regions[region].rows.items() if row.tenant in STORMY)
        genuine = [key_id for key_id in rows if key_id in self.world.genuine]
        return genuine[which % len(genuine)] if genuine else None

    def _put(self, region: int, key_id: bytes, row: Row | None) -> None:
        self.look()
        rows = self.world.regions[region].rows
        rows.pop(key_id, None)
        if row is not None:
            rows[key_id] = row
        self.look()

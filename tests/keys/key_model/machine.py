"""Random stories of tenants: nobody touches the keys of calm ones but our processes; those of stormy ones anybody does.

What has to be true is said where it is checked. Which key encrypts is SPEC section 6, in the words of `oracle`.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from fieldcrypt import (
    ConfigurationError,
    KeyNotFoundError,
    KeyProviderError,
    KeyShreddedError,
    KeyState,
    KeyStoreError,
)
from tests.keys.key_model.attacks import REGIONS, WHICH, Attacks
from tests.keys.key_model.oracle import chosen
from tests.keys.key_model.story import CALM, DELAY, MANY, ROTATE, STALE, STORMY, TTL, Process

__all__ = ["KeyMachine"]

TENANTS = st.sampled_from([*CALM, *STORMY])


class KeyMachine(Attacks):
    """Choosing, making, rotating, retiring and shredding; whoever writes to the stores or cuts off a key service."""

    @rule(place=st.integers(0, 3), tenant=TENANTS, lag=st.integers(0, DELAY))
    def write(self, place: int, tenant: str, lag: int) -> None:
        """A process that may have keys at hand encrypts under none that is older than what it could not but know."""
        self.world.lag, process = lag, self.processes[place]
        if tenant in CALM and process.not_before > float("-inf"):
            return  # it replaces keys that others go on with
        value = self.attempt("write", process, tenant)
        if value is not None:
            genuine = self.world.genuine[value[1:17]]  # made by one of us
            assert genuine.tenant == tenant
            assert genuine.created >= process.not_before
            floor = self.floor(process.region, tenant)
            assert floor is None or (genuine.created, value[1:17]) >= floor[:2]

    @rule(region=REGIONS, tenant=TENANTS, lag=st.integers(0, DELAY), protected=st.booleans())
    def write_from_nothing(self, region: int, tenant: str, lag: int, protected: bool) -> None:
        """A process that has no keys encrypts under the very key that the rule names, or says why not."""
        self.world.lag = lag
        dates = self.dates() if protected and tenant in STORMY else []
        process = Process(self.world, region, dates[len(dates) // 2] if dates else None)
        records, made = self.world.authentic(region, tenant), set(self.world.genuine)
        wanted = chosen(records, self.world.now, DELAY, process.not_before)
        closed = self.world.shredded(region, tenant)
        value = self.attempt("write from nothing", process, tenant)
        if value is None:
            assert closed or region in self.world.down
            return
        assert not closed
        assert process.provider.unwraps <= MANY + len(records) + 1
        used = value[1:17]
        if wanted is not None:
            assert used == wanted.key_id
        elif records:
            assert tenant in STORMY
            assert used not in made
            assert self.world.genuine[used].created == max(max(records).created + 1, process.not_before)
        elif used not in made:  # nor claimed
            assert self.world.genuine[used].created == max(self.world.now, process.not_before)

    @rule(region=REGIONS, tenant=TENANTS, lag=st.integers(0, DELAY))
    def rotate(self, region: int, tenant: str, lag: int) -> None:
        """The new key is dated now, or after those that are authentic; whatever else there is."""
        self.world.lag = lag
        dates = [known.created for known in self.world.authentic(region, tenant)]
        process = Process(self.world, region, None)
        try:
            made = process.encryptor.data_keys.rotate(tenant)
        except KeyShreddedError:
            assert self.world.shredded(region, tenant)
        except KeyNotFoundError:
            assert not dates
        except KeyProviderError:
            assert region in self.world.down
        else:
            self.count("rotate", "done")
            self.asked_for[tenant] += 1
            assert made.created == max(self.world.now + self.clock_ahead, max(dates, default=0) + 1)

    @rule(region=REGIONS, tenant=st.sampled_from(STORMY), ahead=st.sampled_from([59, 61, 3_600]))
    def rotate_by_a_clock_that_is_ahead(self, region: int, tenant: str, ahead: int) -> None:
        """An honest mistake, which goes on for as long as it is dated ahead."""
        self.clock_ahead = ahead
        self.rotate(region, tenant, lag=0)
        self.clock_ahead = 0

    @rule(region=REGIONS, tenant=TENANTS, lag=st.integers(0, DELAY))
    def replace_and_retire(self, region: int, tenant: str, lag: int) -> None:
        """What somebody does who wants to be rid of a key: each step as above and below."""
        self.write_from_nothing(region, tenant, lag, protected=False)
        self.wait(1)
        self.rotate(region, tenant, lag)
        self.wait(DELAY)
        self.retire(region, tenant, 0)

    @rule(region=REGIONS, tenant=TENANTS, which=st.integers(0, 9))
    def retire(self, region: int, tenant: str, which: int) -> None:
        """A key is given up only if it is genuine, and an authentic one that followed it encrypts."""
        records = sorted(self.world.authentic(region, tenant))
        opened = [known.key_id for known in records]  # the oldest first
        rows = self.world.regions[region].rows
        key_ids = [*opened, *(each for each, row in rows.items() if row.tenant == tenant and each not in opened)]
        key_ids = [each for each in key_ids if rows[each].state != KeyState.RETIRED.value]
        if not key_ids:
            return
        key_id = key_ids[which % len(key_ids)]
        encrypts = chosen(records, self.world.now, DELAY, float("-inf"))
        try:
            Process(self.world, region, None).encryptor.data_keys.retire(key_id)
        except (ConfigurationError, KeyStoreError, KeyProviderError) as error:
            self.count("retire", type(error).__name__)
            return
        self.count("retire", "done")
        (record,) = [known for known in records if known.key_id == key_id]
        assert encrypts is not None
        assert record < encrypts

    @rule(region=REGIONS, tenant=TENANTS, really=st.integers(0, 2))
    def shred(self, region: int, tenant: str, really: int) -> None:
        """Nothing is encrypted for the tenant afterwards, nor read."""
        if really:
            return
        process = Process(self.world, region, None)
        try:
            process.encryptor.data_keys.shred(tenant, "somebody")
        except KeyStoreError:
            return
        self.count("shred", "done")
        if tenant in CALM:
            self.shredded.setdefault(tenant, self.world.now)
        assert self.attempt("write", process, tenant) is None

    @rule(region=REGIONS, which=WHICH)
    def read(self, region: int, which: int) -> None:
        """A calm tenant's value is read everywhere: at once, or if its key did not wait, after a delay."""
        if not self.values or region in self.world.down:
            return
        tenant, value = self.values[which % len(self.values)]
        key_id = value[1:17]
        row = self.world.regions[region].rows.get(key_id)
        try:
            text = Process(self.world, region, None).field.decrypt(value, tenant=tenant)
        except KeyShreddedError:
            assert row is not None
            assert row.state == KeyState.SHREDDED.value
        except KeyNotFoundError:
            assert key_id in self.at_once
            assert self.world.now < self.world.genuine[key_id].made + DELAY
        else:
            self.count("read", "done")
            assert text == "x"
            assert row is not None
            assert row.state != KeyState.SHREDDED.value

    @rule(place=st.integers(0, 3), fresh=st.booleans(), earliest=st.integers(-1, 5))
    def restart(self, place: int, fresh: bool, earliest: int) -> None:
        """A process ends, and another one begins, with or without a time before which no key counts."""
        dates = self.dates()
        not_before = None if fresh or not dates else dates[earliest % len(dates)]
        self.processes[place] = Process(self.world, self.processes[place].region, not_before)

    @rule(seconds=st.sampled_from([1, 1, 10, DELAY - 1, DELAY, DELAY + 1, TTL, STALE, 3_600, ROTATE, 2 * ROTATE]))
    def wait(self, seconds: int) -> None:
        self.look()
        self.world.advance(seconds)

    @rule(region=REGIONS)
    def cut_off_or_mend(self, region: int) -> None:
        """The key service of a region can be reached no more, or again."""
        self.world.down ^= {region}

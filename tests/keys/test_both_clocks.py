"""A machine that stood still, or was cloned: the monotonic clock does not know how old its keys are, the other does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from fieldcrypt import (
    Encryptor,
    KeyAccessDeniedError,
    KeyPolicy,
    KeyProviderError,
    KeyShreddedError,
    KeyStoreError,
    _system,
)
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, RowStore, outage, refusal, store_outage

SSN = "078-05-1120"
SALT = slice(17, 29)
TTL, GRACE = 900.0, 3600.0
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=TTL), grace=timedelta(seconds=GRACE))
AT_HAND = 10.0  # seconds of running, after which somebody looks at the wall clock
DAYS = 14 * 86_400.0

Use = Callable[[], object]


class Process:
    """A process that has everything at hand: for reading, writing, tagging and searching."""

    def __init__(self, provider: CountingProvider, store: RowStore | None) -> None:
        self.encryptor = Encryptor(provider, store, policy=POLICY)
        field = self.encryptor.field("a.b", str)
        value, long = field.encrypt(SSN, tenant="A"), field.encrypt(SSN * 10_000, tenant="A")
        self.uses: dict[str, Use] = {
            "reads": lambda: field.decrypt(value),
            "reads quietly": lambda: field.quiet.decrypt(value),
            "reads long values": lambda: field.decrypt(long),
            "writes": lambda: field.encrypt(SSN, tenant="A"),
        }
        if store is not None:
            index = self.encryptor.blind_index("a.b", str)
            self.uses["tags"] = lambda: index.tag(SSN, tenant="A")
            self.uses["searches"] = lambda: index.tags(SSN, tenant="A")
        self.use()

    def use(self) -> None:
        for use in self.uses.values():
            use()


@pytest.fixture
def store() -> RowStore:
    """A key store."""
    return RowStore()


@pytest.mark.parametrize("use", ["reads", "reads quietly", "reads long values", "writes", "tags", "searches"])
class TestClones:
    def test_one_uses_no_key_that_was_shredded_before_it_woke_up(
        self, clock: Clock, provider: CountingProvider, store: RowStore, use: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Restored two weeks after the snapshot, it finds out within seconds, and whatever its other threads do."""
        clone = Process(provider, store)
        monkeypatch.setattr(_system, "start_thread", lambda work: None)
        Encryptor(provider, store).data_keys.shred("A", "ann")
        clock.lose(DAYS)
        clock.advance(AT_HAND)
        with pytest.raises(KeyShreddedError):
            clone.uses[use]()

    def test_one_that_reaches_nobody_has_no_grace(
        self, clock: Clock, provider: CountingProvider, store: RowStore, use: str
    ) -> None:
        """Cutting its network does not keep its keys alive."""
        clone = Process(provider, store)
        provider.unwrap_failure = provider.wrap_failure = outage
        clock.lose(DAYS)
        clock.advance(AT_HAND)
        with pytest.raises(KeyProviderError):
            clone.uses[use]()


@pytest.mark.parametrize("use", ["tags", "searches"])
def test_index_keys_are_listed_again_before_they_are_used(
    clock: Clock, provider: CountingProvider, store: RowStore, use: str
) -> None:
    """There may be others by now, and a list of two weeks ago does not have them."""
    clone = Process(provider, store)
    store.list_failure = store_outage
    clock.lose(DAYS)
    clock.advance(AT_HAND)
    with pytest.raises(KeyStoreError):
        clone.uses[use]()


@pytest.mark.parametrize("use", ["reads", "writes"])
def test_a_clone_with_self_contained_values_hears_of_a_refusal(
    clock: Clock, provider: CountingProvider, use: str
) -> None:
    """There is no key store to ask, and the key service has decided meanwhile."""
    clone = Process(provider, None)
    provider.unwrap_failure = refusal
    clock.lose(DAYS)
    clock.advance(AT_HAND)
    with pytest.raises(KeyAccessDeniedError):
        clone.uses[use]()


def test_clones_do_not_go_on_with_one_salt(clock: Clock, provider: CountingProvider) -> None:
    """What one process may write under a salt, two may not."""
    field = Encryptor(provider, None, policy=POLICY).field("a.b", str)
    before = field.encrypt(SSN)
    clock.lose(60)
    clock.advance(AT_HAND)
    assert field.encrypt(SSN)[SALT] != before[SALT]


def test_the_grace_is_counted_by_both_clocks_together(
    clock: Clock, provider: CountingProvider, store: RowStore
) -> None:
    """Half of it asleep and half of it awake make the whole."""
    process = Process(provider, store)
    provider.unwrap_failure = outage
    clock.lose(TTL + GRACE / 2)
    clock.advance(GRACE / 2 - 60)
    process.use()
    clock.advance(60)
    for use in process.uses.values():
        with pytest.raises(KeyProviderError):
            use()


def test_many_small_losses_add_up(clock: Clock, provider: CountingProvider, store: RowStore) -> None:
    """An environment that is frozen between calls, each for a moment."""
    process = Process(provider, store)
    Encryptor(provider, store).data_keys.shred("A", "ann")
    for _ in range(round(TTL / 3)):
        clock.lose(3)
        clock.advance(0.01)
    clock.advance(AT_HAND)
    for use in process.uses.values():
        with pytest.raises(KeyShreddedError):
            use()


def test_a_machine_that_wakes_up_asks_once(clock: Clock, provider: CountingProvider, store: RowStore) -> None:
    """Its keys are confirmed, each by one call, and all goes on."""
    process = Process(provider, store)
    before = provider.unwraps
    clock.lose(DAYS)
    for _ in range(5):
        clock.advance(AT_HAND)
        process.use()
    assert provider.unwraps == before + 2  # the data key and the index key


@pytest.mark.parametrize("step", [-DAYS, 4.0])
def test_a_step_backwards_and_small_drift_change_nothing(
    clock: Clock, provider: CountingProvider, store: RowStore, step: float
) -> None:
    """The key service is not asked, and keys do not live longer either."""
    process = Process(provider, store)
    before = provider.unwraps
    clock.lose(step)
    clock.advance(TTL / 2)
    for name in ("reads", "writes"):
        process.uses[name]()
    assert provider.unwraps == before
    Encryptor(provider, store).data_keys.shred("A", "ann")
    clock.advance(TTL / 2)
    for use in process.uses.values():
        with pytest.raises(KeyShreddedError):
            use()


def test_a_step_back_does_not_hide_the_time_that_is_lost_after_it(
    clock: Clock, provider: CountingProvider, store: RowStore
) -> None:
    """Somebody who can set the clock back once cannot make a clone's days disappear."""
    process = Process(provider, store)
    clock.lose(-DAYS)
    clock.advance(AT_HAND)
    process.use()
    Encryptor(provider, store).data_keys.shred("A", "ann")
    clock.lose(DAYS)
    clock.advance(AT_HAND)
    for use in process.uses.values():
        with pytest.raises(KeyShreddedError):
            use()


def test_a_key_that_was_being_fetched_meanwhile_is_fetched_again(
    clock: Clock, provider: CountingProvider, store: RowStore
) -> None:
    """The answer that a machine took to its sleep is as old as the sleep was long."""
    value = Encryptor(provider, store).field("a.b", str).encrypt(SSN)
    field = Encryptor(provider, store, policy=POLICY).field("a.b", str)

    def sleep() -> None:
        provider.before_unwrap = None
        clock.lose(DAYS)
        field.encrypt(SSN, tenant="B")  # somebody else finds out before the answer is there

    provider.before_unwrap = sleep
    assert field.decrypt(value) == SSN
    before = provider.unwraps
    assert field.decrypt(value) == SSN
    assert provider.unwraps == before + 1

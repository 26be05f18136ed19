"""KMS in bad weather: connections that died, a refusal beside an outage, keys whose own store is away."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from fieldcrypt import (
    DecryptionError,
    KeyAccessDeniedError,
    KeyProviderChain,
    KeyProviderError,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
)
from fieldcrypt.events import Event, EventKind, Events
from tests.conftest import Clock
from tests.kms.regions import AWAY, CONTEXT, DATA_KEY, HOME
from tests.kms.watch import Watch
from tests.kms.world import GRACE, TTL, World, stubbed
from tests.support.doubles import PATIENCE

SILENT = "The external key store proxy did not respond to the request in the time allotted. Retry the request."


class TestDeadConnections:
    """A connection that died while it was idle is no outage."""

    def test_the_same_region_is_asked_again_on_a_fresh_one(self, world: World, watch: Watch) -> None:
        """No other region is asked, and this one is not left alone afterwards."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.proxies[HOME].forget_connections()
        assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert watch.calls() == [(HOME, "ConnectionClosedError"), (HOME, None)]
        assert EventKind.FAILED_OVER not in {event.kind for event in watch.events}
        assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert watch.calls() == [(HOME, None)]

    def test_the_second_try_does_not_take_another_dead_one(self, world: World, watch: Watch) -> None:
        """A pool of connections that were open together dies together."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        proxy = world.proxies[HOME]
        before = proxy.connections
        proxy.delay(timedelta(seconds=0.3))
        threads = [threading.Thread(target=provider.unwrap, args=(wraps, CONTEXT)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        proxy.healthy()
        assert proxy.connections - before >= 3
        proxy.forget_connections()
        assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert watch.calls() == [(HOME, "ConnectionClosedError"), (HOME, None)]

    def test_many_threads_with_dead_connections(self, world: World) -> None:
        """Each is served where it was to be, whoever cleans up first."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        events: list[Event] = []
        opened: list[bytes] = []

        def work() -> None:
            for _ in range(10):
                opened.append(Events(events.append).watch(lambda: provider.unwrap(wraps, CONTEXT)))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            world.proxies[HOME].forget_connections()
            time.sleep(0.1)
        assert opened == [DATA_KEY] * 80
        served = [event.place for event in events if event.kind is EventKind.KMS_CALL and event.cause is None]
        assert served.count(HOME) >= 70  # two resets in a row do count as an outage

    def test_one_that_idled_for_long_is_not_used_again(self, world: World, watch: Watch, clock: Clock) -> None:
        """Some firewalls forget it without a word: nobody is to wait for a time-out."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.proxies[HOME].forget_connections()
        clock.advance(300)
        assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert watch.calls() == [(HOME, None)]

    def test_a_live_key_outlasts_it_though_the_other_region_denies(self, world: World, clock: Clock) -> None:
        """The finding: one reset, and every read was refused while the own region was well."""
        store = MemoryKeyStore()
        field = world.field(world.provider(), store)
        value = field.encrypt("x")
        world.deny(AWAY)
        clock.advance(TTL.total_seconds() * 0.95)
        for _ in range(3):
            world.proxies[HOME].forget_connections()
            assert field.decrypt(value) == "x"
        assert EventKind.DENIED not in {event.kind for event in world.events}
        assert {place for place, _ in world.asked()} == {HOME}


class TestRefusals:
    """A refusal is final when every region before it has answered; until then it confirms nothing."""

    def test_a_region_in_its_cooldown_is_asked(self, world: World, watch: Watch) -> None:
        """It is the better one, and may be well again."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.proxies[HOME].throttle()
        provider.unwrap(wraps, CONTEXT)
        world.proxies[HOME].healthy()
        world.deny(AWAY)
        assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert watch.calls() == [(AWAY, "AccessDeniedException"), (HOME, None)]

    def test_a_region_after_the_one_that_refuses_is_not_asked(self, world: World, watch: Watch) -> None:
        """Whether it is well, or in its cool-down: the word of the better one counts."""
        provider = world.provider(AWAY, HOME)
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.deny(AWAY)
        for sick in (False, True):
            if sick:
                for proxy in world.proxies.values():
                    proxy.throttle()
                with pytest.raises(KeyProviderError, match="ThrottlingException"):
                    provider.unwrap(wraps, CONTEXT)
                for proxy in world.proxies.values():
                    proxy.healthy()
            with pytest.raises(KeyAccessDeniedError):
                watch(provider.unwrap, wraps, CONTEXT)
            assert watch.calls() == [(AWAY, "AccessDeniedException")]

    def test_cutting_a_region_prolongs_a_denied_key_by_its_time_to_live_at_most(
        self, world: World, clock: Clock
    ) -> None:
        """The attack: who controls one region's network, and is denied in the other, has no grace."""
        store = MemoryKeyStore()
        field = world.field(world.provider(), store)
        value = field.encrypt("x")
        world.deny(AWAY)
        world.proxies[HOME].refuse()
        for _ in range(int(TTL.total_seconds()) // 5):
            assert field.decrypt(value) == "x"
            clock.advance(5)
        with pytest.raises(KeyProviderError) as caught:
            field.decrypt(value)
        assert (caught.value.retryable, caught.value.grace) == (True, False)
        checks = len([place for place, _ in world.asked() if place == AWAY])
        assert 15 <= checks <= 50  # every five seconds, from a check at 75 to 90 percent of the time to live

    def test_nothing_is_unwrapped_afresh_meanwhile(self, world: World) -> None:
        """A process that comes then reads nothing until a region says yes."""
        store = MemoryKeyStore()
        value = world.field(world.provider(), store).encrypt("x")
        world.deny(AWAY)
        world.proxies[HOME].refuse()
        cold = world.field(world.provider(), store)
        with pytest.raises(KeyProviderError) as caught:
            cold.decrypt(value)
        assert not isinstance(caught.value, KeyAccessDeniedError)
        assert list(caught.value.causes) == [HOME, AWAY]
        world.proxies[HOME].healthy()
        assert cold.decrypt(value) == "x"

    def test_an_outage_after_a_refusal_gives_no_grace_back(self, world: World, clock: Clock) -> None:
        """The attack: cut the region that refuses as well, once it has refused."""
        field = world.field(world.provider(), MemoryKeyStore())
        value = field.encrypt("x")
        world.deny(AWAY)
        world.proxies[HOME].refuse()
        clock.advance(TTL.total_seconds() * 0.95)
        assert field.decrypt(value) == "x"  # which is the check
        world.proxies[AWAY].refuse()
        clock.advance(TTL.total_seconds() * 0.06)
        with pytest.raises(KeyProviderError):
            field.decrypt(value)

    def test_a_refusal_ends_a_grace(self, world: World, clock: Clock) -> None:
        """All regions were away, and the first that comes back refuses."""
        field = world.field(world.provider(), MemoryKeyStore())
        value = field.encrypt("x")
        for proxy in world.proxies.values():
            proxy.refuse()
        clock.advance(TTL.total_seconds() * 1.5)
        assert field.decrypt(value) == "x"
        world.deny(AWAY)
        world.proxies[AWAY].healthy()
        clock.advance(6)
        with pytest.raises(KeyProviderError):
            field.decrypt(value)

    def test_a_region_that_says_yes_confirms_the_key_with_its_grace(self, world: World, clock: Clock) -> None:
        """What was said before does not count any more."""
        field = world.field(world.provider(), MemoryKeyStore())
        value = field.encrypt("x")
        world.deny(AWAY)
        world.proxies[HOME].refuse()
        clock.advance(TTL.total_seconds() * 0.95)
        assert field.decrypt(value) == "x"
        world.proxies[HOME].healthy()
        clock.advance(6)
        assert field.decrypt(value) == "x"  # confirmed
        for proxy in world.proxies.values():
            proxy.refuse()
        clock.advance(TTL.total_seconds() + GRACE.total_seconds() * 0.9)
        assert field.decrypt(value) == "x"

    def test_refusals_of_both_regions_are_final(self, world: World, clock: Clock) -> None:
        """As soon as the one that was away says so, whatever is left of the time to live."""
        field = world.field(world.provider(), MemoryKeyStore())
        value = field.encrypt("x")
        world.deny(AWAY)
        world.deny(HOME)
        world.proxies[HOME].refuse()
        clock.advance(TTL.total_seconds() * 0.92)
        assert field.decrypt(value) == "x"
        world.proxies[HOME].healthy()
        clock.advance(6)
        with pytest.raises(KeyAccessDeniedError):
            field.decrypt(value)

    def test_not_authentic_is_final_whoever_refused(self, world: World, watch: Watch) -> None:
        """Another context is another one in every region."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.proxies[HOME].throttle()
        provider.unwrap(wraps, CONTEXT)
        world.proxies[HOME].healthy()
        world.deny(AWAY)
        with pytest.raises(DecryptionError):
            watch(provider.unwrap, wraps, {"fieldcrypt:tenant": "other"})
        assert watch.calls() == [(AWAY, "AccessDeniedException"), (HOME, "InvalidCiphertextException")]

    def test_a_refusal_that_counts_as_an_outage_has_no_grace_either(self, world: World) -> None:
        """`failover_on_denied` says where else to ask, not that a refusal is none."""
        provider = world.provider(failover_on_denied=True)
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.deny(HOME)
        world.proxies[AWAY].refuse()
        with pytest.raises(KeyProviderError) as caught:
            provider.unwrap(wraps, CONTEXT)
        assert (caught.value.retryable, caught.value.grace) == (True, False)

    def test_a_chain_has_no_grace_if_one_of_its_providers_has_none(self, world: World) -> None:
        """Nor a longer one than the shortest of theirs."""
        wraps = world.provider().wrap(DATA_KEY, CONTEXT)
        local = LocalKeyProvider.generate()
        chain = KeyProviderChain(world.provider(grace=timedelta(minutes=9)), world.provider(grace=GRACE), local)
        assert chain.grace == timedelta(minutes=9)
        assert KeyProviderChain(local, local).grace is None
        world.deny(AWAY)
        world.proxies[HOME].refuse()
        with pytest.raises(KeyProviderError) as caught:
            chain.unwrap(wraps, CONTEXT)
        assert not caught.value.grace


class TestGrace:
    """How long live keys go on is for the provider to say."""

    @pytest.mark.parametrize("grace", [timedelta(0), timedelta(minutes=10), timedelta(days=1), None])
    def test_a_grace_of_the_provider(self, world: World, clock: Clock, grace: timedelta | None) -> None:
        """At most that of the policy, on which the rotation of indexes counts."""
        field = world.field(world.provider(grace=grace), MemoryKeyStore())
        value = field.encrypt("x")
        for proxy in world.proxies.values():
            proxy.refuse()
        ends = (TTL + (GRACE if grace is None else min(grace, GRACE))).total_seconds()
        clock.advance(ends - 1)
        assert field.decrypt(value) == "x"
        clock.advance(2)
        with pytest.raises(KeyProviderError):
            field.decrypt(value)

    def test_it_holds_for_the_key_store_too(self, world: World, clock: Clock) -> None:
        """The attack: without the store nobody asks KMS, so who cuts it off could not be told no."""

        class Store(MemoryKeyStore):
            away = False

            def get(self, key_id: bytes) -> Any:
                if self.away:
                    raise KeyStoreError("the table does not answer")
                return super().get(key_id)

        store = Store()
        field = world.field(world.provider(grace=timedelta(0)), store)
        value = field.encrypt("x")
        store.away = True
        clock.advance(TTL.total_seconds() + 1)
        with pytest.raises(KeyStoreError):
            field.decrypt(value)


class TestKeysThatAreAway:
    """`KMSInvalidStateException` says that a key is being deleted, that its own key store is silent, and much else."""

    @pytest.mark.parametrize("text", [SILENT, "The key is unavailable.", "arn:… is pending import.", ""])
    def test_the_next_region_serves(self, world: World, watch: Watch, text: str) -> None:
        """An external key store that does not answer, imported material that expired, and words that nobody knows."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.proxies[HOME].fail("KMSInvalidStateException", text)
        assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert (AWAY, None) in watch.calls()
        assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert watch.calls() == [(AWAY, None)]

    @pytest.mark.parametrize("deletion", ["pending deletion", "pending replica deletion"])
    def test_a_key_that_is_to_be_deleted_is_a_decision(self, world: World, watch: Watch, deletion: str) -> None:
        """Told by the words, if the state may not be asked for."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.proxies[HOME].fail("KMSInvalidStateException", f"{world.key} is {deletion}.")
        with pytest.raises(KeyAccessDeniedError):
            watch(provider.unwrap, wraps, CONTEXT)
        assert {place for place, _ in watch.calls()} == {HOME}

    def test_a_key_whose_deletion_was_scheduled(self, world: World) -> None:
        """With the words and the state that KMS has for it."""
        provider = world.provider()
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.aws.kms(HOME).schedule_key_deletion(KeyId=world.key_id, PendingWindowInDays=7)
        with pytest.raises(KeyAccessDeniedError, match="pending deletion"):
            provider.unwrap(wraps, CONTEXT)

    @pytest.mark.parametrize("state", ["PendingDeletion", "PendingReplicaDeletion", "Disabled"])
    def test_the_state_of_the_key_counts_for_more_than_the_words(self, watch: Watch, state: str) -> None:
        """DescribeKey is asked where that is allowed."""
        kms = stubbed([[("KMSInvalidStateException", "in words of tomorrow")]], state)
        with kms as (provider, wraps), pytest.raises(KeyAccessDeniedError):
            watch(provider.unwrap, wraps, CONTEXT)
        assert watch.calls() == [(HOME, "KMSInvalidStateException"), (HOME, None)]

    @pytest.mark.parametrize("state", ["Unavailable", "PendingImport", "Updating", "Enabled", "Unheard-of"])
    def test_any_other_state_is_an_outage(self, watch: Watch, state: str) -> None:
        """Which may be over a moment later."""
        with stubbed([[("KMSInvalidStateException", "is pending deletion")]], state) as (provider, wraps):
            assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY

    def test_a_live_key_has_no_grace(self, world: World, clock: Clock) -> None:
        """To be silent is how the owner of an external key store says no."""
        field = world.field(world.provider(), MemoryKeyStore())
        value = field.encrypt("x")
        for proxy in world.proxies.values():
            proxy.fail("KMSInvalidStateException", SILENT)
        clock.advance(TTL.total_seconds() - 1)
        assert field.decrypt(value) == "x"
        clock.advance(2)
        with pytest.raises(KeyProviderError, match="did not respond") as caught:
            field.decrypt(value)
        assert caught.value.retryable
        assert not isinstance(caught.value, KeyAccessDeniedError)

    def test_a_grace_that_was_asked_for_holds(self, world: World, clock: Clock) -> None:
        """Whoever runs a key store that is down at times can say so."""
        field = world.field(world.provider(grace=timedelta(minutes=30)), MemoryKeyStore())
        value = field.encrypt("x")
        for proxy in world.proxies.values():
            proxy.fail("KMSInvalidStateException", SILENT)
        clock.advance((TTL + timedelta(minutes=30)).total_seconds() - 1)
        assert field.decrypt(value) == "x"

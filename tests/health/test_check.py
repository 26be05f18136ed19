"""Encryptor.check: whether a process can work now, and for how long it will."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Thread, active_count
from types import FrameType
from typing import Any

import pytest

from fieldcrypt import (
    NO_TENANT,
    ConfigurationError,
    Encryptor,
    Health,
    HealthState,
    KeyPolicy,
    KeyProvider,
    KeyProviderError,
    KeyStoreChain,
    LocalKeyProvider,
    MemoryKeyStore,
    TenantKeyProvider,
    Verdict,
    WrappedKey,
)
from fieldcrypt._base.answers import Answers
from tests.conftest import Clock
from tests.support.doubles import (
    PATIENCE,
    CountingProvider,
    PublicKeyProvider,
    RowStore,
    Toll,
    outage,
    refusal,
    store_outage,
    until_idle,
    until_waiting,
)
from tests.support.encryptors import new_encryptor
from tests.support.loop_lag import ATTEMPTS, MAX_LAG, SlowProvider, lag_during

LONG = timedelta(seconds=PATIENCE)


def calls(provider: CountingProvider) -> int:
    """How often the key service was called."""
    return provider.wraps + provider.unwraps


def failed(health: Health) -> list[str]:
    """Which things failed."""
    return [finding.place for finding in health.findings if finding.verdict is Verdict.FAILED]


@pytest.fixture
def encryptor(provider: CountingProvider, rows: RowStore) -> Encryptor:
    """One with a key service and a key store that fail on request, and no live key."""
    return Encryptor(provider, rows)


class TestWithLiveKeys:
    def test_it_calls_nothing(self, encryptor: Encryptor, provider: CountingProvider, rows: RowStore) -> None:
        """As long as one of them is within its time, both services have answered recently enough."""
        encryptor.field("a.b", str).encrypt("x")
        before = calls(provider), rows.reads
        health = encryptor.check()
        assert (calls(provider), rows.reads) == before
        assert health.ready
        assert health.state is HealthState.OK
        assert health.live_keys == 1

    def test_it_says_how_old_that_is_and_how_long_it_lasts(
        self, clock: Clock, encryptor: Encryptor, provider: CountingProvider
    ) -> None:
        """In seconds: since the last confirmation, and until the end of the last key's grace."""
        encryptor.field("a.b", str).encrypt("x")
        clock.advance(100)
        health = encryptor.check()
        assert health.confirmed == 100
        assert health.seconds_left == 15 * 60 + 60 * 60 - 100

    def test_a_probe_tries_everything_out(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """Whatever is known."""
        encryptor.field("a.b", str).encrypt("x")
        before = calls(provider)
        provider.wrap_failure = outage
        health = encryptor.check(probe=True)
        assert calls(provider) == before + 1
        assert failed(health) == ["CountingProvider"]

    def test_they_outlive_an_outage(self, clock: Clock, encryptor: Encryptor, provider: CountingProvider) -> None:
        """Until the end of their grace the process is ready, then it is not; it is again when the key service is."""
        ssn = encryptor.field("a.b", str)
        data = ssn.encrypt("x")
        provider.wrap_failure = provider.unwrap_failure = outage
        clock.advance(14.9 * 60)
        ssn.decrypt(data)  # which looks for a confirmation, and gets none
        health = encryptor.check()
        assert (health.state, failed(health)) == (HealthState.DEGRADED, ["live keys"])
        clock.advance(59 * 60)
        health = encryptor.check()
        assert (health.state, health.ready) == (HealthState.DEGRADED, True)
        assert 0 < health.seconds_left < 3 * 60
        clock.advance(3 * 60)
        assert encryptor.check().state is HealthState.FAILING
        provider.wrap_failure = provider.unwrap_failure = None
        clock.advance(6)
        assert encryptor.check().state is HealthState.OK

    def test_a_refusal_is_no_outage(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """Live keys are about to end, so that the process is not ready though it has some."""
        encryptor.field("a.b", str).encrypt("x")
        provider.wrap_failure = refusal
        assert encryptor.check(probe=True).state is HealthState.FAILING

    def test_a_key_store_that_is_away_is_outlived_too(self, encryptor: Encryptor, rows: RowStore) -> None:
        """What is live goes on, and it is said what fails."""
        encryptor.field("a.b", str).encrypt("x")
        rows.go_down()
        health = encryptor.check(probe=True)
        assert (health.state, failed(health)) == (HealthState.DEGRADED, ["key store"])

    def test_those_of_others_do_not_count(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """If a tenant is named, its own keys do."""
        encryptor.field("a.b", str).encrypt("x", tenant="a")
        provider.wrap_failure = outage
        assert encryptor.check(tenant="a").ready
        assert not encryptor.check(tenant="b").ready
        assert not encryptor.check(tenant=NO_TENANT).ready


class TestWithoutLiveKeys:
    def test_both_services_are_tried_out(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """And neither keeps anything of that."""
        health = encryptor.check()
        assert (health.state, health.live_keys, health.confirmed) == (HealthState.OK, 0, None)
        assert [finding.place for finding in health.findings] == ["CountingProvider", "key store"]
        assert encryptor.data_keys.count() == 0

    def test_a_success_counts_for_a_minute(
        self, clock: Clock, encryptor: Encryptor, provider: CountingProvider
    ) -> None:
        """So that a process without work does not call KMS at every probe."""
        encryptor.check()
        clock.advance(59)
        encryptor.check()
        assert calls(provider) == 2
        clock.advance(2)
        encryptor.check()
        assert calls(provider) == 4

    def test_a_failure_counts_for_a_moment(
        self, clock: Clock, encryptor: Encryptor, provider: CountingProvider
    ) -> None:
        """So that probes do not add to an outage."""
        provider.wrap_failure = outage
        assert not encryptor.check().ready
        clock.advance(4)
        assert not encryptor.check().ready
        assert calls(provider) == 1
        provider.wrap_failure = None
        clock.advance(2)
        assert encryptor.check().ready

    @pytest.mark.parametrize("down", ["provider", "store"])
    def test_an_outage(self, encryptor: Encryptor, provider: CountingProvider, rows: RowStore, down: str) -> None:
        """Of either of them: nothing can be read or written."""
        if down == "provider":
            provider.wrap_failure = outage
        else:
            rows.get_failure = store_outage
        health = encryptor.check()
        assert health.state is HealthState.FAILING
        assert failed(health) == ["CountingProvider" if down == "provider" else "key store"]

    def test_a_shredded_tenant(self, encryptor: Encryptor) -> None:
        """Nothing more is encrypted for it, and when and by whom is said."""
        encryptor.field("a.b", str).encrypt("x", tenant="clinic-7")
        encryptor.data_keys.shred("clinic-7", "ann@example.org")
        health = encryptor.check(tenant="clinic-7")
        assert health.state is HealthState.FAILING
        assert "ann@example.org" in str(health)
        assert encryptor.check().ready

    def test_a_replica_of_the_key_store_that_is_away(self, provider: CountingProvider) -> None:
        """It is named, and the others go on; nor do they for their part ask others about what was tried out."""
        own, replica = RowStore(), RowStore()
        encryptor = Encryptor(provider, KeyStoreChain(own, replica))
        replica.go_down()
        health = encryptor.check()
        assert (health.state, failed(health)) == (HealthState.DEGRADED, ["key store 2"])
        assert own.reads == 1

    def test_what_is_no_error_of_fieldcrypt(self, rows: RowStore) -> None:
        """A provider that breaks its contract fails, and neither hangs nor raises; what it says may be secret."""

        class Broken(LocalKeyProvider):
            def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
                raise LookupError(data_key)

        health = Encryptor(Broken(bytes(32)), rows).check()
        assert health.state is HealthState.FAILING
        assert str(health) == "failing; Broken, contract: it raised LookupError, which is no error of fieldcrypt"


class TestRoles:
    def test_one_that_only_reads(self, rows: RowStore, provider: CountingProvider) -> None:
        """Tries the newest data key of the store, and never to wrap."""
        Encryptor(provider, rows).field("a.b", str).encrypt("x")
        reader, before = Encryptor(provider, rows), provider.wraps
        provider.wrap_failure = refusal
        health = reader.check(reads_only=True)
        assert health.state is HealthState.OK
        assert provider.wraps == before
        assert reader.check().state is HealthState.FAILING

    def test_one_that_only_reads_and_there_is_nothing_yet(self, encryptor: Encryptor) -> None:
        """It is ready as far as can be told, and that is said."""
        health = encryptor.check(reads_only=True)
        assert health.ready
        assert Verdict.UNKNOWN in {finding.verdict for finding in health.findings}

    def test_one_that_only_reads_under_a_key_that_it_does_not_have(self, rows: RowStore) -> None:
        """As with the settings of another environment."""
        Encryptor(LocalKeyProvider.generate(), rows).field("a.b", str).encrypt("x")
        reader = Encryptor(LocalKeyProvider.generate(), rows)
        assert reader.check(reads_only=True).state is HealthState.FAILING

    def test_one_that_only_writes(self) -> None:
        """It need not unwrap."""

        class WriteOnly(PublicKeyProvider):
            write_only = True

        provider = WriteOnly()
        assert Encryptor(provider, MemoryKeyStore()).check().ready
        assert (provider.wraps, provider.unwraps) == (1, 0)

    def test_a_tenant_with_a_key_of_its_own(self, provider: CountingProvider) -> None:
        """Is looked up, and its own key service counts for it alone."""
        own = CountingProvider()

        def look_up(tenant: str) -> KeyProvider:
            if tenant == "typo":
                raise KeyProviderError("the table of tenants does not answer")
            return own

        encryptor = Encryptor(TenantKeyProvider(look_up, default=provider), MemoryKeyStore())
        own.wrap_failure = outage
        assert encryptor.check().ready
        assert not encryptor.check(tenant="clinic-7").ready
        assert "cannot be looked up" in str(encryptor.check(tenant="typo"))

    @pytest.mark.parametrize("error", [ConfigurationError("no such profile"), LookupError("secret")])
    def test_regions_that_cannot_be_told(self, error: Exception, rows: RowStore) -> None:
        """As with a profile that boto3 does not have. The loop gets an answer too, and does not wait forever."""

        class Unconfigured(LocalKeyProvider):
            def regions(self) -> Mapping[str, KeyProvider]:
                raise error

        encryptor = Encryptor(Unconfigured(bytes(32)), rows)
        for health in (encryptor.check(), asyncio.run(asyncio.wait_for(encryptor.check_async(), PATIENCE))):
            assert (health.state, failed(health)) == (HealthState.FAILING, ["key provider"])
            assert "secret" not in str(health)

    @pytest.mark.parametrize("names", [["key store"], ["key provider"], ["key store", "key provider"]])
    def test_regions_of_any_name(self, names: list[str], rows: RowStore) -> None:
        """Each is tried out, and the key store as well."""

        class Named(CountingProvider):
            def regions(self) -> Mapping[str, KeyProvider]:
                return dict.fromkeys(names, self)

        health = Encryptor(Named(), rows).check()
        assert health.state is HealthState.OK
        assert [finding.place for finding in health.findings] == [*names, "key store"]

    def test_a_key_provider_that_unwraps_something_else(self, rows: RowStore) -> None:
        """It answers, but nothing that it wraps could ever be read."""

        class Wrong(LocalKeyProvider):
            def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
                return bytes(32)

        health = Encryptor(Wrong(bytes(32)), rows).check()
        assert (health.state, failed(health)) == (HealthState.FAILING, ["Wrong"])


class TestManyAtOnce:
    def test_they_make_one_call(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """Probes that arrive while another one waits get its answer."""
        toll = Toll()
        provider.before_wrap = toll.wait
        found: list[Health] = []
        probes = [Thread(target=lambda: found.append(encryptor.check(LONG, probe=True))) for _ in range(8)]
        for probe in probes:
            probe.start()
        toll.until_reached()
        until_waiting(probes)
        toll.open()
        for probe in probes:
            probe.join(PATIENCE)
        assert provider.wraps == 1
        assert [health.state for health in found] == [HealthState.OK] * 8

    def test_the_deadline_is_held(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """The call goes on without the caller, and its answer, when it comes, is the next caller's."""
        toll = Toll()
        provider.before_wrap = toll.wait
        health = encryptor.check(timedelta(milliseconds=50))
        assert (health.state, failed(health)) == (HealthState.FAILING, ["CountingProvider"])
        assert "no answer within 0.05 s" in str(health)
        toll.open()
        assert encryptor.check(LONG).state is HealthState.OK
        assert provider.wraps == 1


class TestAsync:
    @pytest.mark.parametrize("live", [True, False])
    def test_no_tick_is_late(self, live: bool) -> None:
        """Whether there is something to call or not."""

        async def lag() -> float:
            encryptor = Encryptor(SlowProvider.generate() if not live else LocalKeyProvider.generate())
            encryptor.field("a.b", str)
            if live:
                encryptor.field("a.b", str).encrypt("x")
            health, late = await lag_during(encryptor.check_async(LONG))
            assert health.ready
            return late

        assert min(asyncio.run(lag()) for _ in range(ATTEMPTS)) < MAX_LAG

    def test_it_needs_no_thread_of_the_loop(self, encryptor: Encryptor) -> None:
        """They may all be busy with what the probe is to find out about."""
        toll = Toll()

        async def probe() -> Health:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(1))
            busy = loop.run_in_executor(None, toll.wait)
            try:
                return await encryptor.check_async(LONG)
            finally:
                toll.open()
                await busy

        assert asyncio.run(probe()).ready

    def test_many_share_a_thread(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """Anyone may call the endpoint of a probe, also a thousand times while a key service hangs."""
        toll = Toll()
        provider.before_wrap = toll.wait

        async def probe() -> list[Health]:
            before = active_count()
            probes = [asyncio.ensure_future(encryptor.check_async(LONG)) for _ in range(100)]
            await asyncio.sleep(0)
            toll.until_reached()
            assert active_count() <= before + 3  # of the inquiry, the key provider and the key store
            toll.open()
            return await asyncio.gather(*probes)

        assert all(health.ready for health in asyncio.run(probe()))
        assert provider.wraps == 1

    def test_what_goes_wrong_is_not_waited_for(self, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error in the thread is one of the caller, and the next one tries again."""
        with monkeypatch.context() as patch:
            patch.setattr(Answers, "ask", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                asyncio.run(asyncio.wait_for(encryptor.check_async(), PATIENCE))
        assert asyncio.run(encryptor.check_async(LONG)).ready

    def test_a_caller_may_give_up(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """And close its loop, before there is an answer."""
        toll = Toll()
        provider.before_wrap = toll.wait

        async def probe() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(encryptor.check_async(LONG), 0.05)

        asyncio.run(probe())
        toll.open()


class TestWithoutKeys:
    @pytest.fixture(params=["new", "closed"])
    def keyless(self, request: pytest.FixtureRequest) -> Encryptor:
        """An Encryptor that is not configured, or not any more."""
        encryptor = Encryptor() if request.param == "new" else new_encryptor()
        if request.param == "closed":
            encryptor.close()
        return encryptor

    def test_it_is_not_ready(self, keyless: Encryptor) -> None:
        """Which is an answer and no exception, in an event loop too."""
        for health in (keyless.check(), asyncio.run(keyless.check_async())):
            assert not health.ready
            assert "configure" in str(health)


def test_no_answer_that_is_kept_holds_a_key() -> None:
    """Nor a traceback, in whose frames the data key is that was tried out."""

    class Seen(CountingProvider):
        tried: list[bytes] = []  # noqa: RUF012 (of one test)

        def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
            self.tried.append(data_key)
            raise outage()

    provider = Seen()
    encryptor = Encryptor(provider, MemoryKeyStore())
    assert not encryptor.check(LONG).ready
    until_idle()
    gc.collect()
    held = [each for each in gc.get_referrers(provider.tried[0]) if each is not provider.tried]
    assert not [each for each in held if not isinstance(each, FrameType) or each.f_code.co_filename != __file__]


def test_it_works_after_a_fork() -> None:
    """A child has none of the threads that its parent was waiting for."""
    encryptor = new_encryptor()
    encryptor.check()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, str(encryptor.check(LONG, probe=True)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"ok"
    os.close(read)
    os.close(write)


def test_json_has_no_causes(provider: CountingProvider) -> None:
    """An endpoint for probes is often public: what failed is said, and neither why nor whose it is."""

    def telling() -> Exception:
        return KeyProviderError("arn:aws:kms:us-east-1:111122223333:key/x of tenant 'clinic-7' at 10.0.0.7")

    provider.wrap_failure = telling
    health = Encryptor(provider, MemoryKeyStore()).check(tenant="clinic-7")
    text = json.dumps(health.as_dict())
    assert "111122223333" in str(health)
    for part in ("111122223333", "clinic-7", "10.0.0.7"):
        assert part not in text
    assert json.loads(text)["ready"] is False


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ({"deadline": 1}, TypeError),
        ({"deadline": timedelta(0)}, ValueError),
        ({"tenant": ""}, ValueError),
        ({"tenant": 7}, TypeError),
    ],
)
def test_wrong_arguments(argument: dict[str, Any], error: type[Exception]) -> None:
    """Are errors, also while nothing is configured."""
    with pytest.raises(error):
        Encryptor().check(**argument)


def test_keys_without_time_to_live_are_tried_out(provider: CountingProvider) -> None:
    """A policy under which every use is confirmed leaves nothing to know."""
    encryptor = Encryptor(provider, MemoryKeyStore(), KeyPolicy(cache_ttl=timedelta(0), grace=timedelta(0)))
    encryptor.field("a.b", str).encrypt("x")
    before = calls(provider)
    assert encryptor.check().ready
    assert calls(provider) == before + 2

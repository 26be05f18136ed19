"""What KMS, and the way to it, can do wrong: which failures lead to the next region, which stop, and who waits."""

from __future__ import annotations

import base64
import gc
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import FrameType, ModuleType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fieldcrypt import DecryptionError, KeyAccessDeniedError, KeyProviderError, WrappedKey
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.kms.broken_servers import OUTAGES, TRIED_TWICE, Server, failing, refused, silent
from tests.kms.regions import (
    ARN,
    AWAY,
    CONTEXT,
    DATA_KEY,
    HOME,
    REGIONS,
    SINGLE_ARN,
    THIRD,
    TIMEOUT,
    FlakyClient,
    Region,
    provider,
    session,
)
from tests.kms.regions import aws as aws
from tests.kms.regions import key as key
from tests.kms.regions import wraps as wraps
from tests.kms.watch import Watch
from tests.support.doubles import PATIENCE, Later, Toll


class TestOutages:
    """What says nothing of the key leads to the next region."""

    @pytest.mark.parametrize("name", OUTAGES)
    def test_the_next_region_serves(
        self, aws: LocalAws, key: str, wraps: list[WrappedKey], watch: Watch, name: str
    ) -> None:
        """The failed region is named with its cause, and then left alone."""
        fail, cause = OUTAGES[name]
        with fail() as failed:
            tested = provider(aws, key, failed.url)
            assert watch(tested.unwrap, wraps, CONTEXT) == DATA_KEY
            tries = 2 if name in TRIED_TWICE else 1
            allowed = [[*[(HOME, cause)] * tries, (AWAY, None)]]
            if name == "cut off":  # botocore before 1.36 takes it for a connection that was closed, and tries again
                allowed.append([*[(HOME, "ConnectionClosedError")] * 2, (AWAY, None)])
            assert watch.calls() in allowed
            assert watch(tested.unwrap, wraps, CONTEXT) == DATA_KEY
            assert watch.calls() == [(AWAY, None)]

    @pytest.mark.parametrize("name", ["HTML", "nothing in it", "refused", "throttled"])
    def test_to_wrap_as_well(self, aws: LocalAws, key: str, watch: Watch, name: str) -> None:
        """The same holds for writers."""
        fail, cause = OUTAGES[name]
        with fail() as failed:
            tested = provider(aws, key, failed.url)
            (wrap,) = watch(tested.wrap, DATA_KEY, CONTEXT)
            assert watch.calls() == [(HOME, cause), (AWAY, None)]
            assert wrap.name.split(":")[3] == AWAY

    def test_a_certificate_that_nobody_vouches_for(
        self, aws: LocalAws, key: str, wraps: list[WrappedKey], watch: Watch, tmp_path: Path
    ) -> None:
        """Who pretends to be KMS is told nothing: the handshake fails before the request."""
        with Server(lambda _: None, _self_signed(tmp_path)) as impostor:
            assert watch(provider(aws, key, impostor.url).unwrap, wraps, CONTEXT) == DATA_KEY
            assert watch.calls() == [(HOME, "SSLError"), (AWAY, None)]
            assert impostor.requests == []

    @pytest.mark.parametrize("name", ["refused", "time to read", "reset", "throttled", "HTML", "no TLS"])
    def test_errors_hold_no_request(self, key: str, name: str) -> None:
        """Nothing that can be reached from a cause is the data key: not in attributes, frames or buffers."""
        with OUTAGES[name][0]() as failed:
            tested = AwsKmsKeyProvider(
                key,
                [HOME],
                session_factory=session,
                endpoint_urls={HOME: failed.url},
                timeout=TIMEOUT,
                deadline=TIMEOUT,
            )
            with pytest.raises(KeyProviderError) as caught:
                tested.wrap(DATA_KEY, CONTEXT)
        assert list(caught.value.causes) == [HOME]
        spelt = base64.b64encode(DATA_KEY)
        for thing in _reachable(caught.value.causes[HOME]):
            text = thing if isinstance(thing, bytes) else str(thing).encode()
            assert spelt not in text
            assert DATA_KEY not in text

    def test_no_region_is_left(self, key: str, wraps: list[WrappedKey]) -> None:
        """The error can be retried, and has every region's cause in the order of the regions."""
        with refused() as nobody, silent() as mute, failing("ThrottlingException") as busy:
            urls = dict(zip(REGIONS, (nobody.url, mute.url, busy.url), strict=True))
            tested = AwsKmsKeyProvider(
                key, REGIONS, session_factory=session, endpoint_urls=urls, timeout=TIMEOUT, deadline=TIMEOUT * 10
            )
            with pytest.raises(KeyProviderError) as caught:
                tested.unwrap(wraps, CONTEXT)
        assert caught.value.retryable
        assert list(caught.value.causes) == list(REGIONS)
        for region, cause in zip(REGIONS, ("Could not connect", "Read timeout", "ThrottlingException"), strict=True):
            assert f"{region}: " in str(caught.value)
            assert cause in str(caught.value)


class TestDecisions:
    """What somebody decided, or what is the same everywhere, stops."""

    @pytest.mark.parametrize(
        "code", ["AccessDeniedException", "DisabledException", "InvalidGrantTokenException", "InvalidKeyUsageException"]
    )
    def test_a_refusal(self, aws: LocalAws, key: str, wraps: list[WrappedKey], watch: Watch, code: str) -> None:
        """It names region and cause, and no other region is asked; nor is it taken for an outage."""
        with failing(code) as refusing:
            tested = provider(aws, key, refusing.url)
            for _ in range(2):
                with pytest.raises(KeyAccessDeniedError, match=f"{HOME}: .*{code}") as caught:
                    watch(tested.unwrap, wraps, CONTEXT)
                assert watch.calls() == [(HOME, code)]
                assert not caught.value.retryable
                assert list(caught.value.causes) == [HOME]

    def test_a_refusal_that_is_declared_an_outage(
        self, aws: LocalAws, key: str, wraps: list[WrappedKey], watch: Watch
    ) -> None:
        """With `failover_on_denied` the next region serves."""
        with failing("AccessDeniedException", "403 Forbidden") as refusing:
            tested = provider(aws, key, refusing.url, failover_on_denied=True)
            assert watch(tested.unwrap, wraps, CONTEXT) == DATA_KEY
            assert watch.calls() == [(HOME, "AccessDeniedException"), (AWAY, None)]

    def test_refusals_everywhere(self, key: str, wraps: list[WrappedKey]) -> None:
        """If all regions refuse it is a refusal, with `failover_on_denied` too."""
        with failing("DisabledException") as one, failing("AccessDeniedException") as other:
            tested = AwsKmsKeyProvider(
                key,
                [HOME, AWAY],
                session_factory=session,
                endpoint_urls={HOME: one.url, AWAY: other.url},
                failover_on_denied=True,
            )
            with pytest.raises(KeyAccessDeniedError) as caught:
                tested.unwrap(wraps, CONTEXT)
        assert list(caught.value.causes) == [HOME, AWAY]

    def test_no_replica_here(self, aws: LocalAws, key: str, wraps: list[WrappedKey], watch: Watch) -> None:
        """The next region serves; this one is well, and asked again."""
        with failing("NotFoundException") as empty:
            tested = provider(aws, key, empty.url)
            for _ in range(2):
                assert watch(tested.unwrap, wraps, CONTEXT) == DATA_KEY
                assert watch.calls() == [(HOME, "NotFoundException"), (AWAY, None)]

    @pytest.mark.parametrize("code", ["InvalidCiphertextException", "IncorrectKeyException"])
    def test_what_is_not_authentic(
        self, aws: LocalAws, key: str, wraps: list[WrappedKey], watch: Watch, code: str
    ) -> None:
        """It is not authentic in any region."""
        with failing(code) as strict, pytest.raises(DecryptionError):
            watch(provider(aws, key, strict.url).unwrap, wraps, CONTEXT)
        assert watch.calls() == [(HOME, code)]

    @pytest.mark.parametrize("code", ["ValidationException", "SomethingNew"])
    def test_a_wrong_request(self, aws: LocalAws, key: str, wraps: list[WrappedKey], watch: Watch, code: str) -> None:
        """What would be wrong everywhere is said at once, as an error that waiting does not cure."""
        with failing(code) as strict, pytest.raises(KeyProviderError, match=code) as caught:
            watch(provider(aws, key, strict.url).unwrap, wraps, CONTEXT)
        assert watch.calls() == [(HOME, code)]
        assert not caught.value.retryable


class TestPatience:
    """Nobody waits for longer than was configured."""

    def test_one_deadline_for_all_regions(self, key: str, wraps: list[WrappedKey], watch: Watch) -> None:
        """With three regions that hang, no call begins after the deadline, and the last region says so."""
        with silent() as one, silent() as two, silent() as three:
            urls = dict(zip(REGIONS, (one.url, two.url, three.url), strict=True))
            tested = AwsKmsKeyProvider(
                key,
                REGIONS,
                session_factory=session,
                endpoint_urls=urls,
                timeout=TIMEOUT,
                deadline=timedelta(milliseconds=500),
            )
            for region in REGIONS:
                tested._access.clients.at(_place(key, region))  # which takes its time, but once
            began = monotonic()
            with pytest.raises(KeyProviderError) as caught:
                watch(tested.unwrap, wraps, CONTEXT)
            assert monotonic() - began < 3
        asked = [place for place, _ in watch.calls()]
        assert asked in ([HOME], [HOME, AWAY])  # a busy machine may notice the first time-out after the deadline
        assert isinstance(caught.value.causes[THIRD], TimeoutError)

    def test_one_deadline_for_all_keys(self, watch: Watch) -> None:
        """So too for a data key that is wrapped under several keys."""
        keys = [SINGLE_ARN.replace(HOME, region) for region in REGIONS]
        with silent() as mute:
            tested = AwsKmsKeyProvider(
                keys,
                require=2,
                session_factory=session,
                endpoint_urls=dict.fromkeys(REGIONS, mute.url),
                timeout=TIMEOUT,
                deadline=timedelta(milliseconds=500),
            )
            began = monotonic()
            with pytest.raises(KeyProviderError, match="2 are required"):
                watch(tested.wrap, DATA_KEY, CONTEXT)
            assert monotonic() - began < 3
        assert len(watch.calls()) <= 2

    def test_retries_do_not_multiply(self, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each region sees three requests at most, whatever botocore is told by its environment."""
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "7")
        monkeypatch.setenv("AWS_RETRY_MODE", "standard")
        with failing("InternalFailure", "500 Error") as one, failing("ThrottlingException") as other:
            urls = {HOME: one.url, AWAY: other.url}
            tested = AwsKmsKeyProvider(key, [HOME, AWAY], session_factory=session, endpoint_urls=urls)
            with pytest.raises(KeyProviderError):
                tested.wrap(DATA_KEY, CONTEXT)
            assert (len(one.requests), len(other.requests)) == (3, 3)

    def test_the_order_is_the_same_every_time(self, aws: LocalAws, key: str, watch: Watch) -> None:
        """Regions are asked as they were listed, not as they come."""
        order = [THIRD, HOME, AWAY]
        with failing("NotFoundException") as empty:
            for _ in range(5):
                tested = AwsKmsKeyProvider(
                    key, order, session_factory=session, endpoint_urls=dict.fromkeys(REGIONS, empty.url)
                )
                with pytest.raises(KeyProviderError) as caught:
                    watch(tested.wrap, DATA_KEY, CONTEXT)
                assert [place for place, _ in watch.calls()] == list(caught.value.causes) == order


class TestProbes:
    """A region that failed is left alone for the cool-down; then one caller finds out for all."""

    COOLDOWN = 30.0

    @pytest.fixture
    def regions(self) -> dict[str, Region]:
        """Three regions that work."""
        return {region: Region() for region in REGIONS}

    @pytest.fixture
    def tested(self, regions: dict[str, Region]) -> AwsKmsKeyProvider:
        """A provider over these regions."""
        return AwsKmsKeyProvider(ARN, REGIONS, client_factory=lambda region: FlakyClient(regions[region]))

    @staticmethod
    def unwrap(tested: AwsKmsKeyProvider) -> None:
        assert tested.unwrap([WrappedKey(ARN, b"x")], CONTEXT) == DATA_KEY

    def test_one_prober(self, tested: AwsKmsKeyProvider, regions: dict[str, Region], later: Later) -> None:
        """Of many threads that come after the cool-down one asks the failed region; the others do not wait."""
        regions[HOME].away = True
        self.unwrap(tested)
        probe = Toll()
        regions[HOME].before_answer = probe.wait
        later.advance(self.COOLDOWN + 1)
        start = threading.Barrier(16, timeout=PATIENCE)

        def work() -> None:
            start.wait()
            self.unwrap(tested)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        probe.until_reached()
        while sum(thread.is_alive() for thread in threads) > 1:
            for thread in threads:
                thread.join(0.01)
        assert (regions[HOME].calls, regions[AWAY].calls) == (2, 16)
        probe.open()
        for thread in threads:
            thread.join(PATIENCE)

    def test_one_prober_of_a_region_further_down(
        self, tested: AwsKmsKeyProvider, regions: dict[str, Region], later: Later
    ) -> None:
        """Threads that all wait for the first region do not all probe the second when that fails."""
        regions[AWAY].away = regions[HOME].away = True
        self.unwrap(tested)
        regions[HOME].away = False
        later.advance(self.COOLDOWN + 1)
        self.unwrap(tested)  # the first is well again; the second is still to be probed
        first, probe = Toll(), Toll()
        regions[HOME].away = True
        regions[HOME].before_answer, regions[AWAY].before_answer = first.wait, probe.wait
        threads = [threading.Thread(target=self.unwrap, args=(tested,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        first.until_reached(8)
        before = regions[AWAY].calls
        first.open()
        probe.until_reached()
        while sum(thread.is_alive() for thread in threads) > 1:
            for thread in threads:
                thread.join(0.01)
        assert regions[AWAY].calls - before == 1
        probe.open()
        for thread in threads:
            thread.join(PATIENCE)

    def test_a_probe_that_succeeds(self, tested: AwsKmsKeyProvider, regions: dict[str, Region], later: Later) -> None:
        """The region is the first again."""
        regions[HOME].away = True
        self.unwrap(tested)
        regions[HOME].away = False
        self.unwrap(tested)
        assert regions[HOME].calls == 1
        later.advance(self.COOLDOWN + 1)
        for _ in range(3):
            self.unwrap(tested)
        assert (regions[HOME].calls, regions[AWAY].calls) == (4, 2)

    def test_a_probe_that_fails(self, tested: AwsKmsKeyProvider, regions: dict[str, Region], later: Later) -> None:
        """The region is left alone for another cool-down."""
        regions[HOME].away = True
        for expected in (1, 2, 3):
            for _ in range(3):
                self.unwrap(tested)
            assert regions[HOME].calls == expected
            later.advance(self.COOLDOWN + 1)

    def test_sick_regions_are_better_than_none(
        self, tested: AwsKmsKeyProvider, regions: dict[str, Region], later: Later
    ) -> None:
        """Where all regions failed lately they are asked all the same."""
        for region in regions.values():
            region.away = True
        with pytest.raises(KeyProviderError):
            self.unwrap(tested)
        regions[THIRD].away = False
        self.unwrap(tested)

    def test_a_client_that_raises_something_else(
        self, tested: AwsKmsKeyProvider, regions: dict[str, Region], watch: Watch
    ) -> None:
        """What stops a call in the middle is no success in the events."""

        def interrupt() -> None:
            raise KeyboardInterrupt

        regions[HOME].before_answer = interrupt
        with pytest.raises(KeyboardInterrupt):
            watch(self.unwrap, tested)
        assert watch.calls() == [(HOME, "interrupted")]


def _place(key: str, region: str) -> Any:
    from fieldcrypt.keys.aws_kms.clients import Place

    return Place(key.split(":")[4], region)


def _self_signed(directory: Path) -> ssl.SSLContext:
    """A server's side of TLS for localhost, with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = directory / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def _reachable(error: Exception) -> Iterator[Any]:
    """Yield all strings and bytes that can be reached from an error, over frames of tracebacks too."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (ModuleType, type)):
            continue
        seen.add(id(thing))
        if isinstance(thing, (str, bytes, bytearray)):
            yield thing
        elif isinstance(thing, FrameType):
            waiting.extend(thing.f_locals.values())
        elif not callable(thing):
            waiting.extend(gc.get_referents(thing))

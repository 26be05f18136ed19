"""What KMS, and the way to it, can do wrong: which failures lead to the next region, which stop, and who waits."""

from __future__ import annotations

import base64
import gc
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import FrameType, ModuleType
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyAccessDeniedError,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    MemoryKeyStore,
    WrappedKey,
    _system,
)
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.support.doubles import PATIENCE, Later, Toll

HOME, AWAY, THIRD = REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")
ARN = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
SINGLE_ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CONTEXT = {"fieldcrypt:purpose": "encryption"}
DATA_KEY = bytes(range(32))
TIMEOUT = timedelta(milliseconds=300)

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds
_SESSION: Any = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")


def session(account: str, region: str) -> Any:
    """A session factory with made-up credentials."""
    return _SESSION


class Server:
    """A loopback port that does the same with every connection; remembers the requests."""

    def __init__(self, serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[dict[str, Any]] = []
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    if self._tls is None:
                        self._note(_request(connection))
                        self._serve(connection)
                    else:
                        self._tls.wrap_socket(connection, server_side=True).close()
                except OSError:
                    pass  # the client went away

    def _note(self, body: bytes) -> None:
        self.requests.append(json.loads(body) if body.startswith(b"{") else {})

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)


def _request(connection: socket.socket) -> bytes:
    """Read one HTTP request, and return its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65_536)
        if not received:
            return b""
        data += received
        if not data.startswith(b"POST"):
            return data  # not HTTP
    head, _, body = data.partition(b"\r\n\r\n")
    (length,) = (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(65_536)
    return body


def answering(body: bytes, status: str = "200 OK", *, missing: int = 0) -> Server:
    """A server that gives one answer to everything, of which some bytes may be missing at the end."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body) + missing}\r\n"
    return Server(lambda connection: connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body))


def failing(code: str, status: str = "400 Bad Request", message: str = "made up") -> Server:
    """A KMS that answers with an error."""
    return answering(json.dumps({"__type": code, "message": message}).encode(), status)


@contextmanager
def _url(url: str) -> Iterator[Any]:
    class Nobody:
        requests: tuple[Any, ...] = ()

    nobody = Nobody()
    nobody.url = url  # type: ignore[attr-defined]
    yield nobody


@contextmanager
def refused() -> Iterator[Any]:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        with _url(f"http://127.0.0.1:{bound.getsockname()[1]}") as nobody:
            yield nobody


@contextmanager
def silent() -> Iterator[Any]:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # which nobody serves
        yield stack.enter_context(_url(f"http://127.0.0.1:{server.getsockname()[1]}"))


@contextmanager
def unreachable() -> Iterator[Any]:
    """A port whose queue of connections is full: packets to it are dropped."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield stack.enter_context(_url(f"http://127.0.0.1:{server.getsockname()[1]}"))


@contextmanager
def plain_where_tls_is_due() -> Iterator[Any]:
    with answering(b"{}") as server:
        server.url = server.url.replace("http:", "https:")
        yield server


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def encoded(part: object) -> bytes:
    return json.dumps({"Plaintext": part}).encode()


OUTAGES: dict[str, tuple[Callable[[], AbstractContextManager[Any]], str]] = {
    "refused": (refused, "EndpointConnectionError"),
    "unknown name": (lambda: _url("https://nonexistent.invalid"), "EndpointConnectionError"),
    "no TLS": (plain_where_tls_is_due, "SSLError"),
    "time to connect": (unreachable, "ConnectTimeoutError"),
    "time to read": (silent, "ReadTimeoutError"),
    "reset": (lambda: Server(_reset), "ConnectionClosedError"),
    "closed": (lambda: Server(lambda _: None), "ConnectionClosedError"),
    "500": (lambda: answering(b"", "500 Internal Server Error"), "500"),
    "502 in HTML": (lambda: answering(b"<html>\xe9</html>", "502 Bad Gateway"), "502"),
    "503 unknown": (lambda: failing("SomethingNew", "503 Service Unavailable"), "SomethingNew"),
    "429": (lambda: failing("TooMany", "429 Too Many Requests"), "TooMany"),
    "throttled": (lambda: failing("ThrottlingException"), "ThrottlingException"),
    "internal": (lambda: failing("KMSInternalException", "500 Internal Server Error"), "KMSInternalException"),
    "dependency": (lambda: failing("DependencyTimeoutException", "503 Unavailable"), "DependencyTimeoutException"),
    "key unavailable": (lambda: failing("KeyUnavailableException", "500 Error"), "KeyUnavailableException"),
    "HTML": (lambda: answering(b"<html>Please log in</html>"), "IncompleteAnswerError"),
    "HTML not in UTF-8": (lambda: answering(b"<html>Geb\xfchr</html>"), "IncompleteAnswerError"),
    "truncated JSON": (lambda: answering(encoded("AAAA")[:-4]), "IncompleteAnswerError"),
    "cut off": (lambda: answering(encoded("AAAA")[:-4], missing=4), "IncompleteAnswerError"),
    "empty": (lambda: answering(b""), "IncompleteAnswerError"),
    "nothing in it": (lambda: answering(b"{}"), "IncompleteAnswerError"),
    "null": (lambda: answering(b"null"), "IncompleteAnswerError"),
    "a list": (lambda: answering(b"[1]"), "IncompleteAnswerError"),
    "no text": (lambda: answering(encoded(7)), "IncompleteAnswerError"),
    "no base64": (lambda: answering(encoded("A")), "IncompleteAnswerError"),
    "an error that is none": (lambda: answering(b'{"__type": 7}', "500 Error"), "IncompleteAnswerError"),
}
# Where the connection ends without an answer it may have been dead before, so a fresh one is tried.
TRIED_TWICE = {"reset", "closed"}


class Aws(LocalAws):
    """Regions whose clients are made once, for that takes time."""

    def __init__(self, regions: Sequence[str]) -> None:
        super().__init__(regions)
        self._clients: dict[str, Any] = {}

    def kms(self, region: str, *, endpoint_url: str | None = None) -> Any:
        if region not in self._clients:
            self._clients[region] = super().kms(region)
        return self._clients[region]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """Three regions."""
    with Aws(REGIONS) as aws:
        yield aws


@pytest.fixture(scope="module")
def key(aws: LocalAws) -> str:
    """The ARN of a multi-Region key in all regions."""
    return aws.create_key()


@pytest.fixture(scope="module")
def keys(aws: LocalAws) -> list[str]:
    """The ARNs of keys that are not multi-Region, one in each region."""
    return [aws.kms(region).create_key()["KeyMetadata"]["Arn"] for region in REGIONS]


@pytest.fixture(scope="module")
def wraps(aws: LocalAws, key: str) -> list[WrappedKey]:
    """A wrapped data key."""
    return list(AwsKmsKeyProvider(key, [AWAY], client_factory=aws.kms).wrap(DATA_KEY, CONTEXT))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Clocks that can be put forward."""
    later = Later()
    monkeypatch.setattr(_system, "monotonic", later.monotonic)
    monkeypatch.setattr(_system, "wall_clock", later.wall_clock)
    return later


class Watch:
    """The calls of KMS, and what else providers report, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._destination = Events(self.events.append)

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return what work returns; forget what was seen before."""
        self.events.clear()
        return self._destination.watch(lambda: work(*arguments))

    def calls(self) -> list[tuple[str | None, str | None]]:
        """Where KMS was asked, and the cause if it failed."""
        return [(event.place, event.cause) for event in self.events if event.kind is EventKind.KMS_CALL]


@pytest.fixture
def watch() -> Watch:
    """Sees what providers report."""
    return Watch()


def provider(aws: LocalAws, key: str, home: str, **options: Any) -> AwsKmsKeyProvider:
    """A provider whose first region is somewhere else, and whose second one works."""
    urls = {HOME: home, AWAY: aws.endpoint(AWAY)}
    return AwsKmsKeyProvider(
        key, [HOME, AWAY], session_factory=session, endpoint_urls=urls, **{"timeout": TIMEOUT, **options}
    )


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
            assert watch.calls() == [*[(HOME, cause)] * tries, (AWAY, None)]
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


class FlakyClient:
    """A client of KMS that fails, hangs or works as its region does."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def decrypt(self, **_: Any) -> Any:
        self._region.calls += 1
        if self._region.before_answer is not None:
            self._region.before_answer()
        if self._region.away:
            raise EndpointConnectionError(endpoint_url="http://made.up")
        return {"Plaintext": DATA_KEY}


class Region:
    """A region of KMS that a test switches."""

    def __init__(self) -> None:
        self.calls = 0
        self.away = False
        self.before_answer: Callable[[], object] | None = None


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


class TestSeveralKeys:
    """Keys that are not multi-Region, of which some have to wrap a data key."""

    @staticmethod
    @contextmanager
    def over(aws: LocalAws, keys: list[str], *lost: str, **options: Any) -> Iterator[AwsKmsKeyProvider]:
        """A provider that cannot reach some of the regions."""
        with refused() as nobody:
            urls = {region: nobody.url if region in lost else aws.endpoint(region) for region in REGIONS}
            yield AwsKmsKeyProvider(
                keys, session_factory=session, endpoint_urls=urls, **{"deadline": timedelta(seconds=1), **options}
            )

    def test_all_have_to_wrap(self, aws: LocalAws, keys: list[str]) -> None:
        """By default one region that is lost keeps data keys from being made."""
        with self.over(aws, keys, AWAY) as tested, pytest.raises(KeyProviderError, match=AWAY) as caught:
            tested.wrap(DATA_KEY, CONTEXT)
        assert caught.value.retryable

    @pytest.mark.parametrize(("require", "lost"), [("any", (HOME, THIRD)), (1, (HOME, AWAY)), (2, (AWAY,))])
    def test_as_many_as_are_required(
        self, aws: LocalAws, keys: list[str], watch: Watch, require: Any, lost: tuple[str, ...]
    ) -> None:
        """What is missing is reported, key by key; what is there unwraps."""
        with self.over(aws, keys, *lost, require=require) as tested:
            wraps = watch(tested.wrap, DATA_KEY, CONTEXT)
            missing = [event.place for event in watch.events if event.kind is EventKind.WRAP_MISSING]
            assert missing == [key for region, key in zip(REGIONS, keys, strict=True) if region in lost]
            assert [wrap.name for wrap in wraps] == [key for key in keys if key not in missing]
            assert tested.unwrap(wraps, CONTEXT) == DATA_KEY

    def test_nothing_is_missing_when_all_work(self, aws: LocalAws, keys: list[str], watch: Watch) -> None:
        """More than is required is made where that costs no wait."""
        tested = AwsKmsKeyProvider(keys, require="any", client_factory=aws.kms)
        assert {wrap.name for wrap in watch(tested.wrap, DATA_KEY, CONTEXT)} == set(keys)
        assert {event.kind for event in watch.events} == {EventKind.KMS_CALL}

    def test_nobody_waits_for_a_sick_region(self, watch: Watch) -> None:
        """Once as many as are required have wrapped, a region that failed lately is not asked."""
        keys = [SINGLE_ARN.replace(HOME, region) for region in REGIONS]
        sealed = json.dumps({"CiphertextBlob": "AAAA"}).encode()
        with silent() as mute, answering(sealed) as one, answering(sealed) as other:
            urls = dict(zip(REGIONS, (mute.url, one.url, other.url), strict=True))
            tested = AwsKmsKeyProvider(keys, require=2, session_factory=session, endpoint_urls=urls, timeout=TIMEOUT)
            for _ in range(3):
                assert len(watch(tested.wrap, DATA_KEY, CONTEXT)) == 2
            assert watch.calls() == [(AWAY, None), (THIRD, None)]

    def test_too_few(self, aws: LocalAws, keys: list[str]) -> None:
        """The error has the causes of all keys that could not wrap."""
        lost = self.over(aws, keys, HOME, THIRD, require=2)
        with lost as tested, pytest.raises(KeyProviderError, match="only 1 of 3") as caught:
            tested.wrap(DATA_KEY, CONTEXT)
        assert list(caught.value.causes) == [f"{keys[0]} in {HOME}", f"{keys[2]} in {THIRD}"]
        assert caught.value.retryable

    def test_a_refusal_stops(self, aws: LocalAws, keys: list[str]) -> None:
        """A key that must not wrap is no outage, though enough others could."""
        disabled = aws.kms(AWAY).create_key()["KeyMetadata"]["Arn"]
        aws.kms(AWAY).disable_key(KeyId=disabled.rpartition("/")[2])
        with pytest.raises(KeyAccessDeniedError, match=AWAY):
            AwsKmsKeyProvider([*keys, disabled], require="any", client_factory=aws.kms).wrap(DATA_KEY, CONTEXT)

    def test_what_was_missing_is_added(self, aws: LocalAws, keys: list[str]) -> None:
        """`data_keys.repair()` adds the wrap of a region that came back, so that this region alone is enough."""
        store = MemoryKeyStore()
        with self.over(aws, keys, THIRD, require=2) as tested:
            writer = Encryptor(tested, store)
            value = writer.field("a.b", str).encrypt("x")
        assert writer.stats().events["wrap_missing"] == 1
        report = Encryptor(AwsKmsKeyProvider(keys, require=2, client_factory=aws.kms), store).data_keys.repair()
        assert (report.changed, report.complete) == (1, True)
        (record,) = store.list(None)
        assert isinstance(record, KeyRecord)
        assert {wrap.name for wrap in record.wraps} == set(keys)
        alone = Encryptor(AwsKmsKeyProvider(keys[2], client_factory=aws.kms), store)
        assert alone.field("a.b", str).decrypt(value) == "x"


class TestAccess:
    """How KMS is reached."""

    def test_a_session_for_each_account_and_region(self, watch: Watch) -> None:
        """The session factory is told the account and the region, once for each."""
        asked: list[tuple[str, str]] = []

        def factory(account: str, region: str) -> Any:
            asked.append((account, region))
            return _SESSION

        keys = [SINGLE_ARN, SINGLE_ARN.replace(HOME, AWAY).replace("111122223333", "444455556666")]
        with answering(json.dumps({"CiphertextBlob": "AAAA"}).encode()) as server:
            urls = {HOME: server.url, AWAY: server.url}
            tested = AwsKmsKeyProvider(keys, session_factory=factory, endpoint_urls=urls)
            for _ in range(2):
                tested.wrap(DATA_KEY, CONTEXT)
        assert asked == [("111122223333", HOME), ("444455556666", AWAY)]

    def test_grant_tokens_go_with_every_call(self, key: str, wraps: list[WrappedKey]) -> None:
        """Encrypt, Decrypt and DescribeKey."""
        alias = "arn:aws:kms:us-east-1:111122223333:alias/ours"
        answer = {
            "CiphertextBlob": "AAAA",
            "Plaintext": base64.b64encode(DATA_KEY).decode(),
            "KeyId": SINGLE_ARN,
            "KeyMetadata": {"Arn": SINGLE_ARN, "KeyId": "1"},
        }
        with answering(json.dumps(answer).encode()) as server:
            tested = AwsKmsKeyProvider(
                alias, [HOME], session_factory=session, endpoint_urls={HOME: server.url}, grant_tokens=["a", "b"]
            )
            tested.wrapping_keys()
            tested.unwrap(tested.wrap(DATA_KEY, CONTEXT), CONTEXT)
        assert [request["GrantTokens"] for request in server.requests] == [["a", "b"]] * 3
        assert [request["KeyId"] for request in server.requests] == [alias, alias, SINGLE_ARN]

    @pytest.mark.parametrize("option", [{"session_factory": session}, {"endpoint_urls": {HOME: "http://x"}}])
    def test_a_client_factory_excludes_its_parts(self, option: dict[str, Any]) -> None:
        """Who makes whole clients makes their sessions and endpoints too."""
        with pytest.raises(ConfigurationError, match="client_factory"):
            AwsKmsKeyProvider(ARN, client_factory=lambda region: None, **option)

    def test_an_endpoint_of_a_region_that_is_none(self) -> None:
        """A misspelt region is said when the provider is made."""
        with pytest.raises(ConfigurationError, match="Frankfurt"):
            AwsKmsKeyProvider(ARN, endpoint_urls={"Frankfurt": "http://x"})


class TestAliases:
    """The ARN of an alias, which can move to another key."""

    @pytest.fixture
    def alias(self, aws: LocalAws, key: str, request: pytest.FixtureRequest) -> Iterator[str]:
        """The ARN of an alias of the key in its first region."""
        name = f"alias/{request.node.name.replace('[', '-').replace(']', '')}"
        aws.kms(HOME).create_alias(AliasName=name, TargetKeyId=key.rpartition("/")[2])
        yield f"{key.rpartition(':')[0]}:{name}"
        aws.kms(HOME).delete_alias(AliasName=name)

    @staticmethod
    def move(aws: LocalAws, alias: str) -> str:
        """Let an alias point to a new key, and return that."""
        arn = aws.create_key()
        aws.kms(HOME).update_alias(AliasName=alias.rpartition(":")[2], TargetKeyId=arn.rpartition("/")[2])
        return arn

    def test_wraps_name_the_key(self, aws: LocalAws, key: str, alias: str) -> None:
        """The key that an alias points to unwraps what was wrapped by the alias, and so do its replicas."""
        tested = AwsKmsKeyProvider(alias, [HOME], client_factory=aws.kms)
        (wrap,) = tested.wrap(DATA_KEY, CONTEXT)
        assert wrap.name == key
        assert tested.wrapping_keys() == [key]
        for reader in (tested, AwsKmsKeyProvider(key, [AWAY], client_factory=aws.kms)):
            assert reader.unwrap([wrap], CONTEXT) == DATA_KEY

    def test_an_alias_that_moved_while_a_process_runs(self, aws: LocalAws, key: str, alias: str, later: Later) -> None:
        """Old and new values are read, and new ones are written under the new key."""
        tested = AwsKmsKeyProvider(alias, [HOME], client_factory=aws.kms)
        old = tested.wrap(DATA_KEY, CONTEXT)
        moved_to = self.move(aws, alias)
        new = tested.wrap(DATA_KEY, CONTEXT)
        assert [wrap.name for wrap in (*old, *new)] == [key, moved_to]
        assert tested.unwrap(old, CONTEXT) == tested.unwrap(new, CONTEXT) == DATA_KEY
        later.advance(120)
        assert tested.unwrap(old, CONTEXT) == tested.unwrap(new, CONTEXT) == DATA_KEY
        assert tested.wrapping_keys() == [moved_to]

    def test_an_alias_that_moved_before(self, aws: LocalAws, key: str, alias: str) -> None:
        """A new process reads old values with the old key in a chain, and without it not at all."""
        store = MemoryKeyStore()
        before = Encryptor(AwsKmsKeyProvider(alias, [HOME], client_factory=aws.kms), store)
        value = before.field("a.b", str).encrypt("x")
        self.move(aws, alias)
        with pytest.raises(DecryptionError):
            Encryptor(AwsKmsKeyProvider(alias, [HOME], client_factory=aws.kms), store).field("a.b", str).decrypt(value)
        chain = KeyProviderChain(
            AwsKmsKeyProvider(alias, [HOME], client_factory=aws.kms),
            AwsKmsKeyProvider(key, [AWAY], client_factory=aws.kms),
        )
        assert Encryptor(chain, store).field("a.b", str).decrypt(value) == "x"

    def test_foreign_wraps_do_not_cost_a_call_each(self, aws: LocalAws, alias: str, later: Later) -> None:
        """Whoever writes records under made-up keys makes no more than one DescribeKey a minute."""
        tested = AwsKmsKeyProvider(alias, [HOME], client_factory=aws.kms)
        before = aws.calls.copy()
        for minute in (1, 2):
            for number in range(20):
                forged = ARN.replace("1234abcd", f"{number:08x}")
                with pytest.raises(DecryptionError):
                    tested.unwrap([WrappedKey(forged, b"x")], CONTEXT)
            assert (aws.calls - before)["kms", "DescribeKey", HOME] == minute
            later.advance(61)
        assert set(aws.calls - before) == {("kms", "DescribeKey", HOME)}

    @pytest.mark.parametrize("foreign", ["account", "partition", "alias"])
    def test_a_name_that_is_not_quite_the_keys(self, aws: LocalAws, key: str, alias: str, foreign: str) -> None:
        """The same key id in another account is another key; and no wrap is under an alias."""
        tested = AwsKmsKeyProvider(alias, [HOME], client_factory=aws.kms)
        (wrap,) = tested.wrap(DATA_KEY, CONTEXT)
        account = key.split(":")[4]
        name = {
            "account": key.replace(account, "444455556666"),
            "partition": key.replace("arn:aws:", "arn:aws-cn:"),
            "alias": alias,
        }[foreign]
        with pytest.raises(DecryptionError):
            tested.unwrap([wrap._replace(name=name)], CONTEXT)

    def test_an_alias_whose_region_is_lost(self, aws: LocalAws, alias: str, watch: Watch) -> None:
        """Another key that is configured unwraps, and the alias is not asked for again and again."""
        other = aws.kms(AWAY).create_key()["KeyMetadata"]["Arn"]
        wraps = AwsKmsKeyProvider([alias, other], [HOME, AWAY], client_factory=aws.kms).wrap(DATA_KEY, CONTEXT)
        with failing("KMSInternalException", "500 Error") as down:
            tested = AwsKmsKeyProvider(
                [alias, other],
                [HOME],
                session_factory=session,
                endpoint_urls={HOME: down.url, AWAY: aws.endpoint(AWAY)},
            )
            assert watch(tested.unwrap, wraps, CONTEXT) == DATA_KEY
            assert set(watch.calls()) == {(HOME, "KMSInternalException"), (AWAY, None)}
            assert watch(tested.unwrap, wraps, CONTEXT) == DATA_KEY
            assert watch.calls() == [(AWAY, None)]

    def test_an_alias_that_cannot_be_asked(self, alias: str) -> None:
        """If nothing else is configured that is an outage, and not a value that is not authentic."""
        with failing("KMSInternalException", "500 Error") as down:
            tested = AwsKmsKeyProvider(alias, [HOME], session_factory=session, endpoint_urls={HOME: down.url})
            with pytest.raises(KeyProviderError, match="describe") as caught:
                tested.unwrap([WrappedKey(ARN, b"x")], CONTEXT)
        assert caught.value.retryable


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


class TestSetUpsThatAreWrongInPart:
    """What is wrong with one key does not stop the others, unless all are required."""

    @pytest.fixture
    def keys(self, aws: LocalAws) -> list[str]:
        """A single-Region key in each region."""
        return [aws.kms(region).create_key()["KeyMetadata"]["Arn"] for region in (HOME, AWAY)]

    def test_a_key_that_does_not_exist_is_missing(self, aws: LocalAws, keys: list[str]) -> None:
        """As one whose region is away."""
        gone = keys[0][:-12] + "0" * 12
        provider = AwsKmsKeyProvider([gone, keys[1]], client_factory=aws.kms, require="any")
        assert [wrap.name for wrap in provider.wrap(DATA_KEY, CONTEXT)] == [keys[1]]

    def test_an_alias_beside_its_own_key(self, aws: LocalAws, keys: list[str]) -> None:
        """One key under two names is said to be one when KMS says so."""
        name = f"alias/twin-{keys[0][-12:]}"
        aws.kms(HOME).create_alias(AliasName=name, TargetKeyId=keys[0].rpartition("/")[2])
        alias = f"{keys[0].rpartition(':')[0]}:{name}"
        with pytest.raises(ConfigurationError, match="one and the same key"):
            AwsKmsKeyProvider([alias, keys[0]], [HOME], client_factory=aws.kms).wrap(DATA_KEY, CONTEXT)

    def test_a_chain_whose_first_provider_has_an_alias_in_a_region_that_is_away(
        self, aws: LocalAws, keys: list[str]
    ) -> None:
        """The second provider serves."""
        name = f"alias/away-{keys[0][-12:]}"
        aws.kms(HOME).create_alias(AliasName=name, TargetKeyId=keys[0].rpartition("/")[2])
        alias = f"{keys[0].rpartition(':')[0]}:{name}"
        second = AwsKmsKeyProvider(keys[1], client_factory=aws.kms)
        chain = KeyProviderChain(AwsKmsKeyProvider(alias, [HOME], client_factory=aws.kms), second)
        wraps = second.wrap(DATA_KEY, CONTEXT)
        aws.cut(HOME)
        try:
            assert chain.unwrap(wraps, CONTEXT) == DATA_KEY
        finally:
            aws.restore(HOME)

    def test_a_repair_asks_only_the_key_that_is_missing(self, aws: LocalAws, keys: list[str]) -> None:
        """So that it works while another region is away."""
        third = aws.kms(AWAY).create_key()["KeyMetadata"]["Arn"]
        store = MemoryKeyStore()
        Encryptor(AwsKmsKeyProvider(keys, client_factory=aws.kms), store).field("a.b", str).encrypt("x")
        encryptor = Encryptor(AwsKmsKeyProvider([*keys, third], client_factory=aws.kms), store)
        aws.cut(HOME)
        try:
            assert encryptor.data_keys.repair() == (1, 0, 0, {}, None)
        finally:
            aws.restore(HOME)
        (record,) = store.list(None)
        assert isinstance(record, KeyRecord)
        assert {wrap.name for wrap in record.wraps} == {*keys, third}

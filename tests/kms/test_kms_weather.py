"""KMS in bad weather: connections that died, a refusal beside an outage, credentials, keys whose own store is away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    KeyAccessDeniedError,
    KeyPolicy,
    KeyProvider,
    KeyProviderChain,
    KeyProviderError,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    WrappedKey,
)
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import FaultyProxy, LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore
from tests.conftest import Clock
from tests.kms.test_kms_failures import Watch, answering, failing, session
from tests.support.doubles import PATIENCE

HOME, AWAY = "us-east-1", "eu-west-1"
CONTEXT = {"fieldcrypt:purpose": "encryption"}
DATA_KEY = bytes(range(32))
TTL, GRACE = timedelta(minutes=15), timedelta(hours=1)
SILENT = "The external key store proxy did not respond to the request in the time allotted. Retry the request."
CREDENTIALS = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "RequestExpired",
    "OptInRequired",
]


@pytest.fixture
def watch() -> Watch:
    """Sees what providers report."""
    return Watch()


class World:
    """Two regions, each behind a proxy, with one key whose policy in each region a test can change."""

    def __init__(self, aws: LocalAws, proxies: dict[str, FaultyProxy]) -> None:
        self.aws = aws
        self.proxies = proxies
        self.key = aws.create_key()
        self.events: list[Event] = []
        self._policy = aws.kms(HOME).get_key_policy(KeyId=self.key_id, PolicyName="default")["Policy"]

    @property
    def key_id(self) -> str:
        return self.key.rpartition("/")[2]

    def client(self, region: str) -> Any:
        """A client that goes through the proxy."""
        return self.aws.kms(region, endpoint_url=self.proxies[region].url)

    def provider(self, *regions: str, **options: Any) -> AwsKmsKeyProvider:
        return AwsKmsKeyProvider(self.key, regions or (HOME, AWAY), client_factory=self.client, **options)

    def field(self, provider: KeyProvider, store: MemoryKeyStore) -> Field[str]:
        return Encryptor(provider, store, KeyPolicy(TTL, grace=GRACE), observer=self.events.append).field("a.b", str)

    def deny(self, region: str) -> None:
        """Have the region's replica of the key refuse everybody."""
        denial = {"Effect": "Deny", "Principal": "*", "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [*json.loads(self._policy)["Statement"], denial]}
        self.aws.kms(region).put_key_policy(KeyId=self.key_id, PolicyName="default", Policy=json.dumps(policy))

    def allow(self, region: str) -> None:
        """Have it do as before."""
        self.aws.kms(region).put_key_policy(KeyId=self.key_id, PolicyName="default", Policy=self._policy)

    def asked(self) -> list[tuple[str | None, str | None]]:
        """Where KMS was asked since this was called last, and the cause if it failed."""
        calls = [(event.place, event.cause) for event in self.events if event.kind is EventKind.KMS_CALL]
        self.events.clear()
        return calls


@pytest.fixture(scope="module")
def regions() -> Iterator[tuple[LocalAws, dict[str, FaultyProxy]]]:
    """Two regions in processes of their own, for they share nothing but the material of keys."""
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws((HOME, AWAY), isolated=True))
        yield aws, {region: stack.enter_context(FaultyProxy(aws.endpoint(region))) for region in (HOME, AWAY)}


@pytest.fixture
def world(regions: tuple[LocalAws, dict[str, FaultyProxy]]) -> World:
    """Both regions in good weather."""
    aws, proxies = regions
    for proxy in proxies.values():
        proxy.healthy()
    return World(aws, proxies)


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


@contextmanager
def environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[None]:
    """A process with these credentials and no others."""
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


class TestCredentials:
    """What is wrong with credentials says nothing of the key, and may be right elsewhere, or next time."""

    @pytest.mark.parametrize("code", CREDENTIALS)
    def test_the_next_region_serves(self, world: World, watch: Watch, code: str) -> None:
        """The failed one is tried with a fresh client, once, and then left alone."""
        wraps = world.provider().wrap(DATA_KEY, CONTEXT)
        with failing(code) as strict:
            urls = {HOME: strict.url, AWAY: world.proxies[AWAY].url}
            provider = AwsKmsKeyProvider(world.key, [HOME, AWAY], session_factory=session, endpoint_urls=urls)
            assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
            assert watch.calls() == [(HOME, code), (HOME, code), (AWAY, None)]
            assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
            assert watch.calls() == [(AWAY, None)]

    def test_a_live_key_has_its_grace(self, world: World, clock: Clock) -> None:
        """And others are told that it can be tried again."""
        store = MemoryKeyStore()
        field = world.field(world.provider(), store)
        value = field.encrypt("x")
        for proxy in world.proxies.values():
            proxy.fail("UnrecognizedClientException", "The security token included in the request is invalid.")
        clock.advance((TTL + GRACE).total_seconds() - 1)
        assert field.decrypt(value) == "x"
        with pytest.raises(KeyProviderError, match="security token") as caught:
            world.field(world.provider(), store).decrypt(value)
        assert (caught.value.retryable, caught.value.grace) == (True, True)

    def test_a_session_whose_credentials_expired_is_made_again(self, world: World, watch: Watch) -> None:
        """In the same operation and region, and once for all threads."""
        made: list[Any] = []

        def factory(account: str, region: str) -> Any:
            made.append(region)
            return boto3.session.Session(aws_access_key_id=f"key{id(self)}{len(made)}", aws_secret_access_key="x")

        provider = AwsKmsKeyProvider(
            world.key, [HOME], session_factory=factory, endpoint_urls={HOME: world.proxies[HOME].url}
        )
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        world.proxies[HOME].expire_credentials()
        assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert watch.calls() == [(HOME, "ExpiredTokenException"), (HOME, None)]
        world.proxies[HOME].expire_credentials()
        world.proxies[HOME].delay(timedelta(seconds=0.2))  # so that all of them have the old client
        opened: list[bytes] = []
        threads = [threading.Thread(target=lambda: opened.append(provider.unwrap(wraps, CONTEXT))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert opened == [DATA_KEY] * 8
        assert len(made) == 3

    def test_a_clock_that_was_behind_for_a_moment(self, world: World, watch: Watch) -> None:
        """The first request after a freeze was signed before it: the second try signs afresh."""
        errors = [("InvalidSignatureException", "Signature expired: 20261129T180000Z is now earlier than …")]
        with stubbed([errors, []]) as (provider, wraps):
            assert watch(provider.unwrap, wraps, CONTEXT) == DATA_KEY
        assert watch.calls() == [(HOME, "InvalidSignatureException"), (HOME, None)]

    def test_credentials_that_come_later_are_found(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """boto3 looks for them when a client is made: one that was made without is not kept."""
        provider = AwsKmsKeyProvider(world.key, [HOME], endpoint_urls={HOME: world.proxies[HOME].url})
        with environment(monkeypatch):
            with pytest.raises(KeyProviderError, match="credentials") as caught:
                provider.wrap(DATA_KEY, CONTEXT)
            assert caught.value.retryable
            with environment(monkeypatch, AWS_ACCESS_KEY_ID="late", AWS_SECRET_ACCESS_KEY="x"):
                assert provider.unwrap(provider.wrap(DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY

    def test_a_key_store_finds_credentials_that_come_later(
        self, aws: LocalAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DynamoKeyStore keeps its client as well."""
        store = DynamoKeyStore("late-credentials", region=HOME)
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", aws.endpoint(HOME))
        with environment(monkeypatch):
            with pytest.raises(KeyStoreError, match="credentials"):
                store.list(None)
            with environment(monkeypatch, AWS_ACCESS_KEY_ID="late", AWS_SECRET_ACCESS_KEY="x"):
                store.create_table()
                assert store.list(None) == []

    def test_sts_that_refuses_is_no_refusal_of_the_key(self, world: World, clock: Clock) -> None:
        """A role that cannot be assumed for now ends no live key."""
        refusing = False

        def factory(account: str, region: str) -> Any:
            if refusing:
                error = {"Error": {"Code": "AccessDenied", "Message": "not authorized to perform sts:AssumeRole"}}
                raise ClientError(error, "AssumeRoleWithWebIdentity")  # type: ignore[arg-type]
            return session(account, region)

        urls = {region: proxy.url for region, proxy in world.proxies.items()}
        provider = AwsKmsKeyProvider(world.key, [HOME, AWAY], session_factory=factory, endpoint_urls=urls)
        store = MemoryKeyStore()
        field = world.field(provider, store)
        value = field.encrypt("x")
        for proxy in world.proxies.values():
            proxy.fail("ExpiredTokenException", "The security token included in the request is expired")
        refusing = True
        clock.advance((TTL + GRACE).total_seconds() - 1)
        assert field.decrypt(value) == "x"
        refusing = False
        for proxy in world.proxies.values():
            proxy.healthy()
        assert world.field(provider, store).decrypt(value) == "x"

    def test_sts_that_refuses_within_a_call_of_kms(
        self, world: World, watch: Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """As in a pod of EKS: botocore asks STS when it signs, and the error looks like one of KMS."""
        refusal = (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            "<Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message>"
            "</Error><RequestId>x</RequestId></ErrorResponse>"
        )
        (tmp_path / "token").write_text("a token")
        urls = {region: proxy.url for region, proxy in world.proxies.items()}
        provider = AwsKmsKeyProvider(world.key, [HOME, AWAY], endpoint_urls=urls)
        with answering(refusal.encode(), "403 Forbidden") as sts:
            pod = {
                "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod",
                "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
                "AWS_ENDPOINT_URL_STS": sts.url,
                "AWS_DEFAULT_REGION": HOME,
            }
            with environment(monkeypatch, **pod), pytest.raises(KeyProviderError, match="WebIdentity") as caught:
                watch(provider.wrap, DATA_KEY, CONTEXT)
        assert not isinstance(caught.value, KeyAccessDeniedError)
        assert (caught.value.retryable, caught.value.grace) == (True, True)
        assert list(caught.value.causes) == [HOME, AWAY]


@contextmanager
def stubbed(
    clients: Sequence[Sequence[tuple[str, str]]], state: str | None = None
) -> Iterator[tuple[AwsKmsKeyProvider, list[WrappedKey]]]:
    """A provider of one region, whose clients are botocore's, with the errors that each answers before it decrypts.

    Args:
        clients: for each client that is made, code and message of its errors.
        state: what DescribeKey says after an error; None if it may not be asked.
    """
    arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
    waiting = list(clients)

    def factory(region: str) -> Any:
        client = boto3.client("kms", region_name=region, aws_access_key_id="x", aws_secret_access_key="x")
        stub = Stubber(client)
        for code, message in waiting.pop(0):
            stub.add_client_error("decrypt", code, message, 400)
            if code == "KMSInvalidStateException" and state is not None:
                stub.add_response("describe_key", {"KeyMetadata": {"KeyId": arn, "KeyState": state}})
            elif code == "KMSInvalidStateException":
                stub.add_client_error("describe_key", "AccessDeniedException", "not authorized", 400)
        stub.add_response("decrypt", {"Plaintext": DATA_KEY})
        stub.activate()
        return client

    yield AwsKmsKeyProvider(arn, [HOME], client_factory=factory), [WrappedKey(arn, b"x")]


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


class TestAnswersOfTheWrongForm:
    """Whatever comes back in KMS's place ends in a KeyProviderError."""

    @pytest.mark.parametrize(
        "answer",
        [
            {"CiphertextBlob": None},
            {"CiphertextBlob": ""},
            {"CiphertextBlob": "QUFB" * 20_000},
            {"CiphertextBlob": 7},
            {"CiphertextBlob": ["QUFB"]},
            {"CiphertextBlob": "not base64"},
        ],
    )
    def test_to_encrypt(self, world: World, answer: dict[str, Any]) -> None:
        """Nothing is made of it: it could not be read again."""
        self._refused(answer, lambda provider: provider.wrap(DATA_KEY, CONTEXT), world.key)

    @pytest.mark.parametrize("part", [None, "", 7, {"a": 1}])
    def test_to_decrypt(self, world: World, part: Any) -> None:
        """No data key comes of it."""
        wraps = [WrappedKey(world.key, b"x")]
        self._refused({"Plaintext": part}, lambda provider: provider.unwrap(wraps, CONTEXT), world.key)

    @pytest.mark.parametrize("arn", [None, "", "junk", 7, "arn:aws:kms:us-east-1:111122223333:alias/other"])
    def test_to_the_question_which_key_an_alias_means(self, arn: Any) -> None:
        """DescribeKey and Encrypt both say."""
        alias = "arn:aws:kms:us-east-1:111122223333:alias/ours"
        answer = {"KeyMetadata": {"KeyId": "x", "Arn": arn}, "KeyId": arn, "CiphertextBlob": "AAAA"}
        self._refused(answer, lambda provider: provider.wrapping_keys(), alias)
        self._refused(answer, lambda provider: provider.wrap(DATA_KEY, CONTEXT), alias)

    @staticmethod
    def _refused(answer: dict[str, Any], work: Callable[[AwsKmsKeyProvider], object], key: str) -> None:
        with answering(json.dumps(answer).encode()) as server:
            provider = AwsKmsKeyProvider(
                key,
                [HOME],
                session_factory=session,
                endpoint_urls={HOME: server.url},
                deadline=timedelta(milliseconds=50),
            )
            with pytest.raises(KeyProviderError, match="is this KMS") as caught:
                work(provider)
        assert caught.value.retryable

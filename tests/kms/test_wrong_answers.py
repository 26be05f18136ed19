"""Credentials that are not accepted, and answers of the wrong form: the next region, and what is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from fieldcrypt import KeyAccessDeniedError, KeyProviderError, KeyStoreError, MemoryKeyStore, WrappedKey
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore
from tests.conftest import Clock
from tests.kms.broken_servers import answering, failing
from tests.kms.regions import AWAY, CONTEXT, DATA_KEY, HOME, session
from tests.kms.watch import Watch
from tests.kms.world import GRACE, TTL, World, stubbed
from tests.support.doubles import PATIENCE

CREDENTIALS = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "RequestExpired",
    "OptInRequired",
]


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

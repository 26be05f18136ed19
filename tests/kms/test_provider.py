"""AWS KMS in two regions: moto over HTTP, closed ports, and sockets that accept and never answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Field,
    KeyAccessDeniedError,
    KeyPolicy,
    KeyProviderError,
    KeyRecord,
    MemoryKeyStore,
    WrappedKey,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider, AwsKmsRsaKeyProvider, KmsAccess
from fieldcrypt.testing import LocalAws
from tests.support.outages import lost

HOME, AWAY = "us-east-1", "eu-west-1"
ARN = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
SINGLE_ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CONTEXT = {"fieldcrypt:purpose": "encryption"}
DATA_KEY = bytes(range(32))


def field(provider: AwsKmsKeyProvider, store: MemoryKeyStore, **policy: Any) -> Field[str]:
    return Encryptor(provider, store, policy=KeyPolicy(**policy)).field("patients.ssn", str)


def answering(aws: LocalAws, code: str, *regions: str, status: int = 400) -> Callable[[str], Any]:
    """A client factory whose clients in some regions get an error for an answer, after botocore's own handling."""

    def factory(region: str) -> Any:
        client = aws.kms(region)
        if region in regions:

            class Body:
                def stream(self, **_: Any) -> Iterator[bytes]:
                    yield json.dumps({"__type": code, "message": "made up"}).encode()

            client.meta.events.register(
                "before-send.kms", lambda request, **_: AWSResponse(request.url, status, HTTPHeaders(), Body())
            )
        return client

    return factory


class TestRegions:
    def test_what_one_region_encrypts_the_other_decrypts_with_its_own_key(self, aws: LocalAws, kms_key: str) -> None:
        """The ciphertext needs no cross-region call: each client only ever talks to its own region."""
        store = MemoryKeyStore()
        writer = field(AwsKmsKeyProvider(kms_key, [HOME], client_factory=aws.kms), store)
        reader = field(AwsKmsKeyProvider(kms_key, [AWAY], client_factory=aws.kms), store)
        before = aws.calls.copy()
        assert reader.decrypt(writer.encrypt("078-05-1120", tenant="clinic-7")) == "078-05-1120"
        calls = aws.calls - before
        assert calls["kms", "Encrypt", HOME] == calls["kms", "Decrypt", AWAY] == 1
        assert calls["kms", "Decrypt", HOME] == calls["kms", "Encrypt", AWAY] == 0

    def test_a_self_contained_value_needs_nothing_but_kms(self, aws: LocalAws, kms_key: str) -> None:
        """A reader in the other region has no key store and no shared memory."""
        writer = Encryptor(AwsKmsKeyProvider(kms_key, [HOME], client_factory=aws.kms)).field("a.b", str)
        reader = Encryptor(AwsKmsKeyProvider(kms_key, [AWAY], client_factory=aws.kms)).field("a.b", str)
        values = [writer.encrypt(str(number)) for number in range(100)]
        before = aws.calls.copy()
        assert [reader.decrypt(value) for value in values] == [str(number) for number in range(100)]
        assert (aws.calls - before)["kms", "Decrypt", AWAY] == 1

    def test_regions_are_asked_in_the_order_given(self, aws: LocalAws, kms_key: str) -> None:
        """The first of the list serves while it is healthy."""
        before = aws.calls.copy()
        AwsKmsKeyProvider(kms_key, [AWAY, HOME], client_factory=aws.kms).wrap(DATA_KEY, CONTEXT)
        assert (aws.calls - before)["kms", "Encrypt", AWAY] == 1

    def test_the_callers_own_region_comes_first_by_default(
        self, aws: LocalAws, kms_key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """boto3's configured region, then the ARN's."""
        monkeypatch.setenv("AWS_DEFAULT_REGION", AWAY)
        before = aws.calls.copy()
        AwsKmsKeyProvider(kms_key, client_factory=aws.kms).wrap(DATA_KEY, CONTEXT)
        assert (aws.calls - before)["kms", "Encrypt", AWAY] == 1

    def test_a_constructor_makes_no_client(self) -> None:
        """Models are declared where there may be no network."""

        def fail(region: str) -> Any:
            raise AssertionError(f"a client for {region} was made")

        AwsKmsKeyProvider(ARN, [HOME, AWAY], client_factory=fail)

    def test_the_encryption_context_reaches_kms(self, aws: LocalAws, kms_key: str) -> None:
        """It shows in CloudTrail and key policies, so it has to name key, tenant, purpose and creation."""
        sent: list[dict[str, Any]] = []

        def factory(region: str) -> Any:
            client = aws.kms(region)
            client.meta.events.register(
                "before-parameter-build.kms.Encrypt", lambda params, **_: sent.append(dict(params))
            )
            return client

        store = MemoryKeyStore()
        field(AwsKmsKeyProvider(kms_key, [HOME], client_factory=factory), store).encrypt("x", tenant="clinic-7")
        (record,) = store.list("clinic-7")
        assert isinstance(record, KeyRecord)
        assert sent[0]["EncryptionContext"] == record.context()
        assert set(record.context()) == {f"fieldcrypt:{key}" for key in ("key-id", "tenant", "purpose", "created")}


class TestFailover:
    def test_a_lost_region_is_passed_over(self, aws: LocalAws, kms_key: str) -> None:
        """Connection refused: the next region reads and writes."""
        store = MemoryKeyStore()
        value = field(AwsKmsKeyProvider(kms_key, [HOME], client_factory=aws.kms), store).encrypt("x")
        with lost(aws, HOME):
            survivor = field(AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=aws.kms), store)
            assert survivor.decrypt(value) == "x"
            assert survivor.decrypt(survivor.encrypt("y", tenant="new")) == "y"

    def test_only_the_first_caller_waits_for_a_region_that_hangs(self, aws: LocalAws, kms_key: str) -> None:
        """A socket that accepts and never answers costs one time-out, then the region is left alone."""
        with socket.create_server(("127.0.0.1", 0)) as black_hole:
            attempts: list[float] = []

            def factory(region: str) -> Any:
                if region == AWAY:
                    return aws.kms(region)
                client: Any = boto3.client(
                    "kms",
                    region_name=region,
                    endpoint_url=f"http://127.0.0.1:{black_hole.getsockname()[1]}",
                    aws_access_key_id="local",
                    aws_secret_access_key="local",
                    config=AwsKmsKeyProvider.client_config(timedelta(milliseconds=300)),
                )
                client.meta.events.register("before-send.kms", lambda **_: attempts.append(monotonic()))
                return client

            provider = AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=factory)
            for _ in range(5):
                provider.wrap(DATA_KEY, CONTEXT)
            assert len(attempts) == 1

    def test_a_region_that_recovered_is_asked_again_after_the_cooldown(
        self, aws: LocalAws, kms_key: str, clock: Any
    ) -> None:
        """Half open: one caller probes, and its success makes the region the first again."""
        provider = AwsKmsKeyProvider(
            kms_key, [HOME, AWAY], client_factory=aws.kms, cooldown=timedelta(seconds=30), timeout=timedelta(seconds=1)
        )
        with lost(aws, HOME):
            provider.wrap(DATA_KEY, CONTEXT)
        before = aws.calls.copy()
        provider.wrap(DATA_KEY, CONTEXT)
        assert (aws.calls - before)["kms", "Encrypt", AWAY] == 1
        clock.advance(31)
        provider.wrap(DATA_KEY, CONTEXT)
        provider.wrap(DATA_KEY, CONTEXT)
        assert (aws.calls - before)["kms", "Encrypt", HOME] == 2

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("ThrottlingException", 400),
            ("KMSInternalException", 500),
            ("DependencyTimeoutException", 503),
            ("KeyUnavailableException", 500),
            ("SomethingNew", 502),
            ("NotFoundException", 400),
        ],
    )
    def test_an_outage_or_a_missing_replica_leads_to_the_next_region(
        self, aws: LocalAws, kms_key: str, code: str, status: int
    ) -> None:
        """Whatever says nothing about permission is passed over."""
        provider = AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=answering(aws, code, HOME, status=status))
        (wrap,) = provider.wrap(DATA_KEY, CONTEXT)
        assert wrap.name.split(":")[3] == AWAY
        assert provider.unwrap([wrap], CONTEXT) == DATA_KEY

    @pytest.mark.parametrize("code", ["AccessDeniedException", "DisabledException"])
    def test_a_refusal_stops_at_once(self, aws: LocalAws, kms_key: str, code: str) -> None:
        """A policy is a decision: no silent hop to a region where it may not hold."""
        before = aws.calls.copy()
        provider = AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=answering(aws, code, HOME))
        with pytest.raises(KeyAccessDeniedError, match=f"{HOME}.*{code}") as caught:
            provider.wrap(DATA_KEY, CONTEXT)
        assert list(caught.value.causes) == [HOME]
        assert (aws.calls - before)["kms", "Encrypt", AWAY] == 0

    def test_a_refusal_can_be_declared_an_outage(self, aws: LocalAws, kms_key: str) -> None:
        """`failover_on_denied=True` is for those who decided so."""
        factory = answering(aws, "DisabledException", HOME)
        provider = AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=factory, failover_on_denied=True)
        (wrap,) = provider.wrap(DATA_KEY, CONTEXT)
        assert provider.unwrap([wrap], CONTEXT) == DATA_KEY

    def test_a_key_disabled_in_one_region_is_refused_there(self, aws: LocalAws) -> None:
        """The replica elsewhere is enabled, but this region's word counts."""
        arn = aws.create_key()
        aws.kms(HOME).disable_key(KeyId=arn.rpartition("/")[2])
        provider = AwsKmsKeyProvider(arn, [HOME, AWAY], client_factory=aws.kms)
        with pytest.raises(KeyAccessDeniedError, match="disabled"):
            provider.wrap(DATA_KEY, CONTEXT)

    def test_a_refusal_ends_the_use_of_a_live_key(self, aws: LocalAws, clock: Any) -> None:
        """However long the grace, a disabled key is gone at the next check."""
        arn = aws.create_key()
        reader = field(AwsKmsKeyProvider(arn, [HOME], client_factory=aws.kms), MemoryKeyStore(), grace=timedelta(9))
        value = reader.encrypt("x")
        aws.kms(HOME).disable_key(KeyId=arn.rpartition("/")[2])
        assert reader.decrypt(value) == "x"
        clock.advance(timedelta(minutes=16).total_seconds())
        with pytest.raises(KeyAccessDeniedError):
            reader.decrypt(value)

    def test_a_region_that_is_not_listed_is_never_asked(self, aws: LocalAws, kms_key: str) -> None:
        """`regions` says where the key may be used, whatever region its ARN names."""
        before = aws.calls.copy()
        provider = AwsKmsKeyProvider(kms_key, [AWAY], client_factory=aws.kms, deadline=timedelta(seconds=1))
        with lost(aws, AWAY), pytest.raises(KeyProviderError) as caught:
            provider.wrap(DATA_KEY, CONTEXT)
        assert list(caught.value.causes) == [AWAY]
        assert aws.calls == before

    def test_a_region_that_refuses_after_an_outage_is_no_outage(self, aws: LocalAws, kms_key: str, clock: Any) -> None:
        """Its refusal holds for every caller, not just for the one that probed."""
        codes = ["KMSInternalException"]

        def factory(region: str) -> Any:
            if region == AWAY:
                return aws.kms(region)

            class Client:
                def encrypt(self, **request: Any) -> Any:
                    return answering(aws, codes[0], region, status=400)(region).encrypt(**request)

            return Client()

        provider = AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=factory)
        provider.wrap(DATA_KEY, CONTEXT)
        codes[0] = "AccessDeniedException"
        clock.advance(31)
        for _ in range(3):
            with pytest.raises(KeyAccessDeniedError):
                provider.wrap(DATA_KEY, CONTEXT)

    def test_when_all_regions_fail_the_error_has_every_cause(self, aws: LocalAws, kms_key: str) -> None:
        """Whoever is on call sees both regions in one line."""
        provider = AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=aws.kms, deadline=timedelta(seconds=1))
        with lost(aws, HOME, AWAY), pytest.raises(KeyProviderError) as caught:
            provider.wrap(DATA_KEY, CONTEXT)
        assert list(caught.value.causes) == [HOME, AWAY]
        assert caught.value.retryable
        assert HOME in str(caught.value)
        assert AWAY in str(caught.value)

    def test_a_moments_throttling_of_a_single_region_is_waited_out(self, aws: LocalAws, kms_key: str) -> None:
        """With nowhere else to go a call is repeated, briefly."""
        answers = iter([True, True, False])

        def factory(region: str) -> Any:
            throttled, healthy = answering(aws, "ThrottlingException", region)(region), aws.kms(region)

            class Client:
                def encrypt(self, **request: Any) -> Any:
                    return (throttled if next(answers) else healthy).encrypt(**request)

            return Client()

        AwsKmsKeyProvider(kms_key, [HOME], client_factory=factory).wrap(DATA_KEY, CONTEXT)
        assert next(answers, None) is None

    def test_missing_credentials_are_said_at_once(self, kms_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a pause; and they may be there the next time."""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        with pytest.raises(KeyProviderError, match="credentials") as caught:
            AwsKmsKeyProvider(kms_key, [HOME, AWAY]).wrap(DATA_KEY, CONTEXT)
        assert caught.value.retryable

    def test_threads_share_a_client(self, aws: LocalAws, kms_key: str) -> None:
        """Making a boto3 client takes a tenth of a second, and sessions are not thread-safe."""
        made: list[str] = []

        def factory(region: str) -> Any:
            made.append(region)
            return aws.kms(region)

        provider = AwsKmsKeyProvider(kms_key, [HOME], client_factory=factory)
        threads = [threading.Thread(target=provider.wrap, args=(DATA_KEY, CONTEXT)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [HOME]


class TestProcesses:
    def test_a_key_disabled_in_its_regions_own_process_stops_at_once(self) -> None:
        """The other region would do it, and is not asked; the error names region and cause."""
        with LocalAws((HOME, AWAY), isolated=True) as aws:
            arn = aws.create_key()
            store = MemoryKeyStore()
            value = field(AwsKmsKeyProvider(arn, [HOME, AWAY], client_factory=aws.kms), store).encrypt("x")
            aws.kms(HOME).disable_key(KeyId=arn.rpartition("/")[2])
            reader = field(AwsKmsKeyProvider(arn, [HOME, AWAY], client_factory=aws.kms), store)
            before = aws.calls.copy()
            with pytest.raises(KeyAccessDeniedError, match=f"{HOME}.*DisabledException.*is disabled") as caught:
                reader.decrypt(value)
            assert list(caught.value.causes) == [HOME]
            assert (aws.calls - before)["kms", "Decrypt", AWAY] == 0
            elsewhere = field(AwsKmsKeyProvider(arn, [AWAY, HOME], client_factory=aws.kms), store)
            assert elsewhere.decrypt(value) == "x"


class TestStrictness:
    def test_a_wrap_under_a_foreign_key_is_not_followed(self, aws: LocalAws, kms_key: str) -> None:
        """Else an attacker wraps a forged data key under a key of his own, to which he has let us in."""
        theirs = aws.create_key()
        (forged,) = AwsKmsKeyProvider(theirs, [HOME], client_factory=aws.kms).wrap(DATA_KEY, CONTEXT)
        before = aws.calls.copy()
        with pytest.raises(DecryptionError, match="none of the configured"):
            AwsKmsKeyProvider(kms_key, [HOME], client_factory=aws.kms).unwrap([forged], CONTEXT)
        assert aws.calls == before

    @pytest.mark.parametrize("part", ["arn:aws-cn:", ":444455556666:", "mrk-00000000000000000000000000000000"])
    def test_partition_account_and_key_id_have_to_match(self, part: str) -> None:
        """Only the region of a multi-Region key's ARN does not count."""
        kind = {"arn": "arn:aws:", "444": ":111122223333:", "mrk": ARN.rpartition("/")[2]}
        edited = ARN.replace(kind[part.strip(":")[:3]], part)
        assert edited != ARN
        with pytest.raises(DecryptionError, match="none of the configured"):
            AwsKmsKeyProvider(ARN, [HOME]).unwrap([WrappedKey(edited, b"x")], CONTEXT)

    def test_a_single_region_key_matches_in_its_region_only(self) -> None:
        """Its id in another region would be another key."""
        arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        elsewhere = arn.replace(HOME, AWAY)
        with pytest.raises(DecryptionError, match="none of the configured"):
            AwsKmsKeyProvider(arn).unwrap([WrappedKey(elsewhere, b"x")], CONTEXT)

    @pytest.mark.parametrize("change", [{"fieldcrypt:tenant": "other"}, {}])
    def test_another_context_is_not_authentic(self, aws: LocalAws, kms_key: str, change: dict[str, str]) -> None:
        """KMS authenticates the encryption context."""
        provider = AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=aws.kms)
        wraps = provider.wrap(DATA_KEY, {"fieldcrypt:tenant": "mine"})
        with pytest.raises(DecryptionError):
            provider.unwrap(wraps, change)

    def test_a_changed_wrap_is_not_authentic(self, aws: LocalAws, kms_key: str) -> None:
        """Every byte of it, with one flipped bit."""
        provider = AwsKmsKeyProvider(kms_key, [HOME, AWAY], client_factory=aws.kms)
        (wrap,) = provider.wrap(DATA_KEY, CONTEXT)
        for index in range(0, len(wrap.data), 7):
            changed = bytearray(wrap.data)
            changed[index] ^= 1
            with pytest.raises(DecryptionError):
                provider.unwrap([WrappedKey(wrap.name, bytes(changed))], CONTEXT)


class TestSeveralKeys:
    @pytest.fixture
    def keys(self, aws: LocalAws) -> list[str]:
        """Two keys that are not multi-Region, one in each region."""
        return [aws.kms(region).create_key()["KeyMetadata"]["Arn"] for region in (HOME, AWAY)]

    def test_each_wraps_every_data_key(self, aws: LocalAws, keys: list[str]) -> None:
        """In its own region."""
        wraps = AwsKmsKeyProvider(keys, client_factory=aws.kms).wrap(DATA_KEY, CONTEXT)
        assert [wrap.name for wrap in wraps] == keys

    def test_any_of_them_unwraps(self, aws: LocalAws, keys: list[str]) -> None:
        """With the other's region lost."""
        provider = AwsKmsKeyProvider(keys, client_factory=aws.kms)
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        for region in (HOME, AWAY):
            with lost(aws, region):
                assert provider.unwrap(wraps, CONTEXT) == DATA_KEY

    def test_the_nearest_is_asked_first(self, aws: LocalAws, keys: list[str]) -> None:
        """`regions` orders them."""
        provider = AwsKmsKeyProvider(keys, [AWAY, HOME], client_factory=aws.kms)
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        before = aws.calls.copy()
        provider.unwrap(wraps, CONTEXT)
        assert (aws.calls - before)["kms", "Decrypt", AWAY] == 1
        assert (aws.calls - before)["kms", "Decrypt", HOME] == 0

    def test_a_wrap_that_was_not_used_is_authenticated_too(self, aws: LocalAws, keys: list[str]) -> None:
        """The record's tag covers both, so that an edit shows before the region that needs it is the only one left."""
        store = MemoryKeyStore()
        writer = field(AwsKmsKeyProvider(keys, client_factory=aws.kms), store)
        value = writer.encrypt("x")
        (record,) = store.list(None)
        assert isinstance(record, KeyRecord)
        edited = record._replace(wraps=(record.wraps[0], WrappedKey(record.wraps[1].name, b"edited")))
        other = MemoryKeyStore()
        other.add(edited)
        with pytest.raises(DecryptionError):
            field(AwsKmsKeyProvider(keys, client_factory=aws.kms), other).decrypt(value)


class TestConfiguration:
    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ("alias/aws/dynamodb", "AWS managed key"),
            ("arn:aws:kms:us-east-1:111122223333:alias/aws/rds", "AWS managed key"),
            ("alias/mine", "the account"),
            ("mrk-1234abcd12ab34cd56ef1234567890ab", "the account"),
            ("arn:aws:kms:us-east-1:111122223333:key/short", "not the ARN"),
            ("arn:aws:s3:::bucket", "not the ARN"),
            (ARN + "\n", "not the ARN"),
            ("", "is empty"),
            (" ", "is empty"),
            (None, "named by a str"),
            (7, "named by a str"),
        ],
    )
    def test_a_wrong_key_is_refused_with_what_to_use_instead(self, key: Any, said: str) -> None:
        """Before anything was sent."""
        for keys in (key, [key]) if key != 7 else ([key],):
            with pytest.raises(ConfigurationError, match=said) as caught:
                AwsKmsKeyProvider(keys)
            assert "use the ARN of a customer managed key" in str(caught.value)

    @pytest.mark.parametrize(
        "regions", [[], ["us-east-1", "us-east-1"], ["Frankfurt"], ["eu-wst-1"], "us-east-1", [7], [""], [None]]
    )
    def test_wrong_regions_are_refused(self, regions: Any) -> None:
        """Empty, repeated, misspelt, or a single name for a list."""
        with pytest.raises(ConfigurationError):
            AwsKmsKeyProvider(ARN, regions)

    @pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "aws-global"])
    def test_a_region_of_another_partition_is_refused(self, region: str) -> None:
        """No replica of the key can be there, and the credentials are none there."""
        with pytest.raises(ConfigurationError, match=region):
            AwsKmsKeyProvider(ARN, [HOME, region])

    def test_a_key_whose_region_is_in_another_partition_is_refused(self) -> None:
        """Such an ARN is a mistake."""
        with pytest.raises(ConfigurationError, match="aws-cn has no us-east-1"):
            AwsKmsKeyProvider(ARN.replace("arn:aws:", "arn:aws-cn:"))

    def test_the_configured_region_of_another_partition_is_not_asked(
        self, kms_key: str, aws: LocalAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A program in GovCloud with a key elsewhere uses the key where it is."""
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-gov-west-1")
        assert list(AwsKmsKeyProvider(kms_key, client_factory=aws.kms).regions()) == [HOME]

    def test_a_configured_region_that_is_newer_than_botocore_is_asked(
        self, kms_key: str, aws: LocalAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """boto3 takes it too; its name says the partition. Elsewhere such a name is taken for misspelt."""
        with pytest.raises(ConfigurationError, match="eu-northeast-7"):
            AwsKmsKeyProvider(kms_key, ["eu-northeast-7"])
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-northeast-7")
        assert list(AwsKmsKeyProvider(kms_key, client_factory=aws.kms).regions()) == ["eu-northeast-7", HOME]

    def test_a_region_in_which_no_key_can_be_used_is_refused(self) -> None:
        """Whoever names it counts on it, for the law or for an outage."""
        with pytest.raises(ConfigurationError, match=f"can be used in {AWAY}"):
            AwsKmsKeyProvider(SINGLE_ARN, [AWAY])

    def test_a_key_that_can_be_used_in_none_of_the_regions_is_refused(self) -> None:
        """Though another key can, so that every region is of use."""
        chinese = SINGLE_ARN.replace("arn:aws:", "arn:aws-cn:").replace(HOME, "cn-north-1")
        with pytest.raises(ConfigurationError, match="in any of the regions"):
            AwsKmsKeyProvider([ARN, chinese], ["cn-north-1"])

    def test_a_region_is_fine_if_one_of_the_keys_can_be_used_there(self, aws: LocalAws, kms_key: str) -> None:
        """Then the others are used elsewhere; and so when there are fewer keys."""
        provider = AwsKmsKeyProvider([kms_key, SINGLE_ARN.replace(HOME, AWAY)], [HOME, AWAY], client_factory=aws.kms)
        assert [list(there.wrapping_keys()) for there in provider.regions().values()] == [
            [kms_key],
            [kms_key.replace(HOME, AWAY), SINGLE_ARN.replace(HOME, AWAY)],
        ]
        for regions in ([HOME, AWAY], [AWAY]):
            several = AwsKmsKeyProvider([SINGLE_ARN, SINGLE_ARN.replace(HOME, AWAY)], regions)
            assert several.wrapping_with([SINGLE_ARN]).wrapping_keys() == [SINGLE_ARN]

    @pytest.mark.parametrize(
        "url",
        ["http://kms.example.org", "http://127.0.0.1@example.org", "http://[", "ftp://127.0.0.1", "kms", "", None, 7],
    )
    def test_an_endpoint_without_tls_is_refused(self, url: Any) -> None:
        """Data keys would be sent in the clear."""
        with pytest.raises(ConfigurationError, match="endpoint"):
            AwsKmsKeyProvider(ARN, [HOME], endpoint_urls={HOME: url})

    @pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "http://[::1]:4566", "http://localhost", "https://x.org"])
    def test_an_endpoint_on_this_machine_needs_no_tls(self, url: str) -> None:
        """Nobody reads loopback; tests use it."""
        AwsKmsKeyProvider(ARN, [HOME], endpoint_urls={HOME: url})

    def test_an_endpoint_of_the_environment_without_tls_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """boto3 takes it from there, and says nothing."""
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://kms.example.org")
        with pytest.raises(ConfigurationError, match="no TLS"):
            AwsKmsKeyProvider(ARN, [HOME]).wrap(DATA_KEY, CONTEXT)

    def test_a_grace_is_not_negative(self) -> None:
        """Zero is none."""
        AwsKmsKeyProvider(ARN, grace=timedelta(0))
        with pytest.raises(ValueError, match="grace"):
            AwsKmsKeyProvider(ARN, grace=timedelta(seconds=-1))

    @pytest.mark.parametrize("name", ["timeout", "deadline", "cooldown", "grace"])
    def test_times_are_timedeltas(self, name: str) -> None:
        """Said when the provider is made, not at its first call."""
        with pytest.raises(TypeError, match=name):
            AwsKmsKeyProvider(ARN, **{name: 2})  # type: ignore[arg-type]

    def test_both_key_providers_take_the_same_access(self) -> None:
        """So an application says once how KMS is reached."""
        access = KmsAccess(timeout=timedelta(seconds=1), grace=timedelta(hours=1))
        provider, of_rsa = AwsKmsKeyProvider(ARN, [HOME], **access), AwsKmsRsaKeyProvider(ARN, [HOME], **access)
        assert provider.grace == of_rsa.grace == timedelta(hours=1)

    @pytest.mark.parametrize("kind", [AwsKmsKeyProvider, AwsKmsRsaKeyProvider])
    def test_a_keyword_that_there_is_not(self, kind: Any) -> None:
        """It is refused, as everywhere in Python."""
        with pytest.raises(TypeError, match="unexpected keyword argument 'timout'"):
            kind(ARN, timout=timedelta(seconds=1))

    def test_no_key_is_refused(self) -> None:
        """An empty list configures nothing."""
        with pytest.raises(ConfigurationError, match="no KMS key"):
            AwsKmsKeyProvider([])

    def test_one_key_by_two_arns_is_refused(self) -> None:
        """The regions of a multi-Region key go into `regions`."""
        with pytest.raises(ConfigurationError, match="named twice"):
            AwsKmsKeyProvider([ARN, ARN.replace(HOME, AWAY)])

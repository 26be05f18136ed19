"""Several wrapping keys, aliases and sessions: what is missing, wrong or moved with one does not stop the others."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

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
)
from fieldcrypt.events import EventKind
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.kms.broken_servers import answering, failing, refused, silent
from tests.kms.regions import ARN, AWAY, CONTEXT, DATA_KEY, HOME, REGIONS, SESSION, SINGLE_ARN, THIRD, TIMEOUT, session
from tests.kms.regions import aws as aws
from tests.kms.regions import key as key
from tests.kms.regions import keys as keys
from tests.kms.regions import wraps as wraps
from tests.kms.watch import Watch
from tests.support.doubles import Later
from tests.support.outages import lost


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
            return SESSION

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
        with lost(aws, HOME):
            assert chain.unwrap(wraps, CONTEXT) == DATA_KEY

    def test_a_repair_asks_only_the_key_that_is_missing(self, aws: LocalAws, keys: list[str]) -> None:
        """So that it works while another region is away."""
        third = aws.kms(AWAY).create_key()["KeyMetadata"]["Arn"]
        store = MemoryKeyStore()
        Encryptor(AwsKmsKeyProvider(keys, client_factory=aws.kms), store).field("a.b", str).encrypt("x")
        encryptor = Encryptor(AwsKmsKeyProvider([*keys, third], client_factory=aws.kms), store)
        with lost(aws, HOME):
            assert encryptor.data_keys.repair() == (1, 0, 0, {}, None)
        (record,) = store.list(None)
        assert isinstance(record, KeyRecord)
        assert {wrap.name for wrap in record.wraps} == {*keys, third}

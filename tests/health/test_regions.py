"""Health where KMS has two regions, of which one or both are away; and a start without KMS."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fieldcrypt import Encryptor, Health, HealthState, KeyProviderError, MemoryKeyStore, Verdict
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import FaultyProxy, LocalAws
from tests.support.doubles import PATIENCE
from tests.support.dynamodb import FIRST, SECOND
from tests.support.outages import lost

LONG = timedelta(seconds=PATIENCE)


def verdicts(health: Health) -> dict[str, str]:
    """How everything is, by place."""
    return {finding.place: finding.verdict.value for finding in health.findings}


@pytest.fixture
def encryptor(aws: LocalAws, kms_key: str) -> Encryptor:
    """An Encryptor over both regions, without a live key."""
    return Encryptor(AwsKmsKeyProvider(kms_key, [FIRST, SECOND], client_factory=aws.kms), MemoryKeyStore())


def test_every_region_is_tried_out(encryptor: Encryptor) -> None:
    """And the key store."""
    health = encryptor.check(LONG)
    assert health.state is HealthState.OK
    assert verdicts(health) == {FIRST: "ok", SECOND: "ok", "key store": "ok"}


@pytest.mark.parametrize("region", [FIRST, SECOND])
def test_one_region_away(encryptor: Encryptor, aws: LocalAws, region: str) -> None:
    """It goes on by the other one, and is ready; it is healthy again when that is back."""
    with lost(aws, region):
        health = encryptor.check(LONG, probe=True)
    assert (health.state, health.ready) == (HealthState.DEGRADED, True)
    assert {place for place, verdict in verdicts(health).items() if verdict == "failed"} == {region}
    assert encryptor.check(LONG, probe=True).state is HealthState.OK


def test_both_regions_away(encryptor: Encryptor, aws: LocalAws) -> None:
    """A process with a live key is ready for as long as that lives; one without is not."""
    encryptor.field("a.b", str).encrypt("x")
    with lost(aws, FIRST, SECOND):
        health = encryptor.check(LONG, probe=True)
        assert (health.state, health.ready) == (HealthState.DEGRADED, True)
        assert health.seconds_left > 3600
        encryptor.forget()
        health = encryptor.check(LONG, probe=True)
        assert (health.state, health.seconds_left) == (HealthState.FAILING, 0)


def test_a_region_that_hangs(aws: LocalAws, kms_key: str) -> None:
    """The answer comes at the deadline, from the region that does answer; no socket holds it up."""
    with FaultyProxy(aws.endpoint(FIRST)) as proxy:

        def client(region: str) -> object:
            return aws.kms(region, endpoint_url=proxy.url if region == FIRST else None)

        provider = AwsKmsKeyProvider(kms_key, [FIRST, SECOND], client_factory=client)
        encryptor = Encryptor(provider, MemoryKeyStore())
        assert encryptor.check(LONG).state is HealthState.OK  # with connections that are open from now on
        proxy.hang()
        health = encryptor.check(timedelta(seconds=3), probe=True)  # its client waits for 20 seconds
        assert health.state is HealthState.DEGRADED
        late = next(finding for finding in health.findings if finding.place == FIRST)
        assert (late.verdict, late.detail) == (Verdict.FAILED, "no answer within 3 s")
        proxy.healthy()


def test_a_start_without_kms(aws: LocalAws, kms_key: str) -> None:
    """It starts, is not ready, and fails each request; when KMS is there, it works without a restart."""
    with lost(aws, FIRST, SECOND):
        encryptor = Encryptor(AwsKmsKeyProvider(kms_key, [FIRST, SECOND], client_factory=aws.kms), MemoryKeyStore())
        ssn = encryptor.field("patients.ssn", str)
        assert not encryptor.check(LONG).ready
        with pytest.raises(KeyProviderError) as caught:
            ssn.encrypt("078-05-1120")
    assert caught.value.retryable
    assert ssn.decrypt(ssn.encrypt("078-05-1120")) == "078-05-1120"
    assert encryptor.check(LONG).state is HealthState.OK

"""The key in one region of KMS: whether it exists, is enabled, replicated and rotated, and may be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fieldcrypt import _system
from fieldcrypt.cli.doctor.key_access import examine_access
from fieldcrypt.health.finding import Finding, Verdict
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider, AwsKmsRsaKeyProvider
from fieldcrypt.keys.aws_kms.answers import FAILURES, Answer, classify, error_name, redacted_error
from fieldcrypt.keys.aws_kms.arn import KeyArn

__all__ = ["KmsProvider", "examine_region"]

_SOON = timedelta(days=30)  # enough to find the imported key material, and import it again

KmsProvider = AwsKmsKeyProvider | AwsKmsRsaKeyProvider


def examine_region(provider: KmsProvider, region: str, wrapping_keys: Sequence[str]) -> Iterator[Finding]:
    """Examine every key of a region.

    IAM actions: `kms:DescribeKey`, `kms:GetKeyRotationStatus`, `kms:GetKeyPolicy` and `kms:ListGrants`; without them
    some findings are unknown.

    Args:
        provider: works in this region alone.
        region: its name.
        wrapping_keys: ARNs of the keys that are used in all regions together.
    """
    for arn in provider.keys_at(region):
        yield from _examine_key(provider, arn, [KeyArn.configured(key) for key in wrapping_keys])


def _examine_key(provider: KmsProvider, arn: KeyArn, wrapping_keys: list[KeyArn]) -> Iterator[Finding]:
    try:
        client = provider.client(arn)  # takes longer than the call, and is not part of the latency
        began = _system.monotonic()
        metadata = client.describe_key(KeyId=str(arn))["KeyMetadata"]
    except FAILURES as error:
        yield _failure(arn, "key exists", redacted_error(error))
        return
    seconds = _system.monotonic() - began
    yield Finding(arn.region, "reachable", Verdict.OK, f"answers in {1000 * seconds:.0f} ms", seconds=seconds)
    yield Finding(arn.region, "key exists", Verdict.OK, metadata["Arn"])
    yield _enabled(arn, metadata)
    yield _multi_region(arn, metadata, wrapping_keys)
    origin = metadata.get("Origin", "AWS_KMS")
    symmetric = metadata.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    if origin == "AWS_KMS" and symmetric:
        yield _rotation(provider, arn, metadata["KeyId"])  # KMS rotates no others automatically
    yield from examine_access(client, KeyArn.configured(metadata["Arn"]), rsa=not symmetric)
    if origin == "EXTERNAL" and metadata["KeyState"] == "Enabled":
        yield _key_material(arn, metadata)


def _enabled(arn: KeyArn, metadata: dict[str, Any]) -> Finding:
    state = metadata["KeyState"]
    if state == "Enabled":
        return Finding(arn.region, "key enabled", Verdict.OK)
    key = metadata["KeyId"]
    cures = {
        "Disabled": f"if that was not meant: aws kms enable-key --key-id {key} --region {arn.region}",
        "PendingDeletion": f"if that was not meant: aws kms cancel-key-deletion --key-id {key} --region {arn.region}, "
        "and then enable it",
        "PendingReplicaDeletion": "a primary waits for its replicas to go; keep a replica, or cancel their deletion",
        "PendingImport": "import its key material again",
    }
    advice = cures.get(state, "wait, and check again")
    return Finding(arn.region, "key enabled", Verdict.FAILED, f"{arn} is {state} in this region", advice)


def _multi_region(arn: KeyArn, metadata: dict[str, Any], wrapping_keys: list[KeyArn]) -> Finding:
    if not any(key.same_key(KeyArn.configured(metadata["Arn"])) for key in wrapping_keys):
        return Finding(
            arn.region,
            "same key",
            Verdict.FAILED,
            f"{arn} points to {metadata['Arn']}, but to another key in the first region",
            f"aws kms update-alias --alias-name {arn.key_id} --target-key-id … --region {arn.region}",
        )
    if metadata.get("MultiRegion"):
        return Finding(arn.region, "multi-Region key", Verdict.OK, metadata["KeyId"])
    if len(wrapping_keys) > 1:
        return Finding(arn.region, "multi-Region key", Verdict.OK, "a single-Region key, one of several")
    return Finding(
        arn.region,
        "multi-Region key",
        Verdict.FAILED,
        f"{metadata['Arn']} is a single-Region key: no other region can unwrap what it wraps",
        "make a multi-Region key (fieldcrypt kms create) and move to it (fieldcrypt keys rewrap)",
    )


def _rotation(provider: KmsProvider, arn: KeyArn, key_id: str) -> Finding:
    try:
        # By its id: an alias is not taken here.
        status = provider.client(arn).get_key_rotation_status(KeyId=key_id)
    except FAILURES as error:
        if classify(error) is Answer.DENIED:
            return Finding(arn.region, "rotation", Verdict.UNKNOWN, "this role may not kms:GetKeyRotationStatus")
        return _failure(arn, "rotation", redacted_error(error))
    if status.get("KeyRotationEnabled"):
        days = status.get("RotationPeriodInDays")
        return Finding(arn.region, "rotation", Verdict.OK, f"every {days} days" if days else "on")
    return Finding(
        arn.region,
        "rotation",
        Verdict.WARNING,
        "automatic rotation of the key in KMS is off",
        f"aws kms enable-key-rotation --key-id {key_id}, in the primary's region (costs nothing to readers)",
    )


def _key_material(arn: KeyArn, metadata: dict[str, Any]) -> Finding:
    """Check imported material, which is imported into each region separately: KMS deletes it when it expires."""
    end: datetime | None = metadata.get("ValidTo")
    if end is None:
        return Finding(arn.region, "key material", Verdict.OK, "imported, without an end")
    detail = f"the imported key material ends on {end.astimezone(UTC):%Y-%m-%d %H:%M:%S UTC}"
    if end - datetime.fromtimestamp(_system.wall_clock(), UTC) > _SOON:
        return Finding(arn.region, "key material", Verdict.OK, detail)
    advice = f"import the same material into {arn} again, for longer: nothing can be read in this region without it"
    return Finding(arn.region, "key material", Verdict.WARNING, detail, advice)


def _failure(arn: KeyArn, check: str, error: Exception) -> Finding:
    answer = classify(error)
    if answer is Answer.NO_REPLICA:
        detail = f"{arn} does not exist: there is no replica, or no alias, in this region"
        advice = (
            f"fieldcrypt kms create … --replica {arn.region}, or: aws kms replicate-key --replica-region {arn.region}"
        )
        return Finding(arn.region, check, Verdict.FAILED, detail, advice)
    if answer is Answer.DENIED:
        return Finding(arn.region, check, Verdict.UNKNOWN, "this role may not kms:DescribeKey")
    if answer is Answer.KEY_AWAY:
        return Finding(arn.region, check, Verdict.FAILED, str(error), "check its own key store, or imported material")
    if answer is Answer.OUTAGE:
        detail = f"KMS cannot be reached: {error_name(error)}"
        return Finding(arn.region, "reachable", Verdict.FAILED, detail, "check the network and the endpoint")
    return Finding(arn.region, check, Verdict.FAILED, str(error), "check the credentials")

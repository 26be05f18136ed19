"""LocalAws with a process a region: they share keys, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from fieldcrypt.testing import LocalAws

HOME, AWAY = "us-east-1", "eu-west-1"
CONTEXT = {"purpose": "test"}


@pytest.fixture(scope="module")
def isolated() -> Iterator[LocalAws]:
    """Two regions, each in a process of its own."""
    with LocalAws((HOME, AWAY), isolated=True) as aws:
        yield aws


@pytest.fixture(scope="module")
def key_id(isolated: LocalAws) -> str:
    """The id of a multi-Region key."""
    return isolated.create_key().rpartition("/")[2]


@pytest.mark.parametrize(("writer", "reader"), [(HOME, AWAY), (AWAY, HOME)])
def test_what_one_region_encrypts_the_other_decrypts(isolated: LocalAws, key_id: str, writer: str, reader: str) -> None:
    """The replica has the primary's material, although no state is shared."""
    sealed = isolated.kms(writer).encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext=CONTEXT)
    opened = isolated.kms(reader).decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == b"x"
    assert opened["KeyId"].split(":")[3] == reader


def test_a_replica_knows_what_it_is(isolated: LocalAws, key_id: str) -> None:
    """Its own ARN and region, and its primary's."""
    metadata = isolated.kms(AWAY).describe_key(KeyId=key_id)["KeyMetadata"]
    assert metadata["Arn"].split(":")[3] == AWAY
    assert metadata["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    assert metadata["MultiRegionConfiguration"]["PrimaryKey"]["Region"] == HOME


def test_a_key_disabled_in_one_region_is_enabled_in_the_other(isolated: LocalAws) -> None:
    """Each has a state of its own."""
    key_id = isolated.create_key().rpartition("/")[2]
    isolated.kms(HOME).disable_key(KeyId=key_id)
    with pytest.raises(ClientError, match="DisabledException"):
        isolated.kms(HOME).encrypt(KeyId=key_id, Plaintext=b"x")
    assert isolated.kms(AWAY).encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]


def test_a_key_that_is_not_multi_region_is_in_the_first_region_only(isolated: LocalAws) -> None:
    """As in AWS."""
    key_id = isolated.create_key(multi_region=False).rpartition("/")[2]
    assert isolated.kms(HOME).describe_key(KeyId=key_id)
    with pytest.raises(ClientError, match="NotFoundException"):
        isolated.kms(AWAY).describe_key(KeyId=key_id)


def test_a_region_is_cut_and_restored_with_its_keys(isolated: LocalAws, key_id: str) -> None:
    """The process goes on behind its closed port, and the other one is not concerned."""
    isolated.cut(AWAY)
    try:
        with pytest.raises(EndpointConnectionError):
            isolated.kms(AWAY).list_keys()
        assert isolated.kms(HOME).encrypt(KeyId=key_id, Plaintext=b"x")
    finally:
        isolated.restore(AWAY)
    assert isolated.kms(AWAY).encrypt(KeyId=key_id, Plaintext=b"x")


def test_a_region_that_was_not_cut_is_restored_at_once(isolated: LocalAws, key_id: str) -> None:
    """There is nothing to do."""
    isolated.restore(AWAY)
    assert isolated.kms(AWAY).encrypt(KeyId=key_id, Plaintext=b"x")


def test_calls_are_counted_by_region(isolated: LocalAws, key_id: str) -> None:
    """Whichever process answers."""
    before = isolated.calls.copy()
    isolated.kms(AWAY).encrypt(KeyId=key_id, Plaintext=b"x")
    assert isolated.calls - before == {("kms", "Encrypt", AWAY): 1}


def test_a_region_that_was_killed_refuses_connections() -> None:
    """And the other one goes on."""
    with LocalAws((HOME, AWAY), isolated=True) as aws:
        key_id = aws.create_key().rpartition("/")[2]
        aws.kill(HOME)
        with pytest.raises(EndpointConnectionError):
            aws.kms(HOME).list_keys()
        assert aws.kms(AWAY).encrypt(KeyId=key_id, Plaintext=b"x")
        with pytest.raises(RuntimeError, match="ended"):
            aws.restore(HOME)


def test_regions_that_share_a_process_cannot_be_killed_one_by_one(aws: LocalAws) -> None:
    """It says what to do instead."""
    with pytest.raises(RuntimeError, match="isolated=True"):
        aws.kill(HOME)

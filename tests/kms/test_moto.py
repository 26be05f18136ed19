"""The local KMS answers as AWS KMS does, where fieldcrypt and its commands depend on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from fieldcrypt.testing import LocalAws

HOME, AWAY = "us-east-1", "eu-west-1"
OAEP = "RSAES_OAEP_SHA_256"
DATA_KEY = bytes(range(32))


def refused(code: str) -> Any:
    """Expect an answer of KMS."""
    return pytest.raises(ClientError, match=rf"\({code}\)")


def deny(aws: LocalAws, region: str, key: str, *actions: str, **more: Any) -> None:
    """Put a policy that denies actions to everyone on a key in one region."""
    account = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    denial = {"Effect": "Deny", "Principal": "*", "Action": list(actions), "Resource": "*", **more}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [account, denial]})
    aws.kms(region).put_key_policy(KeyId=key.rpartition("/")[2], PolicyName="default", Policy=policy)


def in_region(arn: str, region: str) -> str:
    return arn.replace(f":{HOME}:", f":{region}:")


@pytest.fixture(scope="module")
def rsa_key(aws: LocalAws) -> str:
    """The ARN of a multi-Region RSA key in both regions."""
    made = aws.kms(HOME).create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT", MultiRegion=True)["KeyMetadata"]
    aws.kms(HOME).replicate_key(KeyId=made["KeyId"], ReplicaRegion=AWAY)
    arn: str = made["Arn"]
    return arn


@pytest.fixture
def key(aws: LocalAws) -> str:
    """The ARN of a symmetric multi-Region key in both regions, for one test alone."""
    return aws.create_key()


@pytest.fixture(scope="module")
def alias(aws: LocalAws) -> tuple[str, dict[str, str]]:
    """One name for two keys: a region each."""
    keys = {region: aws.kms(region).create_key()["KeyMetadata"]["Arn"] for region in (HOME, AWAY)}
    for region, arn in keys.items():
        aws.kms(region).create_alias(AliasName="alias/same-name", TargetKeyId=arn.rpartition("/")[2])
    return "arn:aws:kms:us-east-1:123456789012:alias/same-name", keys


def wrap_locally(aws: LocalAws, rsa_key: str, digest: Any = None) -> bytes:
    public = load_der_public_key(aws.kms(HOME).get_public_key(KeyId=rsa_key)["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey)
    digest = digest or hashes.SHA256()
    return public.encrypt(DATA_KEY, padding.OAEP(padding.MGF1(digest), digest, label=None))


class TestRsaKeys:
    @pytest.mark.parametrize("region", [HOME, AWAY])
    def test_what_the_public_key_wrapped_every_region_unwraps(self, aws: LocalAws, rsa_key: str, region: str) -> None:
        """OAEP with SHA-256 throughout and no label, made without KMS."""
        answer = aws.kms(region).decrypt(
            KeyId=in_region(rsa_key, region), CiphertextBlob=wrap_locally(aws, rsa_key), EncryptionAlgorithm=OAEP
        )
        assert answer["Plaintext"] == DATA_KEY
        assert answer["KeyId"] == in_region(rsa_key, region)

    @pytest.mark.parametrize("bits", [3072, 4096])
    def test_longer_keys_unwrap_too(self, aws: LocalAws, bits: int) -> None:
        """RSA_3072 and RSA_4096, in one region."""
        arn = aws.kms(HOME).create_key(KeySpec=f"RSA_{bits}", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
        blob = wrap_locally(aws, arn)
        assert len(blob) == bits // 8
        assert aws.kms(HOME).decrypt(KeyId=arn, CiphertextBlob=blob, EncryptionAlgorithm=OAEP)["Plaintext"] == DATA_KEY

    def test_what_kms_wrapped_it_unwraps(self, aws: LocalAws, rsa_key: str) -> None:
        """Encrypt makes a bare RSA ciphertext of the modulus' length, as the public key does."""
        blob = aws.kms(HOME).encrypt(KeyId=rsa_key, Plaintext=DATA_KEY, EncryptionAlgorithm=OAEP)["CiphertextBlob"]
        assert len(blob) == 256
        answer = aws.kms(HOME).decrypt(KeyId=rsa_key, CiphertextBlob=blob, EncryptionAlgorithm=OAEP)
        assert answer["Plaintext"] == DATA_KEY

    def test_a_plaintext_that_is_too_long_is_refused(self, aws: LocalAws, rsa_key: str) -> None:
        """190 bytes fit into RSA_2048."""
        with refused("ValidationException"):
            aws.kms(HOME).encrypt(KeyId=rsa_key, Plaintext=bytes(191), EncryptionAlgorithm=OAEP)

    def test_a_changed_ciphertext_is_invalid(self, aws: LocalAws, rsa_key: str) -> None:
        """One flipped bit."""
        blob = bytearray(wrap_locally(aws, rsa_key))
        blob[100] ^= 1
        with refused("InvalidCiphertextException"):
            aws.kms(HOME).decrypt(KeyId=rsa_key, CiphertextBlob=bytes(blob), EncryptionAlgorithm=OAEP)

    def test_another_hash_is_invalid(self, aws: LocalAws, rsa_key: str) -> None:
        """A ciphertext of OAEP with SHA-1 is none of OAEP with SHA-256."""
        blob = wrap_locally(aws, rsa_key, hashes.SHA1())  # noqa: S303
        with refused("InvalidCiphertextException"):
            aws.kms(HOME).decrypt(KeyId=rsa_key, CiphertextBlob=blob, EncryptionAlgorithm=OAEP)

    def test_an_encryption_context_is_refused(self, aws: LocalAws, rsa_key: str) -> None:
        """RSA has nothing to bind it to."""
        blob = wrap_locally(aws, rsa_key)
        with refused("ValidationException"):
            aws.kms(HOME).decrypt(
                KeyId=rsa_key, CiphertextBlob=blob, EncryptionAlgorithm=OAEP, EncryptionContext={"a": "b"}
            )

    def test_decrypting_as_if_it_were_symmetric_is_refused(self, aws: LocalAws, rsa_key: str) -> None:
        """Without an algorithm KMS takes the symmetric one, which the key is not for."""
        blob = wrap_locally(aws, rsa_key)
        with refused("InvalidKeyUsageException"):
            aws.kms(HOME).decrypt(KeyId=rsa_key, CiphertextBlob=blob)

    def test_without_a_key_id_nothing_is_found(self, aws: LocalAws, rsa_key: str) -> None:
        """A bare RSA ciphertext names no key."""
        blob = wrap_locally(aws, rsa_key)
        with refused("InvalidCiphertextException"):
            aws.kms(HOME).decrypt(CiphertextBlob=blob)

    def test_a_symmetric_key_takes_no_rsa_algorithm(self, aws: LocalAws, key: str) -> None:
        """For Encrypt as for Decrypt."""
        with refused("InvalidKeyUsageException"):
            aws.kms(HOME).encrypt(KeyId=key, Plaintext=DATA_KEY, EncryptionAlgorithm=OAEP)

    def test_a_signing_key_encrypts_nothing(self, aws: LocalAws) -> None:
        """Its usage is another one."""
        arn = aws.kms(HOME).create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        with refused("InvalidKeyUsageException"):
            aws.kms(HOME).encrypt(KeyId=arn, Plaintext=DATA_KEY, EncryptionAlgorithm=OAEP)

    def test_the_public_key_comes_with_its_arn_and_uses(self, aws: LocalAws, rsa_key: str) -> None:
        """The same one in every region."""
        home, away = (aws.kms(region).get_public_key(KeyId=in_region(rsa_key, region)) for region in (HOME, AWAY))
        assert home["PublicKey"] == away["PublicKey"]
        assert away["KeyId"] == in_region(rsa_key, AWAY)
        assert (home["KeySpec"], home["KeyUsage"]) == ("RSA_2048", "ENCRYPT_DECRYPT")
        assert OAEP in home["EncryptionAlgorithms"]

    def test_a_symmetric_key_has_no_public_key(self, aws: LocalAws, key: str) -> None:
        """There is none to give."""
        with refused("UnsupportedOperationException"):
            aws.kms(HOME).get_public_key(KeyId=key)


class TestStates:
    @pytest.fixture(params=["disabled", "pending deletion"])
    def stopped(self, request: pytest.FixtureRequest, aws: LocalAws, rsa_key: str, key: str) -> Iterator[str]:
        """What KMS answers for a symmetric and an RSA key which are stopped at home."""
        for arn in (key, rsa_key):
            if request.param == "disabled":
                aws.kms(HOME).disable_key(KeyId=arn)
            else:
                aws.kms(HOME).schedule_key_deletion(KeyId=arn)
        yield "DisabledException" if request.param == "disabled" else "KMSInvalidStateException"
        if request.param != "disabled":
            aws.kms(HOME).cancel_key_deletion(KeyId=rsa_key)
        aws.kms(HOME).enable_key(KeyId=rsa_key)

    def test_a_stopped_key_encrypts_nothing(self, aws: LocalAws, key: str, stopped: str) -> None:
        """Whoever asks."""
        with refused(stopped):
            aws.kms(HOME).encrypt(KeyId=key, Plaintext=DATA_KEY)

    def test_a_stopped_key_decrypts_nothing(self, aws: LocalAws, key: str, stopped: str) -> None:
        """But its replica goes on: each region has a state of its own."""
        blob = aws.kms(AWAY).encrypt(KeyId=in_region(key, AWAY), Plaintext=DATA_KEY)["CiphertextBlob"]
        with refused(stopped):
            aws.kms(HOME).decrypt(KeyId=key, CiphertextBlob=blob)
        assert aws.kms(AWAY).decrypt(CiphertextBlob=blob)["Plaintext"] == DATA_KEY

    def test_a_stopped_rsa_key_gives_out_nothing(self, aws: LocalAws, rsa_key: str, stopped: str) -> None:
        """Neither plaintext nor public key."""
        with refused(stopped):
            aws.kms(HOME).get_public_key(KeyId=rsa_key)
        with refused(stopped):
            aws.kms(HOME).decrypt(KeyId=rsa_key, CiphertextBlob=bytes(256), EncryptionAlgorithm=OAEP)

    def test_a_stopped_key_is_not_replicated(self, aws: LocalAws, key: str, stopped: str) -> None:
        """Nor rotated."""
        with refused(stopped):
            aws.kms(HOME).replicate_key(KeyId=key, ReplicaRegion="ap-southeast-2")
        with refused(stopped):
            aws.kms(HOME).enable_key_rotation(KeyId=key)


class TestDenials:
    def call(self, aws: LocalAws, region: str, key: str, action: str) -> None:
        client, key = aws.kms(region), in_region(key, region)
        if action == "kms:Encrypt":
            client.encrypt(KeyId=key, Plaintext=DATA_KEY)
        elif action == "kms:DescribeKey":
            client.describe_key(KeyId=key)
        elif action == "kms:GetKeyRotationStatus":
            client.get_key_rotation_status(KeyId=key)
        else:
            elsewhere = HOME if region == AWAY else AWAY
            blob = aws.kms(elsewhere).encrypt(KeyId=key.rpartition("/")[2], Plaintext=DATA_KEY)["CiphertextBlob"]
            client.decrypt(CiphertextBlob=blob)

    @pytest.mark.parametrize("denied", [None, "kms:*"])
    @pytest.mark.parametrize("action", ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:GetKeyRotationStatus"])
    def test_a_denied_action_is_refused_in_that_region(
        self, aws: LocalAws, key: str, action: str, denied: str | None
    ) -> None:
        """By its name or by a wildcard; in the other region the replica has a policy of its own."""
        deny(aws, AWAY, key, denied or action)
        with refused("AccessDeniedException"):
            self.call(aws, AWAY, key, action)
        if action != "kms:Decrypt" or denied is None:  # else there is nobody to make a ciphertext for home
            self.call(aws, HOME, key, action)

    def test_a_denied_public_key_is_refused(self, aws: LocalAws) -> None:
        """GetPublicKey, for an RSA key."""
        arn = aws.kms(HOME).create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
        deny(aws, HOME, arn, "kms:GetPublicKey")
        with refused("AccessDeniedException"):
            aws.kms(HOME).get_public_key(KeyId=arn)

    def test_one_action_may_be_a_plain_string(self, aws: LocalAws, key: str) -> None:
        """As in most policies that people write."""
        deny(aws, HOME, key, Action="kms:Encrypt")
        with refused("AccessDeniedException"):
            self.call(aws, HOME, key, "kms:Encrypt")

    @pytest.mark.parametrize(
        "more",
        [
            {"Principal": {"AWS": "arn:aws:iam::123456789012:role/other"}},
            {"Condition": {"StringEquals": {"kms:EncryptionContext:fieldcrypt:tenant": "clinic-7"}}},
        ],
    )
    def test_what_is_denied_to_some_is_not_enforced(self, aws: LocalAws, key: str, more: dict[str, Any]) -> None:
        """moto does not know who calls; a denial with a principal or a condition is left alone, not made general."""
        deny(aws, HOME, key, "kms:Encrypt", **more)
        self.call(aws, HOME, key, "kms:Encrypt")

    @pytest.mark.parametrize("policy", ["{", "[]", "{}", '{"Statement": [{"Effect": "Deny"}]}', '{"Statement": 7}'])
    def test_a_malformed_policy_is_refused(self, aws: LocalAws, key: str, policy: str) -> None:
        """When it is put, not when it is read."""
        with refused("MalformedPolicyDocumentException"):
            aws.kms(HOME).put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
        with refused("MalformedPolicyDocumentException"):
            aws.kms(HOME).create_key(Policy=policy)


class TestReplicas:
    def test_each_knows_which_it_is(self, aws: LocalAws, key: str) -> None:
        """Asking a replica does not make its primary one."""
        kinds = [
            aws.kms(region).describe_key(KeyId=in_region(key, region))["KeyMetadata"]["MultiRegionConfiguration"]
            for region in (AWAY, HOME)
        ]
        assert [kind["MultiRegionKeyType"] for kind in kinds] == ["REPLICA", "PRIMARY"]
        assert kinds[0]["ReplicaKeys"] == kinds[1]["ReplicaKeys"] == [{"Arn": in_region(key, AWAY), "Region": AWAY}]

    def test_a_replica_has_a_policy_and_a_description_of_its_own(self, aws: LocalAws, key: str) -> None:
        """The default policy, or the one that the request names; never the primary's."""
        deny(aws, HOME, key, "kms:Encrypt")
        policy = aws.kms(HOME).get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        given = {"KeyId": key, "ReplicaRegion": "ap-southeast-2", "Policy": policy, "Description": "third"}
        answer = aws.kms(HOME).replicate_key(**given)
        default = aws.kms(AWAY).get_key_policy(KeyId=in_region(key, AWAY), PolicyName="default")["Policy"]
        assert answer["ReplicaPolicy"] == policy != default
        assert answer["ReplicaKeyMetadata"]["Description"] == "third"

    def test_a_replica_is_being_created_at_first(self, aws: LocalAws, key: str) -> None:
        """The answer to ReplicateKey says so; DescribeKey tells when it is done."""
        answer = aws.kms(HOME).replicate_key(KeyId=key, ReplicaRegion="ap-southeast-2")
        assert answer["ReplicaKeyMetadata"]["KeyState"] == "Creating"

    def test_there_is_one_replica_a_region(self, aws: LocalAws, key: str) -> None:
        """A second one, or one beside the primary, exists already."""
        for region in (HOME, AWAY):
            with refused("AlreadyExistsException"):
                aws.kms(HOME).replicate_key(KeyId=key, ReplicaRegion=region)

    def test_only_a_primary_is_replicated(self, aws: LocalAws, key: str) -> None:
        """Not a replica, and not a key of a single region."""
        single = aws.create_key(multi_region=False)
        for region, arn in ((AWAY, in_region(key, AWAY)), (HOME, single)):
            with refused("UnsupportedOperationException"):
                aws.kms(region).replicate_key(KeyId=arn, ReplicaRegion="ap-southeast-2")


class TestRotation:
    def test_it_is_turned_on_for_all_regions_at_the_primary(self, aws: LocalAws, key: str) -> None:
        """With its period, which is a year if nobody says otherwise."""
        assert not aws.kms(AWAY).get_key_rotation_status(KeyId=in_region(key, AWAY))["KeyRotationEnabled"]
        for wanted, days in (({}, 365), ({"RotationPeriodInDays": 180}, 180)):
            aws.kms(HOME).enable_key_rotation(KeyId=key, **wanted)
            status = aws.kms(AWAY).get_key_rotation_status(KeyId=in_region(key, AWAY))
            assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, days)

    def test_a_replica_does_not_decide(self, aws: LocalAws, key: str) -> None:
        """Rotation is a property that the regions share."""
        with refused("UnsupportedOperationException"):
            aws.kms(AWAY).enable_key_rotation(KeyId=in_region(key, AWAY))

    def test_a_period_has_limits(self, aws: LocalAws, key: str) -> None:
        """It is 90 (which boto3 sees to) to 2,560 days."""
        with refused("ValidationException"):
            aws.kms(HOME).enable_key_rotation(KeyId=key, RotationPeriodInDays=2561)

    def test_rsa_keys_do_not_rotate(self, aws: LocalAws, rsa_key: str) -> None:
        """Neither can it be turned on nor asked for."""
        for operation in ("enable_key_rotation", "get_key_rotation_status"):
            with refused("UnsupportedOperationException"):
                getattr(aws.kms(HOME), operation)(KeyId=rsa_key)


class TestAliases:
    @pytest.mark.parametrize("region", [HOME, AWAY])
    def test_an_alias_means_the_key_of_its_region(
        self, aws: LocalAws, alias: tuple[str, dict[str, str]], region: str
    ) -> None:
        """By name and by ARN, for Encrypt and DescribeKey."""
        arn, keys = alias
        for name in ("alias/same-name", in_region(arn, region)):
            assert aws.kms(region).describe_key(KeyId=name)["KeyMetadata"]["Arn"] == keys[region]
            assert aws.kms(region).encrypt(KeyId=name, Plaintext=DATA_KEY)["KeyId"] == keys[region]

    def test_an_alias_of_another_region_is_not_found(self, aws: LocalAws, alias: tuple[str, dict[str, str]]) -> None:
        """Its ARN is not resolved by name in the region that was asked."""
        with refused("NotFoundException"):
            aws.kms(AWAY).describe_key(KeyId=alias[0])
        with refused("NotFoundException"):
            aws.kms(AWAY).encrypt(KeyId=alias[0], Plaintext=DATA_KEY)

    def test_a_replica_has_aliases_of_its_own(self, aws: LocalAws) -> None:
        """None at first, even if the primary had one before it was replicated."""
        made = aws.kms(HOME).create_key(MultiRegion=True)["KeyMetadata"]
        aws.kms(HOME).create_alias(AliasName="alias/only-home", TargetKeyId=made["KeyId"])
        aws.kms(HOME).replicate_key(KeyId=made["KeyId"], ReplicaRegion=AWAY)
        assert aws.kms(AWAY).list_aliases(KeyId=made["KeyId"])["Aliases"] == []
        aws.kms(AWAY).create_alias(AliasName="alias/only-home", TargetKeyId=made["KeyId"])
        (listed,) = aws.kms(AWAY).list_aliases(KeyId=made["KeyId"])["Aliases"]
        assert listed["AliasArn"] == "arn:aws:kms:eu-west-1:123456789012:alias/only-home"

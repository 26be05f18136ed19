"""Other schemes, each by its own library, for the tests of their readers: what they wrote, and who reads it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import asherah
from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.identifiers import Algorithm, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import String
from sqlalchemy_utils import StringEncryptedType
from sqlalchemy_utils.types.encrypted.encrypted_type import AesEngine, AesGcmEngine, FernetEngine

from fieldcrypt.schemes import LegacyReader
from fieldcrypt.schemes.asherah import AsherahReader
from fieldcrypt.schemes.aws_encryption_sdk import EncryptionSdkReader
from fieldcrypt.schemes.fernet import FernetReader
from fieldcrypt.schemes.sqlalchemy_utils import StringEncryptedReader

__all__ = ["SCHEMES", "SSN", "TENANT", "ROW", "Scheme", "esdk_key", "esdk_message", "scheme"]

SSN = "078-05-1120"
TENANT = "clinic-7"
ROW = {"row": "42"}

ANY_CLIENT = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT)
OLD_CLIENT = EncryptionSDKClient(commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
UNSIGNED = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY  # which makes signatures no part of what a test waits for


class Scheme(NamedTuple):
    """A scheme, and a value of it: `SSN`, of the row `ROW` of `TENANT`.

    Attributes:
        reader: has the keys.
        foreign: has other keys.
        data: what the library wrote.
    """

    reader: LegacyReader[str]
    foreign: LegacyReader[str]
    data: bytes | str


def fernet() -> Scheme:
    keys = [Fernet(Fernet.generate_key()) for _ in range(3)]
    return Scheme(FernetReader(keys[0]), FernetReader(keys[1]), keys[0].encrypt(SSN.encode()))


def multi_fernet() -> Scheme:
    """A token as text, under the older of two keys."""
    keys = [Fernet(Fernet.generate_key()) for _ in range(3)]
    reader = FernetReader(MultiFernet(keys[:2]))
    return Scheme(reader, FernetReader(MultiFernet(keys[2:])), keys[1].encrypt(SSN.encode()).decode())


def _string_encrypted(engine: type, padding: str | None = None) -> Scheme:
    ours, foreign = (StringEncryptedType(String, key, engine, padding) for key in ("a secret", "another"))
    trusting = engine is AesEngine
    return Scheme(
        StringEncryptedReader(ours, accept_unauthenticated=trusting),
        StringEncryptedReader(foreign, accept_unauthenticated=trusting),
        ours.process_bind_param(SSN, None),
    )


def esdk_key(seed: str = "k") -> RawMasterKey:
    """A master key that is on this machine."""
    wrapping = WrappingKey(
        wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
        wrapping_key=seed.encode() * 32,
        wrapping_key_type=EncryptionKeyType.SYMMETRIC,
    )
    return RawMasterKey(provider_id="local", key_id=b"the key", wrapping_key=wrapping)


def esdk_message(plaintext: bytes, algorithm: Algorithm = UNSIGNED, context: Mapping[str, str] | None = None) -> bytes:
    """A message under `esdk_key()`."""
    client = ANY_CLIENT if algorithm.is_committing() else OLD_CLIENT
    message, _ = client.encrypt(
        source=plaintext, key_provider=esdk_key(), algorithm=algorithm, encryption_context=dict(context or {})
    )
    return bytes(message)


def expected(tenant: str | None, context: Mapping[str, str]) -> Mapping[str, str]:
    return {"clinic": tenant or "", "patient": context.get("row", "")}


def _esdk(algorithm: Algorithm) -> Scheme:
    ours, foreign = (EncryptionSdkReader(esdk_key(seed), expected, client=ANY_CLIENT) for seed in "kx")
    return Scheme(ours, foreign, esdk_message(SSN.encode(), algorithm, expected(TENANT, ROW)))


def _asherah() -> Scheme:
    factories = [
        asherah.SessionFactory(
            {
                "ServiceName": "patients",
                "ProductID": "clinics",
                "Metastore": "memory",
                "KMS": "static",
                "StaticMasterKeyHex": key * 32,
            }
        )
        for key in ("22", "33")
    ]
    ours, foreign = (AsherahReader(factory, lambda tenant, _: tenant or "nobody") for factory in factories)
    return Scheme(ours, foreign, factories[0].get_session(TENANT).encrypt_text(SSN))


SCHEMES: Mapping[str, Any] = {
    "fernet": fernet,
    "multi-fernet": multi_fernet,
    "sqlalchemy-utils-fernet": lambda: _string_encrypted(FernetEngine),
    "sqlalchemy-utils-gcm": lambda: _string_encrypted(AesGcmEngine),
    "sqlalchemy-utils-aes": lambda: _string_encrypted(AesEngine, "pkcs5"),
    "esdk": lambda: _esdk(UNSIGNED),
    "esdk-signed": lambda: _esdk(Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384),
    "esdk-version-1": lambda: _esdk(Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384),
    "esdk-without-derivation": lambda: _esdk(Algorithm.AES_128_GCM_IV12_TAG16),
    "asherah": _asherah,
}
UNAUTHENTICATED = {"sqlalchemy-utils-aes"}
AUTHENTICATED = [name for name in SCHEMES if name not in UNAUTHENTICATED]


@cache
def scheme(name: str) -> Scheme:
    """Return a scheme, the same one for the same name."""
    made: Scheme = SCHEMES[name]()
    return made

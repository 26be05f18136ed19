"""The AWS Encryption SDK with its cache of data keys, a raw AES wrapping key, and the field's name as context.

With a signature, which its default suite has, and without. Its cache gives a data key for as many messages as allowed,
which is the most that it can do for the speed of small values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import aws_encryption_sdk
from aws_encryption_sdk.identifiers import Algorithm, CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider

from benchmarks.peers.peer import Cipher, Record, each_field

__all__ = ["PEERS"]


class LocalKey(RawMasterKeyProvider):  # type: ignore[misc]
    """One AES-256 key in memory wraps all data keys."""

    provider_id = "benchmark"

    def __init__(self, **kwargs: Any) -> None:
        self._key = os.urandom(32)

    def _get_raw_key(self, key_id: bytes) -> WrappingKey:
        return WrappingKey(WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING, self._key, EncryptionKeyType.SYMMETRIC)


class AwsSdk:
    """Messages of one suite."""

    binds = "field"

    def __init__(self, name: str, algorithm: Algorithm) -> None:
        self.name = name
        self._algorithm = algorithm
        self._client = aws_encryption_sdk.EncryptionSDKClient(
            commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
        )
        provider = LocalKey()
        provider.add_master_key(b"local")
        self._materials = aws_encryption_sdk.CachingCryptoMaterialsManager(
            master_key_provider=provider,
            cache=aws_encryption_sdk.LocalCryptoMaterialsCache(capacity=1000),
            max_age=3600.0,
        )

    def data(self, field: str) -> Cipher[bytes]:
        client, materials, algorithm = self._client, self._materials, self._algorithm
        context = {"field": field}

        def encrypt(value: bytes) -> bytes:
            stored, _ = client.encrypt(
                source=value, materials_manager=materials, encryption_context=context, algorithm=algorithm
            )
            return bytes(stored)

        def decrypt(stored: bytes) -> bytes:
            value, header = client.decrypt(source=stored, materials_manager=materials)
            if header.encryption_context["field"] != field:
                raise ValueError("a value of another field")
            return bytes(value)

        return Cipher(encrypt, decrypt)

    def text(self, field: str) -> Cipher[str]:
        data = self.data(field)
        return Cipher(lambda value: data.encrypt(value.encode()), lambda stored: data.decrypt(stored).decode())

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        return each_field(self, fields)


PEERS: tuple[Callable[[], AwsSdk], ...] = (
    lambda: AwsSdk("aws-encryption-sdk", Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY),
    lambda: AwsSdk("aws-encryption-sdk, signed", Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384),
)

"""Amazon's DynamoDB Encryption Client for Python: whole items, signed, under a local wrapping key.

Its caching providers keep the wrapping key and save calls of KMS; every item has a new content key all the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from dynamodb_encryption_sdk import decrypt_python_item, encrypt_python_item
from dynamodb_encryption_sdk.delegated_keys.jce import JceNameLocalDelegatedKey
from dynamodb_encryption_sdk.encrypted import CryptoConfig
from dynamodb_encryption_sdk.identifiers import CryptoAction, EncryptionKeyType, KeyEncodingType
from dynamodb_encryption_sdk.material_providers.wrapped import WrappedCryptographicMaterialsProvider
from dynamodb_encryption_sdk.structures import AttributeActions, EncryptionContext

from benchmarks.peers.peer import Cipher, Record

__all__ = ["PEERS"]

Item = dict[str, Any]


class DynamoDbSdk:
    """A value is an item of one attribute, a record an item of several; all bound to the table."""

    name, binds = "dynamodb-encryption-sdk", "field"

    def __init__(self) -> None:
        wrapping, signing = (
            JceNameLocalDelegatedKey(
                key=os.urandom(32),
                algorithm=algorithm,
                key_type=EncryptionKeyType.SYMMETRIC,
                key_encoding=KeyEncodingType.RAW,
            )
            for algorithm in ("AES", "HmacSHA256")
        )
        actions = AttributeActions(default_action=CryptoAction.ENCRYPT_AND_SIGN)
        self._config = CryptoConfig(
            materials_provider=WrappedCryptographicMaterialsProvider(
                wrapping_key=wrapping, unwrapping_key=wrapping, signing_key=signing
            ),
            encryption_context=EncryptionContext(table_name="patients"),
            attribute_actions=actions,
        )

    def text(self, field: str) -> Cipher[str]:
        config = self._config
        return Cipher(
            lambda value: encrypt_python_item({field: value}, config),
            lambda stored: str(decrypt_python_item(stored, config)[field]),
            lambda stored: _size(stored) - len(field),
        )

    def data(self, field: str) -> Cipher[bytes]:
        config = self._config
        return Cipher(
            lambda value: encrypt_python_item({field: value}, config),
            lambda stored: bytes(decrypt_python_item(stored, config)[field]),
            lambda stored: _size(stored) - len(field),
        )

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        config = self._config
        return Cipher(
            lambda record: encrypt_python_item(dict(record), config),
            lambda stored: decrypt_python_item(stored, config),
            lambda stored: _size(stored) - sum(map(len, fields)),
        )


def _size(item: Item) -> int:
    """The names and the binary values of an encrypted item, as DynamoDB counts them."""
    return sum(len(name.encode()) + len(bytes(value)) for name, value in item.items())


PEERS = (DynamoDbSdk,)

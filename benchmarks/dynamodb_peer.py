"""The benchmark's items, protected by Amazon's DynamoDB Encryption Client for Python.

With its fastest provider, a wrapping key at hand: it asks no KMS and no store.
"""

from __future__ import annotations

import os
from typing import Any

from dynamodb_encryption_sdk import decrypt_python_item, encrypt_python_item
from dynamodb_encryption_sdk.delegated_keys.jce import JceNameLocalDelegatedKey
from dynamodb_encryption_sdk.encrypted import CryptoConfig
from dynamodb_encryption_sdk.identifiers import CryptoAction, EncryptionKeyType, KeyEncodingType
from dynamodb_encryption_sdk.material_providers.wrapped import WrappedCryptographicMaterialsProvider
from dynamodb_encryption_sdk.structures import AttributeActions, EncryptionContext

from benchmarks.dynamodb_boto3 import contest, to_python, to_wire
from benchmarks.dynamodb_workload import ITEMS, PROTECTED, Item, Work, items

__all__ = ["encrypted", "work"]


def work() -> Work:
    """Return what is measured of it."""
    config = _config(PROTECTED)
    return contest(
        list(items(ITEMS)),
        lambda item: to_wire(encrypt_python_item(item, config)),
        lambda wire: decrypt_python_item(to_python(wire), config),
    )


def encrypted(item: Item, protected: tuple[str, ...]) -> Item:
    """Return an item as it is sent, with these attributes protected."""
    return to_wire(encrypt_python_item(item, _config(protected)))


def _config(protected: tuple[str, ...]) -> Any:
    wrapping, signing = (
        JceNameLocalDelegatedKey(
            key=os.urandom(32),
            algorithm=algorithm,
            key_type=EncryptionKeyType.SYMMETRIC,
            key_encoding=KeyEncodingType.RAW,
        )
        for algorithm in ("AES", "HmacSHA256")
    )
    actions = AttributeActions(
        default_action=CryptoAction.DO_NOTHING,
        attribute_actions=dict.fromkeys(protected, CryptoAction.ENCRYPT_AND_SIGN),
    )
    actions.set_index_keys("id")
    return CryptoConfig(
        materials_provider=WrappedCryptographicMaterialsProvider(
            wrapping_key=wrapping, unwrapping_key=wrapping, signing_key=signing
        ),
        encryption_context=EncryptionContext(table_name="patients", partition_key_name="id", attributes={}),
        attribute_actions=actions,
    )

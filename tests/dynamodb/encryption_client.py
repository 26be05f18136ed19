"""An item of the DynamoDB Encryption Client, and what it takes to read it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import Binary
from dynamodb_encryption_sdk.delegated_keys.jce import JceNameLocalDelegatedKey
from dynamodb_encryption_sdk.encrypted import CryptoConfig
from dynamodb_encryption_sdk.identifiers import CryptoAction, EncryptionKeyType, KeyEncodingType
from dynamodb_encryption_sdk.material_providers.wrapped import WrappedCryptographicMaterialsProvider
from dynamodb_encryption_sdk.structures import AttributeActions, EncryptionContext

ITEM: dict[str, Any] = {
    "id": "42",
    "ward": "W",
    "ssn": "078-05-1120",
    "weight": Decimal("70.5"),
    "photo": Binary(b"\x00\xff"),
    "names": {"Ann", "Anna"},
    "notes": [{"by": "Dr. Zoë"}, None, True],
}

ACTIONS = AttributeActions(
    CryptoAction.ENCRYPT_AND_SIGN, {"id": CryptoAction.SIGN_ONLY, "ward": CryptoAction.SIGN_ONLY}
)


def materials(seed: bytes = b"k") -> Any:
    """Wrap the keys of items under keys that are on this machine."""
    wrapping, signing = (
        JceNameLocalDelegatedKey(
            key=seed * 32, algorithm=name, key_type=EncryptionKeyType.SYMMETRIC, key_encoding=KeyEncodingType.RAW
        )
        for name in ("AES", "HmacSHA512")
    )
    return WrappedCryptographicMaterialsProvider(signing_key=signing, wrapping_key=wrapping, unwrapping_key=wrapping)


def config(provider: Any) -> CryptoConfig:
    return CryptoConfig(
        materials_provider=provider,
        encryption_context=EncryptionContext(table_name="patients", partition_key_name="id"),
        attribute_actions=ACTIONS,
    )

"""Items of the DynamoDB Encryption Client (`dynamodb-encryption-sdk`), which encrypts and signs items as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from dynamodb_encryption_sdk import decrypt_dynamodb_item, decrypt_python_item
from dynamodb_encryption_sdk.encrypted import CryptoConfig
from dynamodb_encryption_sdk.exceptions import DynamodbEncryptionSdkError
from dynamodb_encryption_sdk.transform import dict_to_ddb

from fieldcrypt import ConfigurationError, DecryptionError, KeyProviderError

__all__ = ["DynamoDbEncryptionClientReader"]

_SIGNATURE = "*amzn-ddb-map-sig*"
_DESCRIPTION = "*amzn-ddb-map-desc*"
_OWN = (_SIGNATURE, _DESCRIPTION)

# How KMS says that a data key is not what it encrypted. Its other answers are no word on the item.
_NOT_AUTHENTIC = ("InvalidCiphertextException", "IncorrectKeyException")

# What the SDK raises for items that were changed, besides its own errors: it takes them apart before it verifies them.
_REFUSALS = (DynamodbEncryptionSdkError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


class DynamoDbEncryptionClientReader:
    """Reads whole items of the DynamoDB Encryption Client, in Python's form or in DynamoDB's own.

        config = CryptoConfig(materials_provider, EncryptionContext(…), AttributeActions(…))
        reader = DynamoDbEncryptionClientReader(config)
        for item in plain_table.scan()["Items"]:
            if reader.recognises(item):
                encrypted_table.put_item(Item=reader.read(item))

    Args:
        config: as the items were written with. Attributes with the action DO_NOTHING are authenticated by nobody.

    Raises:
        ConfigurationError: no attribute is signed.
    """

    journal_name = "OldItemReader"  # as 0.1 named it in the checkpoints of migrations

    def __init__(self, config: CryptoConfig) -> None:
        if config.attribute_actions.take_no_actions:
            raise ConfigurationError("of this CryptoConfig no attribute is signed, so that nothing can be verified")
        self._config = config

    def recognises(self, item: Mapping[str, Any]) -> bool:
        """Return True if an item has been signed by the DynamoDB Encryption Client, to go by its attributes."""
        return _SIGNATURE in item

    def read(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Verify and decrypt an item.

        Returns:
            The item as the application had it, in the form in which it came, without signature and description.

        Raises:
            DecryptionError: it is not signed, or not as it was signed.
            KeyProviderError: KMS cannot be reached, or refuses.
        """
        if not self.recognises(item):
            raise DecryptionError("the item was not signed by the DynamoDB Encryption Client")
        in_wire_form = isinstance(item[_SIGNATURE], Mapping)
        cause: Exception | None = None
        try:
            wire = item if in_wire_form else dict_to_ddb(dict(item))
            config = self._config.with_item({name: value for name, value in wire.items() if name not in _OWN})
            decrypt = decrypt_dynamodb_item if in_wire_form else decrypt_python_item
            found: dict[str, Any] = decrypt(dict(item), config)  # a copy: it takes things out
        except BotoCoreError as error:
            cause = error
        except _REFUSALS as error:
            # The SDK raises its own error for whatever KMS answers, while that is being handled.
            if isinstance(error.__context__, ClientError):
                cause = error.__context__
        else:
            return found
        if isinstance(cause, ClientError) and cause.response["Error"]["Code"] in _NOT_AUTHENTIC:
            cause = None
        if cause is not None:
            raise KeyProviderError("AWS KMS does not unwrap the key of an item", causes={"aws-kms": cause})
        raise DecryptionError("the item is not as the DynamoDB Encryption Client signed it, or under other keys")

    def __reduce__(self) -> str:
        raise TypeError("an DynamoDbEncryptionClientReader may hold keys and cannot be pickled")

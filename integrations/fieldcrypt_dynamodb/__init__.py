"""fieldcrypt for DynamoDB: a key store in a table. See docs/keys.md."""

from fieldcrypt_dynamodb.key_store import DynamoKeyStore

__all__ = ["DynamoKeyStore"]

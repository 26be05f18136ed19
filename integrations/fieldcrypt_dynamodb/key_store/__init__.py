"""The key store in a DynamoDB table, and its replicas."""

from fieldcrypt_dynamodb.key_store.store import DynamoKeyStore

__all__ = ["DynamoKeyStore"]

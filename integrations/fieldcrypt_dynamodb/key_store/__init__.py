"""The key store in a DynamoDB table, and its replicas."""

from typing import Any

from fieldcrypt_dynamodb.key_store.store import CONFIG, DynamoKeyStore
from fieldcrypt_dynamodb.lazy_client import LazyClient

__all__ = ["DynamoKeyStore"]


def _default_client(named: str | None, region: str | None = None) -> Any:
    """Make the client of a store that 0.1 pickled, which names its region by itself."""
    return LazyClient(None, named or region, CONFIG)()

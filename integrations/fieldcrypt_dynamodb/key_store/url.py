"""The key store in a DynamoDB table, from a URL: for settings."""

from __future__ import annotations

from fieldcrypt import ConfigurationError, KeyStoreChain
from fieldcrypt.spi import ServiceUrl
from fieldcrypt_dynamodb.key_store.store import DynamoKeyStore

__all__ = ["store_from_url"]


def store_from_url(url: str) -> DynamoKeyStore | KeyStoreChain:
    """Make a store: `dynamodb:data-keys?regions=eu-west-1,us-east-1`.

    The table of the first region is written to. Those of the others, of a global table, are read for records that have
    not arrived there (see `KeyStoreChain`). Without regions, it is the one that boto3 is configured for.

    Raises:
        ConfigurationError: there is no table, or a parameter is unknown.
    """
    named = ServiceUrl.parse(url)
    regions = named.names("regions")
    named.finish()
    if regions is None:
        return DynamoKeyStore(named.path)
    if "" in regions or len(set(regions)) < len(regions):
        raise ConfigurationError("dynamodb: has regions of which one is empty, or named twice")
    own, *others = (DynamoKeyStore(named.path, region=region) for region in regions)
    return KeyStoreChain(own, *others) if others else own

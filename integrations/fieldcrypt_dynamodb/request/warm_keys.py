"""Data keys fetched before a write whose answer is decrypted: a failure after the write comes too late."""

from __future__ import annotations

from time import monotonic
from typing import Protocol

from fieldcrypt import DecryptionError, Encryptor
from fieldcrypt_dynamodb.aio.steps import waiting

__all__ = ["KeptWarm", "warm_keys"]

_SECONDS = 10.0  # for which a tenant's keys count as fetched, because each look asks the key store
_MOST = 8192  # tenants


class KeptWarm(Protocol):
    """What has data keys, and remembers for each tenant until when they count as fetched."""

    warm_until: dict[str | None, float]

    @property
    def encryptor(self) -> Encryptor | None: ...


def warm_keys(table: KeptWarm, tenant: str | None) -> None:
    """Unwrap the data keys of a tenant. That does not help with values that carry their own.

    Args:
        table: whose items; a table's description, or an attribute of PynamoDB's.
        tenant: None for the keys of no tenant.

    Raises:
        KeyProviderError, KeyStoreError: they cannot be had.
    """
    now, encryptor = monotonic(), table.encryptor
    if encryptor is None or table.warm_until.get(tenant, now) > now:
        return
    try:
        waiting(lambda: encryptor.warm_up([tenant]))
    except DecryptionError:  # perhaps for a key that somebody planted; all others were tried as well
        return
    if len(table.warm_until) >= _MOST:
        table.warm_until.clear()
    table.warm_until[tenant] = now + _SECONDS

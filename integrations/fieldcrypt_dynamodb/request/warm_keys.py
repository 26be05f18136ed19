"""Data keys at hand before a write whose answer is decrypted: what is found out after it is found out too late."""

from __future__ import annotations

from time import monotonic

from fieldcrypt import DecryptionError
from fieldcrypt_dynamodb.aio.steps import waiting
from fieldcrypt_dynamodb.protected_table import ProtectedTable

__all__ = ["warm_keys"]

_SECONDS = 10.0  # that a tenant's keys count as being at hand, for each look asks the key store
_MOST = 8192  # tenants


def warm_keys(table: ProtectedTable, tenant: str | None) -> None:
    """Have the data keys of a tenant unwrapped. Values that carry their own keys are not helped.

    Args:
        table: whose items; it remembers.
        tenant: None for the keys of no tenant.

    Raises:
        KeyProviderError, KeyStoreError: they cannot be had.
    """
    now = monotonic()
    if table.warm_until.get(tenant, now) > now:
        return
    try:
        waiting(lambda: table.encryptor.warm_up([tenant]))
    except DecryptionError:  # of a key that somebody planted, perhaps; all others were tried as well
        return
    if len(table.warm_until) >= _MOST:
        table.warm_until.clear()
    table.warm_until[tenant] = now + _SECONDS

"""Data keys at hand before a write whose answer is decrypted: what is found out after it is found out too late."""

from __future__ import annotations

from time import monotonic
from typing import Protocol

from fieldcrypt import DecryptionError, Encryptor
from fieldcrypt_dynamodb.aio.steps import waiting

__all__ = ["KeptWarm", "warm_keys"]

_SECONDS = 10.0  # that a tenant's keys count as being at hand, for each look asks the key store
_MOST = 8192  # tenants


class KeptWarm(Protocol):
    """What has data keys, and remembers until when those of which tenant count as being at hand."""

    warm_until: dict[str | None, float]

    @property
    def encryptor(self) -> Encryptor | None: ...


def warm_keys(table: KeptWarm, tenant: str | None) -> None:
    """Have the data keys of a tenant unwrapped. Values that carry their own keys are not helped.

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
    except DecryptionError:  # of a key that somebody planted, perhaps; all others were tried as well
        return
    if len(table.warm_until) >= _MOST:
        table.warm_until.clear()
    table.warm_until[tenant] = now + _SECONDS

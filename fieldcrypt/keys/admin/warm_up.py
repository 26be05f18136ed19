"""Unwrapping many data keys at once, before they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from typing import TypeVar

from fieldcrypt.errors import DecryptionError, FieldcryptError, KeyShreddedError
from fieldcrypt.format import envelope
from fieldcrypt.format.context import NO_TENANT, NoTenant
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.providers.tenant_providers import Named, whose
from fieldcrypt.keys.record.record import KeyRecord, check_tenant

__all__ = ["warm_up"]

T = TypeVar("T")
R = TypeVar("R")

_MAX_THREADS = 16


def warm_up(keyring: Keyring, tenants: Iterable[str | NoTenant | None], values: Iterable[bytes]) -> int:
    """Unwrap the data keys of tenants, index keys included, and of values, several at once, without making new ones.

    Args:
        keyring: where they become live.
        tenants: whose data keys to unwrap, including the one that encrypts.
        values: encrypted values whose data keys to unwrap; where tenants have key providers of their own, of these
            tenants.

    Returns:
        How many data keys those are.

    Raises:
        As `Field.decrypt` for the first key that fails, after all have been tried. `KeyShreddedError` only if nothing
            else failed.
    """
    errors: list[FieldcryptError] = []
    names = _checked(tenants)
    wanted: dict[tuple[bytes, bytes | None], list[Named]] = {}  # for whom
    readers: list[Named] = [whose(name) for name in names] if keyring.providers.by_tenant else [None]
    for data in values:
        try:
            value = envelope.parse(envelope.as_bytes(data))
            wanted[value.key_id, value.record] = readers
        except DecryptionError as error:
            errors.append(error)

    def listed(tenant: str | None) -> tuple[str | None, list[KeyRecord]]:
        return tenant, keyring.records(tenant)

    found = _in_parallel(listed, names if keyring.store is not None else [], errors)
    wanted.update({(record.key_id, None): [whose(tenant)] for tenant, records in found for record in records})
    _in_parallel(lambda key: _fetch(keyring, *key, wanted[key]), list(wanted), errors)
    living = [tenant for tenant, _ in found]
    _in_parallel(keyring.active, living, errors)
    indexed = _in_parallel(keyring.index_keys.for_searching, list(filter(keyring.index_keys.possible, living)), errors)
    if errors:
        raise min(errors, key=lambda error: isinstance(error, KeyShreddedError))  # an outage first: it can pass
    return len(wanted) + sum(len(lease.keys) for lease in indexed)


def _fetch(keyring: Keyring, key_id: bytes, record: bytes | None, named: Sequence[Named]) -> None:
    """Make a data key live, for whichever of these tenants it belongs to."""
    for tenant in named[:-1]:
        try:
            keyring.for_decryption(key_id, record, tenant=tenant)
        except DecryptionError:
            continue
        return
    keyring.for_decryption(key_id, record, tenant=named[-1] if named else None)


def _checked(tenants: Iterable[str | NoTenant | None]) -> list[str | None]:
    names = list(dict.fromkeys(None if tenant is NO_TENANT else tenant for tenant in tenants))
    for name in names:
        if name is not None:
            check_tenant(name)
    return names


def _in_parallel(work: Callable[[T], R], items: Sequence[T], errors: list[FieldcryptError]) -> list[R]:
    """Return the results of work for each item, and append the errors of those that failed."""
    from concurrent.futures import ThreadPoolExecutor  # a tenth of the time of `import fieldcrypt`

    if not items:
        return []
    with ThreadPoolExecutor(min(len(items), _MAX_THREADS), thread_name_prefix="fieldcrypt") as pool:
        futures = [pool.submit(copy_context().run, work, item) for item in items]
    results = []
    for future in futures:
        try:
            results.append(future.result())
        except FieldcryptError as error:
            errors.append(error)
    return results

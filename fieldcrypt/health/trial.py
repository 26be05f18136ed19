"""Trying out a key provider and a key store, as `fieldcrypt doctor` and `Encryptor.check` do."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from fieldcrypt import _system
from fieldcrypt.backends import Backend
from fieldcrypt.errors import FieldcryptError, KeyNotFoundError, KeyProviderError, KeyShreddedError, KeyStoreError
from fieldcrypt.format.envelope import KEY_ID_SIZE
from fieldcrypt.health.causes import explain
from fieldcrypt.health.finding import Finding, Verdict
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, Purpose, wrap_context
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore

__all__ = ["CONTRACT", "STORE_AWAY", "Failure", "Trial", "try_stored_key", "try_store", "try_tenant", "try_wrapping"]

CONTRACT = "have the key provider do what the contract says: docs/guides/extending.md"
STORE_AWAY = "check the database, or the file and its volume, and the permissions"

T = TypeVar("T")


class Failure(enum.Enum):
    """Why something does not work."""

    OUTAGE = "outage"  # live keys go on
    DECISION = "decision"  # live keys end, or waiting does not help

    @classmethod
    def of(cls, error: FieldcryptError) -> Failure:
        """Return which one an error is."""
        if isinstance(error, KeyStoreError):
            return cls.DECISION if isinstance(error, KeyShreddedError) else cls.OUTAGE
        return cls.OUTAGE if isinstance(error, KeyProviderError) and error.retryable else cls.DECISION


class Trial(NamedTuple):
    """What was tried out, and how it failed. Without the error itself, whose traceback holds a data key."""

    finding: Finding
    failure: Failure | None = None


def try_wrapping(backend: Backend, provider: KeyProvider, place: str, tenant: str | None) -> Iterator[Trial]:
    """Wrap an unused data key, and unwrap it unless the provider only writes.

    IAM actions: `kms:Encrypt` and `kms:Decrypt`, for the tenant.
    """
    data_key = DataKey.generate(backend)
    context = wrap_context(data_key.key_id, Purpose.ENCRYPTION, int(_system.wall_clock()), tenant)
    wraps, trial = _tried(place, "wrap", lambda: provider.wrap(data_key.secret, context))
    yield trial
    if wraps is not None and not provider.write_only:
        same, trial = _tried(place, "unwrap", lambda: provider.unwrap(wraps, context) == data_key.secret)
        if same is False:
            cause = "it returned another data key than the one that was wrapped"
            trial = Trial(Finding(place, "unwrap", Verdict.FAILED, cause, CONTRACT), Failure.DECISION)
        yield trial


def try_stored_key(
    backend: Backend, provider: KeyProvider, place: str, store: KeyStore, tenant: str | None
) -> Iterator[Trial]:
    """Unwrap the newest data key that a tenant has in the key store: for those who may not wrap.

    IAM actions: `kms:Decrypt`, for the tenant; `dynamodb:Query` on the index of a table of data keys.
    """
    try:
        records = [record for record in store.list(tenant) if isinstance(record, KeyRecord)]
    except FieldcryptError:
        records = []  # reported for the key store
    if not records:
        yield Trial(Finding(place, "unwrap", Verdict.UNKNOWN, "there is no data key to try it out with"))
        return
    newest = max(records, key=lambda record: record.created)
    yield _tried(
        place, "unwrap", lambda: DataKey(provider.unwrap(newest.wraps, newest.context()), backend).verify(newest)
    )[1]


def try_store(store: KeyStore, place: str) -> Trial:
    """Read an entry that does not exist. IAM action for a table of data keys: `dynamodb:GetItem`."""

    def read() -> None:
        try:
            store.get(_system.random_bytes(KEY_ID_SIZE))
        except KeyNotFoundError:
            return  # which is an answer

    return _tried(place, "read", read, STORE_AWAY)[1]


def try_tenant(store: KeyStore, place: str, tenant: str) -> Trial:
    """Read a tenant's entries, and fail if it was shredded. IAM action: `dynamodb:Query` on the index."""
    found, trial = _tried(place, "read", lambda: store.list(tenant), STORE_AWAY)
    for entry in found or ():
        if isinstance(entry, Tombstone):
            error = entry.tenant_error()
            return Trial(
                Finding(place, "read", Verdict.FAILED, str(error), "nothing, if it was meant"), Failure.DECISION
            )
    return trial


def _tried(place: str, check: str, work: Callable[[], T], advice: str | None = None) -> tuple[T | None, Trial]:
    began = _system.monotonic()
    try:
        result = work()
    except FieldcryptError as error:
        cause, usual = (str(error), advice) if advice is not None else explain(error)
        return None, Trial(Finding(place, check, Verdict.FAILED, cause, usual), Failure.of(error))
    seconds = _system.monotonic() - began
    return result, Trial(Finding(place, check, Verdict.OK, f"{1000 * seconds:.0f} ms", seconds=seconds))

"""Claims of first keys, updated when their data keys are rewrapped or destroyed (SPEC section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fieldcrypt.errors import DecryptionError, KeyNotFoundError, KeyStoreError
from fieldcrypt.keys.record.claim import claim_of, claim_place, claimed
from fieldcrypt.keys.record.record import KeyRecord, Purpose
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore, keeping_claims

__all__ = ["bury_claims", "refresh_claim", "unwritten_records"]

_MAX_CONFLICTS = 5  # concurrent changes of the same claim before giving up


def refresh_claim(store: KeyStore, record: KeyRecord) -> None:
    """Copy the record of a rewrapped data key into its claim, if it is a first key.

    Raises:
        KeyStoreError: the store does not work, or others keep changing the claim.
    """
    claims = keeping_claims(store)
    if claims is None:
        return
    place, new = claim_place(record.purpose, record.tenant), claim_of(record)
    for _ in range(_MAX_CONFLICTS):
        claim = claims.get_claim(place)
        if claim is None or claim == new or not claim.startswith(record.key_id):
            return
        if claims.put_claim(place, new, claim):
            return
    raise KeyStoreError(f"others keep changing the claim of data key {record.key_id.hex()}: try again")


def unwritten_records(store: KeyStore, tenant: str) -> Iterator[KeyRecord]:
    """Yield the records in a tenant's claims that are not in the key store: their makers are at work, or have died.

    Raises:
        KeyStoreError: the store does not work.
    """
    claims = keeping_claims(store)
    for _, _, record in _claims(store, tenant):
        if claims is not None and isinstance(record, KeyRecord):
            try:
                claims.get(record.key_id)
            except KeyNotFoundError:
                yield record


def bury_claims(store: KeyStore, tenant: str, stones: Iterable[Tombstone]) -> bool:
    """Copy the tombstones of a shredded tenant into its claims.

    Returns:
        False if another process changed a claim meanwhile.

    Raises:
        KeyStoreError: the store does not work.
    """
    claims, stone, buried = keeping_claims(store), next(iter(stones), None), True
    for purpose, claim, record in _claims(store, tenant):
        if claims is not None and stone is not None and not isinstance(record, Tombstone):
            new = claim_of(stone._replace(purpose=purpose))  # any tombstone of the tenant shows that it was shredded
            buried &= claims.put_claim(claim_place(purpose, tenant), new, claim)
    return buried


def _claims(store: KeyStore, tenant: str) -> Iterator[tuple[Purpose, bytes, KeyRecord | Tombstone | None]]:
    """Yield a tenant's claims and their contents; None for contents that cannot be the tenant's."""
    claims = keeping_claims(store)
    if claims is None:
        return
    for purpose in Purpose:
        claim = claims.get_claim(claim_place(purpose, tenant))
        if claim is not None:
            try:
                yield purpose, claim, claimed(claim, purpose, tenant)
            except DecryptionError:
                yield purpose, claim, None

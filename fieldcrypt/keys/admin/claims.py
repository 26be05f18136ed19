"""Claims of first keys, when the data keys in them get other wraps or are destroyed (SPEC section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fieldcrypt.errors import DecryptionError, KeyNotFoundError, KeyStoreError
from fieldcrypt.keys.record.claim import claim_of, claim_place, claimed
from fieldcrypt.keys.record.record import KeyRecord, Purpose
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore, keeping_claims

__all__ = ["bury_claims", "refresh_claim", "unwritten_records"]

_MAX_CONFLICTS = 5  # with others who change the same claim, until that is given up


def refresh_claim(store: KeyStore, record: KeyRecord) -> None:
    """Put the record of a data key that got other wraps into the claim too, if it is a first key.

    Raises:
        KeyStoreError: the store does not work, or others change the claim all the time.
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
    raise KeyStoreError(f"the claim of data key {record.key_id.hex()} is changed by others all the time")


def unwritten_records(store: KeyStore, tenant: str) -> Iterator[KeyRecord]:
    """Yield what a tenant's claims hold and the key store has under no key id: somebody is making it, or died of it.

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
    """Put tombstones that the key store has into the claims of a tenant that was shredded.

    Returns:
        False if somebody else changed a claim meanwhile.

    Raises:
        KeyStoreError: the store does not work.
    """
    claims, stone, buried = keeping_claims(store), next(iter(stones), None), True
    for purpose, claim, record in _claims(store, tenant):
        if claims is not None and stone is not None and not isinstance(record, Tombstone):
            new = claim_of(stone._replace(purpose=purpose))  # any one of the tenant's says that it was shredded
            buried &= claims.put_claim(claim_place(purpose, tenant), new, claim)
    return buried


def _claims(store: KeyStore, tenant: str) -> Iterator[tuple[Purpose, bytes, KeyRecord | Tombstone | None]]:
    """Yield a tenant's claims, and what is in them; None if that is nothing that could be the tenant's."""
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

"""Claims: which data key is the first of a tenant (SPEC section 6)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256, Hash

from fieldcrypt.errors import DecryptionError
from fieldcrypt.format.envelope import KEY_ID_SIZE
from fieldcrypt.keys.record.record import KeyRecord, Purpose, check_tenant
from fieldcrypt.keys.record.tombstone import Tombstone

__all__ = ["claim_of", "claim_place", "claimed"]

_LABEL = b"fieldcrypt/v1 first key"
_TOMBSTONE = b"\x02"


def claim_place(purpose: Purpose, tenant: str | None) -> bytes:
    """Return the place of the claim of a tenant's first data key: 16 bytes that are no data key's id."""
    name = b"" if tenant is None else check_tenant(tenant)
    digest = Hash(SHA256())
    digest.update(b"".join((_LABEL, bytes([purpose.value, len(name)]), name)))
    return digest.finalize()[:KEY_ID_SIZE]


def claim_of(record: KeyRecord | Tombstone) -> bytes:
    """Return the claim that makes a data key a tenant's first one, or notes that it was shredded."""
    return record.key_id + record.to_bytes()


def claimed(claim: bytes, purpose: Purpose, tenant: str | None) -> KeyRecord | Tombstone:
    """Return the record or tombstone in a claim. Nothing in it is authentic until its data key was unwrapped.

    Args:
        claim: the bytes in the key store.
        purpose, tenant: of the data key that is looked for.

    Raises:
        DecryptionError: the bytes are no claim of a data key of this purpose and tenant.
    """
    key_id, data = claim[:KEY_ID_SIZE], claim[KEY_ID_SIZE:]
    kind: type[KeyRecord | Tombstone] = Tombstone if data.startswith(_TOMBSTONE) else KeyRecord
    found = kind.from_bytes(key_id, data)
    if found.purpose is not purpose or found.tenant != tenant:
        raise DecryptionError("the claim is that of another first key")
    return found

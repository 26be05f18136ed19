"""Telling which values are under an old data key, or will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldcrypt import _system
from fieldcrypt.format import envelope
from fieldcrypt.keys.record.record import KeyState

if TYPE_CHECKING:
    from fieldcrypt.keys.keyring import Keyring
    from fieldcrypt.keys.providers.tenant_providers import Named

__all__ = ["followed_at", "needs_reencrypt"]


def needs_reencrypt(keyring: Keyring, data: bytes, tenant: Named) -> bool:
    """Return True if a value is under an old data key, as `Encryptor.needs_reencrypt` says it."""
    value = envelope.parse(envelope.as_bytes(data))
    record = keyring.for_decryption(value.key_id, value.record, tenant=tenant).record
    if record.created < keyring.policy.earliest or (value.record is not None and keyring.store is not None):
        return True
    if keyring.uses_own_keys(record.tenant):
        return record.created + keyring.policy.rotate_after.total_seconds() <= _system.wall_clock()
    active = keyring.active(record.tenant)
    return record.state is not KeyState.ACTIVE or (active is not None and active.age > record.age)


def followed_at(keyring: Keyring, data: bytes, tenant: Named) -> float | None:
    """Return when a value's data key becomes an old one because a newer key is waiting; None if none is."""
    value = envelope.parse(envelope.as_bytes(data))
    return keyring.followed_at(keyring.for_decryption(value.key_id, value.record, tenant=tenant).record)

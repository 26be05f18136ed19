"""The life that each frozen key store has seen: keys that were rotated, retired and shredded, and what is under them.

Tenants: `north` has a retired data key, one that another one has followed, and the one that encrypts; its index key was
followed by another, and both are live. `south` has an index key that is retired. `gone` was shredded.
"""

from __future__ import annotations

from typing import Any

from fieldcrypt import Encryptor, KeyRecord, KeyStoreError, Purpose, Tombstone

__all__ = ["FIELD", "TENANTS", "keys_of"]

FIELD = "life.story"
TENANTS = (None, "north", "south", "gone")


def keys_of(encryptor: Encryptor) -> dict[str, dict[str, Any]]:
    """Return what a key store has, by key id, as data/life.json says it."""
    return {key_id.hex(): _told(entry) for key_id, entry in encryptor.data_keys.entries()}


def text_of(tenant: str | None, number: int) -> str:
    """Return what was encrypted, and tagged, under the so manieth key of a tenant."""
    return f"value {number} of {tenant}"


def _told(entry: KeyRecord | Tombstone | KeyStoreError) -> dict[str, Any]:
    if isinstance(entry, KeyStoreError):
        raise entry
    told: dict[str, Any] = {
        "purpose": entry.purpose.name,
        "state": entry.state.value,
        "tenant": entry.tenant,
        "created": entry.created,
    }
    if isinstance(entry, Tombstone):
        told |= {"shredded": entry.shredded, "by": entry.by, "keys": entry.keys}
    return told


def lead(encryptor: Encryptor, advance: Any) -> dict[str, Any]:
    """Have an empty key store see its life; return what is to be kept beside it."""
    field, index = encryptor.field(FIELD, str), encryptor.blind_index(FIELD)
    values: list[dict[str, Any]] = []

    def encrypt(tenant: str | None, number: int) -> None:
        text = text_of(tenant, number)
        value, tag = field.encrypt(text, tenant=tenant), index.tag(text, tenant=tenant)
        values.append({"tenant": tenant, "text": text, "value": value.hex(), "tag": tag.hex()})

    for tenant in TENANTS:
        encrypt(tenant, 1)
    advance(100_000)
    first = bytes.fromhex(values[1]["value"])[1:17]
    encryptor.data_keys.rotate("north")
    for tenant in ("north", "south"):
        encryptor.data_keys.rotate(tenant, Purpose.BLIND_INDEX)
    advance(100_000)
    encryptor.configure(encryptor.provider, encryptor.store, policy=encryptor.policy)  # no key is live any more
    for tenant in ("north", "south"):
        encrypt(tenant, 2)
    encryptor.data_keys.retire(first)
    encryptor.data_keys.retire_index_keys("south")
    encryptor.data_keys.rotate("north")
    advance(1_000)
    encryptor.configure(encryptor.provider, encryptor.store, policy=encryptor.policy)
    encrypt("north", 3)
    encryptor.data_keys.shred("gone", by="writer@example.org")
    return {"keys": keys_of(encryptor), "values": values}

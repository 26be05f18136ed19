"""Retiring a data key, so that nothing more is encrypted under it."""

from __future__ import annotations

from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyStoreError
from fieldcrypt.format.envelope import KEY_ID_SIZE
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.providers.tenant_providers import whose
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import KeyRecord, KeyState, Purpose
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.keys.stores.update import update_record

__all__ = ["retire"]


def retire(keyring: Keyring, store: KeyStore, key_id: bytes) -> KeyRecord:
    """Stop encrypting under a data key, and return its record.

    Raises:
        ConfigurationError: it is an index key, or the one that encrypts or is to follow it.
        KeyStoreError: as for `DataKeys.retire`.
    """
    if not isinstance(key_id, bytes):
        raise TypeError(f"a key id is {KEY_ID_SIZE} bytes, not {type(key_id).__name__}: bytes.fromhex() makes them")

    def retired(record: KeyRecord) -> KeyRecord | None:
        if record.purpose is not Purpose.ENCRYPTION:
            raise ConfigurationError("this is an index key: those are retired together, retire_index_keys()")
        if record.state is KeyState.RETIRED:
            return record
        active, authentic = keyring.active(record.tenant), _opened(keyring, record)
        if active is None or authentic.age >= active.age:
            raise ConfigurationError(
                f"data key {key_id.hex()} encrypts, or will be the next one to: rotate first, and wait until "
                "the new key has taken over"
            )
        new = record._replace(state=KeyState.RETIRED)
        return new if store.replace(record, new) else None

    return update_record(store, key_id, retired)


def _opened(keyring: Keyring, record: KeyRecord) -> AuthenticRecord:
    try:
        return keyring.live_keys.get(record.key_id, tenant=whose(record.tenant)).record
    except DecryptionError as error:
        raise KeyStoreError(f"the record of data key {record.key_id.hex()} cannot be opened: {error}") from None

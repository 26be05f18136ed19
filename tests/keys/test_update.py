"""A record that others change at the same time is read again, and changed as it is then."""

from __future__ import annotations

import pytest

from fieldcrypt import Encryptor, KeyRecord, KeyState, KeyStoreError, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.keys.stores.update import update_record


@pytest.fixture
def store() -> MemoryKeyStore:
    """A key store with one data key."""
    store = MemoryKeyStore()
    Encryptor(LocalKeyProvider.generate(), store).data_keys.create("t")
    return store


def test_the_change_of_somebody_else_is_seen(store: MemoryKeyStore) -> None:
    """Who comes second changes the record that the first one left."""
    (key_id,) = store.key_ids()
    seen = []

    def attempt(record: KeyRecord) -> KeyRecord | None:
        seen.append(record.state)
        if len(seen) == 1:
            store.replace(record, record._replace(state=KeyState.RETIRED))
        new = record._replace(wraps=record.wraps[:0])
        return new if store.replace(record, new) else None

    assert update_record(store, key_id, attempt) == store.get(key_id)
    assert seen == [KeyState.ACTIVE, KeyState.RETIRED]


def test_it_ends_when_others_never_stop(store: MemoryKeyStore) -> None:
    """With an error that says so."""
    (key_id,) = store.key_ids()
    with pytest.raises(KeyStoreError, match=f"others keep changing the record of data key {key_id.hex()}"):
        update_record(store, key_id, lambda record: None)

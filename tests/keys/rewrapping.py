"""A key store with values of several tenants, and the providers that it moves between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from fieldcrypt import DecryptionError, Encryptor, KeyProvider, KeyProviderChain, KeyRecord, KeyStore
from tests.support.doubles import CountingProvider, RowStore

TENANTS = [None, "clinic-7", "Κλινική 7"]


class Scene(NamedTuple):
    """A key store with keys of some tenants, and a value under each."""

    old: CountingProvider
    new: CountingProvider
    store: RowStore
    values: dict[str | None, bytes]

    def encryptor(self, store: KeyStore | None = None) -> Encryptor:
        """An Encryptor as it is configured before a rewrap, in a process that has no keys yet."""
        return Encryptor(KeyProviderChain(self.new, self.old), store or self.store)

    def assert_readable(self, provider: KeyProvider | None = None) -> None:
        """All values can be read in a new process; by default, in one that has the chain."""
        assert_readable(self.values, provider or KeyProviderChain(self.new, self.old), self.store)

    def assert_unreadable(self, provider: KeyProvider) -> None:
        """No value can."""
        field = Encryptor(provider, self.store).field("a.b", str)
        for value in self.values.values():
            with pytest.raises(DecryptionError):
                field.decrypt(value)

    def names(self) -> set[tuple[str, ...]]:
        """Under which wrapping keys the data keys are."""
        return {tuple(wrap.name for wrap in record.wraps) for record in records(self.store)}


def write(provider: KeyProvider, store: KeyStore) -> dict[str | None, bytes]:
    """A value for each tenant, by tenant."""
    field = Encryptor(provider, store).field("a.b", str)
    return {tenant: field.encrypt(f"secret of {tenant}", tenant=tenant) for tenant in TENANTS}


def assert_readable(values: dict[str | None, bytes], provider: KeyProvider, store: KeyStore) -> None:
    """A process that has no keys yet reads all values."""
    field = Encryptor(provider, store).field("a.b", str)
    for tenant, value in values.items():
        assert field.decrypt(value, tenant=tenant) == f"secret of {tenant}"


def records(store: KeyStore) -> Iterator[KeyRecord]:
    """All records, without tombstones."""
    for key_id in store.key_ids():
        record = store.get(key_id)
        if isinstance(record, KeyRecord):
            yield record

"""Whole columns of a native field."""

from __future__ import annotations

from typing import Any

import fieldcrypt_native as native

from fieldcrypt import _system
from fieldcrypt.errors import KeyProviderError, KeyStoreError, located
from fieldcrypt.format import envelope
from fieldcrypt.format.envelope import PREFIX
from fieldcrypt.native.prepared import SYSTEM, NativeReaders, NativeWriters

__all__ = ["NativeColumns"]

# What is raised after a key was asked for, which may have taken long, so nobody should ask again.
_UNAVAILABLE = (KeyProviderError, KeyStoreError)


class NativeColumns:
    """Encrypts and decrypts buffers of Arrow under the keys of a field.

    Args:
        name: the field's.
        writers, readers: likewise.
        encrypted: the tallies of values that were encrypted, by tenant; None if nobody counts them.

    Attributes:
        encrypt, decrypt: see `fieldcrypt_native.Columns`.
        count: counts all that was encrypted or decrypted until now; for Encryptors that count values.
        position: of the value whose key was asked for last.
    """

    __slots__ = ("_name", "_readers", "_writers", "count", "decrypt", "encrypt", "position")

    def __init__(self, name: str, writers: NativeWriters, readers: NativeReaders, encrypted: Any = None) -> None:
        self._name = name
        self.position = 0
        self._writers = writers
        self._readers = readers
        core = native.Columns(self._writer_for, self._reader_for, SYSTEM, encrypted)
        self.encrypt = core.encrypt
        self.decrypt = core.decrypt
        self.count = core.count

    def _writer_for(self, tenant: str | None, again: bool) -> Any:
        """Return a writer whose key is at hand; a newly prepared one if the salt of the last one is used up."""
        writer: Any = None if again else self._writers.recent.get(tenant)
        if writer is None or writer.lease.at_hand_until <= _system.monotonic():
            try:
                return self._writers.prepare(tenant)
            except _UNAVAILABLE as error:
                unavailable = located(error, field=self._name, tenant=tenant)
            raise unavailable
        return writer

    def _reader_for(self, data: bytes, tenant: Any, position: int) -> Any:
        """Return the reader of a value, whose key is at hand, if it is the tenant's."""
        reader: Any = self._readers.recent.get(data[PREFIX])
        if reader is None or reader.live_key.at_hand_until <= _system.monotonic():
            self.position = position
            reader = self._prepared(data, tenant)
        if not reader.is_for(tenant):
            self._readers.check_nobody(tenant, reader.live_key)
        return reader

    def _prepared(self, data: bytes, tenant: Any) -> Any:
        try:
            return self._readers.prepare(data, tenant, for_one=False)
        except _UNAVAILABLE as error:
            unavailable = located(error, field=self._name, key_id=envelope.key_id_of(data), tenant=tenant)
        raise unavailable

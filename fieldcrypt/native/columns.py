"""Whole columns of a native field."""

from __future__ import annotations

from typing import Any

import fieldcrypt_native as native

from fieldcrypt import _system
from fieldcrypt.format.envelope import PREFIX
from fieldcrypt.native.prepared import NativeReaders, NativeWriters

__all__ = ["NativeColumns"]

_SYSTEM = (_system.__dict__, *_system.DONE_NATIVELY)


class NativeColumns:
    """Encrypts and decrypts buffers of Arrow under the keys of a field.

    Args:
        writers, readers: the field's.

    Attributes:
        encrypt, decrypt: see `fieldcrypt_native.Columns`.
    """

    __slots__ = ("_readers", "_writers", "decrypt", "encrypt")

    def __init__(self, writers: NativeWriters, readers: NativeReaders) -> None:
        self._writers = writers
        self._readers = readers
        core = native.Columns(self._writer_for, self._reader_for, _SYSTEM)
        self.encrypt = core.encrypt
        self.decrypt = core.decrypt

    def _writer_for(self, tenant: str | None, again: bool) -> Any:
        """Return a writer whose key is at hand; a newly prepared one if the salt of the last one is used up."""
        writer: Any = None if again else self._writers.recent.get(tenant)
        if writer is None or writer.lease.at_hand_until <= _system.monotonic():
            writer = self._writers.prepare(tenant)
        return writer

    def _reader_for(self, data: bytes, tenant: Any) -> Any:
        """Return the reader of a value, whose key is at hand, if it is the tenant's."""
        reader: Any = self._readers.recent.get(data[PREFIX])
        if reader is None or reader.live_key.at_hand_until <= _system.monotonic():
            reader = self._readers.prepare(data, tenant)
        if not reader.is_for(tenant):
            self._readers.check_nobody(tenant, reader.live_key)
        return reader

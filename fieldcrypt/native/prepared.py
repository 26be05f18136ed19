"""Prepared writers and readers of the native hot path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fieldcrypt_native as native

from fieldcrypt import _system
from fieldcrypt.format import envelope
from fieldcrypt.format.aead import Pieces
from fieldcrypt.format.envelope import SALT
from fieldcrypt.keys.live.live_key import Lease, LiveKey
from fieldcrypt.keys.live.wiped import unless_wiped
from fieldcrypt.prepared.readers import Readers
from fieldcrypt.prepared.writers import Writers

__all__ = ["SYSTEM", "NativeReaders", "NativeWriters"]

SYSTEM = (_system.__dict__, *_system.DONE_NATIVELY)  # as the native core takes it


class NativeWriters(Writers):
    """The prepared writers of a native field, by tenant; `core` is its hot path."""

    __slots__ = ("core",)

    core: native.FieldCore

    def _made(self, head: bytes, infix: bytes, sealer: Any, lease: Lease) -> native.Writer:
        return native.Writer(head, infix, self._context, sealer, lease)

    def seal(self, tenant: str | None, plaintexts: Sequence[bytes | Pieces], contexts: Sequence[bytes]) -> list[bytes]:
        """Encrypt plaintexts of one tenant, each under the canonical encoding of its context."""
        sealed: list[bytes] = []
        while len(sealed) < len(plaintexts):
            writer: Any = self.recent.get(tenant)
            taken = 0
            if writer is None or writer.lease.at_hand_until <= _system.monotonic():
                writer, taken = self.prepare(tenant), 1
            done = self.core.seal(writer, taken, plaintexts[len(sealed) :], contexts[len(sealed) :])
            if not done:  # the salt has served all its messages, or the key was wiped
                self.recent.pop(tenant, None)
            sealed += done or ()
        return sealed


class NativeReaders(Readers):
    """The prepared readers of a native field."""

    __slots__ = ()

    def _is_of(self, reader: native.Reader, key: LiveKey, infix: bytes) -> bool:
        return reader.is_of(key, infix)

    def _made(self, prefix: bytes, key: LiveKey, infix: bytes, anyone: bool) -> native.Reader:
        tenant = key.record.tenant
        tally: Any = None if self.decrypted is None else self.decrypted[tenant]
        return native.Reader(prefix, infix, self._context, key.xaes.cipher(prefix[SALT]), key, tenant, anyone, tally)

    def open(self, data: bytes, tenant: Any, bound: bytes) -> tuple[native.Reader, bytes | None]:
        """Return the reader of a value, which counts it once it is decoded; and its plaintext, or None if it is not
        authentic.

        Args:
            data: the value.
            tenant: who is named.
            bound: the canonical encoding of its context.
        """
        return unless_wiped(lambda: self._open(data, tenant, bound))

    def _open(self, data: bytes, tenant: Any, bound: bytes) -> tuple[native.Reader, bytes | None]:
        reader: Any = self.prepare(data, tenant)
        if not reader.is_for(tenant):
            self.check_nobody(tenant, reader.live_key)
        return reader, reader.open(data, data[envelope.HEAD] + bound)

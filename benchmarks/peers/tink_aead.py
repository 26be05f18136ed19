"""Tink's AEAD, AES-256-GCM under a keyset that the application keeps: the primitive, without data keys to manage."""

from __future__ import annotations

from collections.abc import Sequence

import tink
from tink import aead

from benchmarks.peers.peer import Cipher, Record, each_field

__all__ = ["PEERS"]


class Tink:
    """One primitive for all values; the field's name is the associated data."""

    name, binds = "tink", "field"

    def __init__(self) -> None:
        aead.register()
        self._aead = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM).primitive(aead.Aead)

    def text(self, field: str) -> Cipher[str]:
        encrypt, decrypt, bound = self._aead.encrypt, self._aead.decrypt, field.encode()
        return Cipher(lambda value: encrypt(value.encode(), bound), lambda stored: decrypt(stored, bound).decode())

    def data(self, field: str) -> Cipher[bytes]:
        encrypt, decrypt, bound = self._aead.encrypt, self._aead.decrypt, field.encode()
        return Cipher(lambda value: encrypt(value, bound), lambda stored: decrypt(stored, bound))

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        return each_field(self, fields)


PEERS = (Tink,)

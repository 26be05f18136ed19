"""The engine of SQLAlchemy-Utils' StringEncryptedType that authenticates: one key, no context, text alone."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine

from benchmarks.peers.peer import Cipher, Record, each_field

__all__ = ["PEERS"]


class SqlAlchemyUtils:
    """One engine for all values."""

    name, binds = "sqlalchemy-utils", "nothing"

    def __init__(self) -> None:
        self._engine = AesGcmEngine()
        self._engine._update_key(os.urandom(32))

    def text(self, field: str) -> Cipher[str]:
        return Cipher(self._engine.encrypt, self._engine.decrypt)

    def data(self, field: str) -> Cipher[bytes]:
        """Bytes have to be made text, which ASCII survives."""
        encrypt, decrypt = self._engine.encrypt, self._engine.decrypt
        return Cipher(lambda value: encrypt(value.decode("ascii")), lambda stored: decrypt(stored).encode("ascii"))

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        return each_field(self, fields)


PEERS = (SqlAlchemyUtils,)

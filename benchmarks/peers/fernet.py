"""Fernet of `cryptography`: one key that the application keeps, no context."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet

from benchmarks.peers.peer import Cipher, Record, each_field

__all__ = ["PEERS"]


class FernetPeer:
    """One Fernet object for all values."""

    name, binds = "Fernet", "nothing"

    def __init__(self) -> None:
        self._fernet = Fernet(Fernet.generate_key())

    def text(self, field: str) -> Cipher[str]:
        encrypt, decrypt = self._fernet.encrypt, self._fernet.decrypt
        return Cipher(lambda value: encrypt(value.encode()), lambda stored: decrypt(stored).decode())

    def data(self, field: str) -> Cipher[bytes]:
        return Cipher(self._fernet.encrypt, self._fernet.decrypt)

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        return each_field(self, fields)


PEERS = (FernetPeer,)

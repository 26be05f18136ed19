"""Asherah: a session, which keeps the keys of its partition; static master key, metastore in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence

import asherah

from benchmarks.peers.peer import Cipher, Record, each_field

__all__ = ["PEERS"]


class Asherah:
    """One session, as of one user."""

    name, binds = "asherah", "tenant"

    def __init__(self) -> None:
        self._factory = asherah.SessionFactory.from_config(
            {
                "ServiceName": "benchmark",
                "ProductID": "fieldcrypt",
                "Metastore": "memory",
                "KMS": "static",
                "StaticMasterKeyHex": os.urandom(32).hex(),
                "EnableSessionCaching": True,
            }
        )
        self._session = self._factory.get_session("clinic-7")

    def text(self, field: str) -> Cipher[str]:
        return Cipher(self._session.encrypt_text, self._session.decrypt_text)

    def data(self, field: str) -> Cipher[bytes]:
        return Cipher(self._session.encrypt_bytes, self._session.decrypt_bytes)

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        return each_field(self, fields)


PEERS = (Asherah,)

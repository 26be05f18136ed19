"""MongoDB's explicit encryption: libmongocrypt with a local master key, its key vault a dict, no server.

The driver's `ClientEncryption` does the same steps: a document of BSON around the value, a run of the state machine, a
document of BSON around what is stored. libmongocrypt keeps the data key once it was fetched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import bson
from bson.binary import Binary
from pymongocrypt.mongocrypt import MongoCryptOptions
from pymongocrypt.synchronous.explicit_encrypter import ExplicitEncrypter
from pymongocrypt.synchronous.state_machine import MongoCryptCallback

from benchmarks.peers.peer import Cipher, Record, each_field

__all__ = ["PEERS"]

ALGORITHM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"


class Vault(MongoCryptCallback):  # type: ignore[misc]
    """Keeps data keys, and answers in the place of the server."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}

    def insert_data_key(self, data_key: bytes) -> Binary:
        key_id: Binary = bson.decode(data_key)["_id"]
        self.keys[bytes(key_id)] = data_key
        return key_id

    def fetch_keys(self, filter: Any) -> Iterator[bytes]:
        yield from self.keys.values()

    def bson_encode(self, doc: Any) -> bytes:
        encoded: bytes = bson.encode(doc)
        return encoded

    def kms_request(self, kms_context: Any) -> None:
        raise NotImplementedError("a local master key needs no service")

    def collection_info(self, database: Any, filter: Any) -> bytes:
        raise NotImplementedError("explicit encryption reads no schema")

    def mark_command(self, database: Any, cmd: Any) -> bytes:
        raise NotImplementedError("explicit encryption marks no commands")

    def close(self) -> None:
        self.keys.clear()


class MongoDb:
    """One data key for all values."""

    name, binds = "MongoDB", "nothing"

    def __init__(self) -> None:
        options = MongoCryptOptions({"local": {"key": os.urandom(96)}}, bypass_encryption=True)
        self._encrypter = ExplicitEncrypter(Vault(), options)
        self._key_id = bytes(self._encrypter.create_data_key("local"))

    def _cipher(self) -> Cipher[Any]:
        run, key_id = self._encrypter, self._key_id

        def encrypt(value: Any) -> Binary:
            stored: Binary = bson.decode(run.encrypt(bson.encode({"v": value}), ALGORITHM, key_id))["v"]
            return stored

        return Cipher(encrypt, lambda stored: bson.decode(run.decrypt(bson.encode({"v": stored})))["v"])

    def text(self, field: str) -> Cipher[str]:
        return self._cipher()

    def data(self, field: str) -> Cipher[bytes]:
        return self._cipher()

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        return each_field(self, fields)


PEERS = (MongoDb,)

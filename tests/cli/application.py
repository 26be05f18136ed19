"""Modules of a user: with local keys, and with AWS."""

from __future__ import annotations

import sqlite3

SSN = "078-05-1120"


LOCAL = """
from fieldcrypt import Encryptor, FileKeyStore, KeyProviderChain, LocalKeyProvider

old, new = LocalKeyProvider.from_file("old.key"), LocalKeyProvider.from_file("new.key")
encryptor = Encryptor(KeyProviderChain(old, new), FileKeyStore("keys.sqlite"))
moved = Encryptor(new, FileKeyStore("keys.sqlite"))
without_store = Encryptor(old)
unconfigured = Encryptor()
late = Encryptor()


def start():
    late.configure(old, FileKeyStore("keys.sqlite"))
    return late


def forgetful():
    late.configure(old)


def failing():
    raise LookupError("no settings")


ssn = encryptor.field("patients.ssn", str)
"""


AWS = """
from fieldcrypt import Encryptor, FileKeyStore
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider

encryptor = Encryptor(
    AwsKmsKeyProvider({arn!r}, {regions!r}, endpoint_urls={endpoints!r}), FileKeyStore("keys.sqlite")
)
ssn = encryptor.field("patients.ssn", str)
"""


def corrupt(key_id: bytes, record: bytes) -> None:
    """Write something else into a record of the key store in this directory."""
    with sqlite3.connect("keys.sqlite") as connection:
        connection.execute("UPDATE data_keys SET record = ? WHERE key_id = ?", (record, key_id))
    connection.close()

"""Rows of the store in memory, and processes that are killed."""

from __future__ import annotations

from typing import Any

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.migration.engine.source import Which
from tests.migration.memory_migration import Data, MemoryMigration, Row

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


def data_of(rows: int, *, copied: bool = True) -> Data:
    """Rows with plaintext: beside the protected field, or in its place."""
    return Data({n: Row(plain=f"text {n}") if copied else Row(stored=b"text %d" % n) for n in range(rows)})


def said(data: Data) -> dict[int, Any]:
    """What every row says, decrypted if it is protected and else as plaintext."""
    job = MemoryMigration(data, ENCRYPTOR, copied=False)
    return {unit.key[0]: job.source.fields[0].examine(unit.cells()[0][1], unit.place()).value for unit in units(data)}


def units(data: Data) -> Any:
    """All rows, as they are read."""
    return next(iter(MemoryMigration(data, ENCRYPTOR, copied=False).source.pages(Which.ALL)))

"""The tables that a migration keeps its checkpoints in, next to the data, and how keys stand in them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.dialects.mysql import VARCHAR

from fieldcrypt import ConfigurationError, DecryptionError
from fieldcrypt.spi import decode_cbor, encode_cbor
from fieldcrypt_sqlalchemy.migration.table.keyset import Key

__all__ = ["COUNTS", "NAME_SIZE", "checkpoint_tables", "key_of", "ranges", "runs", "stored_key"]

NAME_SIZE = 150  # characters
_STEP_SIZE = 20
COUNTS = ("done", "changed", "failed")  # of the engine's Counts, which are columns of that name
_EXACT = VARCHAR(NAME_SIZE, charset="utf8mb4", collation="utf8mb4_bin")  # names of tables may differ only in case
_NAME = String(NAME_SIZE).with_variant(_EXACT, "mysql", "mariadb")
_ENGINE = "InnoDB"  # whatever the server's default is: it has to have transactions

checkpoint_tables = MetaData()  # of the tables in which migrations keep how far they are


def _identity() -> list[Column[Any]]:
    return [
        Column("name", _NAME, primary_key=True),
        Column("step", String(_STEP_SIZE), primary_key=True),
        Column("part", _NAME, primary_key=True),
    ]


def _counts() -> list[Column[Any]]:
    return [Column(each, BigInteger, nullable=False, default=0) for each in COUNTS]


runs = Table(
    "fieldcrypt_migrations",
    checkpoint_tables,
    *_identity(),
    Column("about", Text, nullable=False),
    Column("frontier", LargeBinary),
    Column("exhausted", Boolean, nullable=False, default=False),
    Column("paused", Boolean, nullable=False, default=False),
    Column("total", BigInteger, nullable=False),
    *_counts(),
    Column("began", Double, nullable=False),
    Column("touched", Double, nullable=False),
    Column("ended", Double),
    mysql_engine=_ENGINE,
    mariadb_engine=_ENGINE,
)
ranges = Table(
    "fieldcrypt_migration_ranges",
    checkpoint_tables,
    *_identity(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("position", LargeBinary),
    Column("ends_at", LargeBinary),
    Column("worker", String(200)),
    Column("leased_until", Double, nullable=False, default=0),
    Column("finished", Boolean, nullable=False, default=False),
    *_counts(),
    mysql_engine=_ENGINE,
    mariadb_engine=_ENGINE,
)


def key_of(part: str, stored: bytes | None, columns: int) -> Key | None:
    """Return a key that was written down, of so many columns.

    Raises:
        ConfigurationError: it is no such key.
    """
    if stored is None:
        return None
    with suppress(DecryptionError, TypeError, ValueError):
        key = decode_cbor(bytes(stored))
        if isinstance(key, list) and len(key) == columns and None not in key:
            return tuple(key)
    raise ConfigurationError(
        f"{part}: what the checkpoints say of how far a step is was not written by a migration: begin it again, "
        "restart=True; what is done stays done"
    )


def stored_key(part: str, key: Key | None) -> bytes | None:
    """Return a key as it is written down.

    Raises:
        ConfigurationError: it cannot be.
    """
    try:
        return None if key is None else encode_cbor([_plain(part) for part in key])
    except (TypeError, ValueError):
        kinds = ", ".join(type(each).__name__ for each in key or ())
        raise ConfigurationError(
            f"{part}: a primary key of {kinds} cannot be written down in a checkpoint; it can be made of int, "
            "str, bytes, UUID, Decimal, date and time"
        ) from None


def _plain(part: Any) -> Any:
    return UUID(int=part.int) if isinstance(part, UUID) else part  # of asyncpg it is a class of its own

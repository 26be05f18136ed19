"""A key store in one file, for applications on one machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Self

from fieldcrypt import _system
from fieldcrypt._base.fork_guard import ForkGuard
from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyNotFoundError, KeyStoreError
from fieldcrypt.format.envelope import KEY_ID_SIZE
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import read_record

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["FileKeyStore"]

_APPLICATION_ID = 0x66636B73  # "fcks" in the file's header: a fieldcrypt key store, not someone's database
_SCHEMA_VERSION = 1
_LOCK_TIMEOUT = 10.0  # seconds to wait for another process that writes
_PAGE = 1000  # key ids read at a time
_PIECE = 16  # bytes of a wrapped key that are looked for

# SQLite has locks of its own, which a child that is forked meanwhile would wait for forever.
_guard = ForkGuard()

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE data_keys (
    key_id BLOB PRIMARY KEY NOT NULL,
    tenant TEXT,
    state TEXT NOT NULL,
    record BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX data_keys_by_tenant ON data_keys (tenant);
CREATE TABLE store (id BLOB NOT NULL);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_SCHEMA_VERSION};
"""
_ID_SIZE = 16
_UNKNOWN = b""

# Added on demand to files from before there were claims.
_CLAIMS = "CREATE TABLE IF NOT EXISTS claims (place BLOB PRIMARY KEY NOT NULL, claim BLOB NOT NULL) WITHOUT ROWID"


class FileKeyStore:
    """Keeps key records in one SQLite file, which has locking between processes and survives crashes.

    `FileKeyStore.create(path)` makes it, once. After that a missing, empty or truncated file is an error and not a new
    store: the volume may not be mounted, and values written under new keys could not be read once it is. For the same
    reason, replacing it with another store is an error to processes that used it before.

    Like any SQLite file it belongs on a local disk, not on a network file system.

    Args:
        path: the file.

    Raises:
        ConfigurationError: the path is empty.
    """

    _id: bytes | None = _UNKNOWN  # of the store that was used here; None if it was made before stores had ids

    keeps_claims = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not os.fspath(path) or "\0" in os.fspath(path):
            raise ConfigurationError("FileKeyStore takes the path of a file")
        self._path = os.path.abspath(path)  # SQLite gives other paths, like ":memory:", a meaning of their own

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Self:
        """Make a new key store, and return it: when an application is set up, not at its every start.

        Args:
            path: a file that does not exist yet, in a directory that does.

        Raises:
            ConfigurationError: the path is empty.
            KeyStoreError: the file exists, or cannot be made.
        """
        store = cls(path)
        try:
            with open(store._path, "xb"):
                pass
        except FileExistsError:
            raise KeyStoreError(f"no key store can be made at {store._path}: the file exists already") from None
        except OSError as error:
            raise KeyStoreError(f"no key store can be made at {store._path}: {error.strerror}") from error
        with store._opened() as connection:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO store (id) VALUES (?)", (_system.random_bytes(_ID_SIZE),))
            connection.execute("COMMIT")
        return store

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        """Return a record (see `KeyStore.get`)."""
        rows = self._select("key_id = ?", key_id)
        if not rows:
            raise KeyNotFoundError(f"the key store {self._path} has no key {key_id.hex()}")
        return rows[0]

    def add(self, record: KeyRecord | Tombstone) -> None:
        """Add a record and wait until it is on the disk (see `KeyStore.add`)."""
        row = (record.key_id, record.tenant, record.state.value, record.to_bytes())
        with self._connect() as connection:
            added = connection.execute(
                "INSERT INTO data_keys (key_id, tenant, state, record) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row
            )
            if not added.rowcount:
                raise KeyStoreError(f"the key store already has a key {record.key_id.hex()}")

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        """Return a tenant's records (see `KeyStore.list`)."""
        return self._select("tenant IS ?", tenant)

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        """Replace a record, wiping what it occupied in the file (see `KeyStore.replace`)."""
        row = (new.state.value, new.to_bytes(), old.key_id, old.state.value, old.to_bytes())
        with self._connect() as connection:
            changed = connection.execute(
                "UPDATE data_keys SET state = ?, record = ? WHERE key_id = ? AND state = ? AND record = ?", row
            )
            if changed.rowcount != 1:
                return False
            _wipe(connection, list(_secret_pieces(old, new)))
            return True

    def key_ids(self) -> Iterator[bytes]:
        """Yield all key ids (see `KeyStore.key_ids`)."""
        last: bytes | None = None
        while True:
            page = self._page(last)
            if not all(isinstance(key_id, bytes) for key_id in page):  # SQLite lets anyone put anything into a column
                raise KeyStoreError(f"the key store {self._path} holds a row that is no key record")
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1]

    def _page(self, after: bytes | None) -> Sequence[bytes]:
        condition, values = ("", (_PAGE,)) if after is None else ("WHERE key_id > ?", (after, _PAGE))
        query = f"SELECT key_id FROM data_keys {condition} ORDER BY key_id LIMIT ?"  # noqa: S608 (ours)
        with self._connect() as connection:
            return [key_id for (key_id,) in connection.execute(query, values)]

    def get_claim(self, place: bytes) -> bytes | None:
        """Return a claim (see `ClaimingKeyStore.get_claim`)."""
        with self._connect() as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'claims'").fetchone():
                return None
            # As bytes, whatever it is: an invalid claim must not prevent a valid one.
            row = connection.execute("SELECT CAST(claim AS BLOB) FROM claims WHERE place = ?", (place,)).fetchone()
        return None if row is None else row[0]

    def put_claim(self, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        """Put a claim and wait until it is on the disk (see `ClaimingKeyStore.put_claim`)."""
        if replacing is not None and self.get_claim(place) != replacing:
            return False
        with self._connect() as connection:
            if replacing is None:
                connection.execute(_CLAIMS)
                insert = "INSERT INTO claims (place, claim) VALUES (?, ?) ON CONFLICT DO NOTHING"
                return connection.execute(insert, (place, claim)).rowcount == 1
            update = "UPDATE claims SET claim = ? WHERE place = ? AND CAST(claim AS BLOB) = ?"
            if connection.execute(update, (claim, place, replacing)).rowcount != 1:
                return False
            _wipe(connection, list(_secret_pieces(_claimed(replacing), _claimed(claim))))
            return True

    def _select(self, condition: str, value: bytes | str | None) -> Sequence[KeyRecord | Tombstone]:
        with self._connect() as connection:
            rows = connection.execute(
                f"SELECT key_id, record, tenant, state FROM data_keys WHERE {condition}",  # noqa: S608 (ours)
                (value,),
            ).fetchall()
        return [read_record(key_id, data, tenant=tenant, state=state) for key_id, data, tenant, state in rows]

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """Open the store that this process has used before, if it has used one."""
        with self._opened() as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            if os.stat(self._path).st_size % page_size:  # SQLite reads missing bytes of the last page as zeros
                raise KeyStoreError(f"{self._path} is truncated: it ends in the middle of a page")
            if not tables:
                raise KeyStoreError(f"{self._path} is empty: it is not a key store, or was truncated")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if application != _APPLICATION_ID:
                raise KeyStoreError(f"{self._path} is an SQLite database, but not a fieldcrypt key store")
            found = connection.execute("SELECT id FROM store").fetchone() if "store" in tables else None
            store_id = found[0] if found else None
            if self._id not in (_UNKNOWN, store_id):
                raise KeyStoreError(f"{self._path} is not the key store that this process used before")
            self._id = store_id
            yield connection

    @contextmanager
    def _opened(self) -> Iterator[Connection]:
        # A connection each time: they are cheap, must not cross a fork, and key stores are asked rarely.
        import sqlite3  # here, so that programs with another key store do not wait for it at import
        from pathlib import Path

        file = f"{Path(self._path).as_uri()}?mode=rw"  # without creating it
        try:
            with (
                _guard.held(),
                closing(sqlite3.connect(file, timeout=_LOCK_TIMEOUT, isolation_level=None, uri=True)) as connection,
            ):
                connection.execute("PRAGMA trusted_schema = OFF")
                # Always: rows that `add` moves between pages must not leave copies behind when they are shredded.
                connection.execute("PRAGMA secure_delete = ON")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise KeyStoreError(f"the key store {self._path} cannot be used: {self._reason(error)}") from None

    def _reason(self, error: Exception) -> str:
        """Return why a file cannot be used, which SQLite does not say."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return (
                "there is no such file; mount its volume, or restore it from a backup "
                "(where an application is set up, FileKeyStore.create() makes a new one)"
            )
        except OSError as refused:
            return refused.strerror or str(refused)
        if stat.S_ISDIR(found.st_mode):  # which container engines create in place of a file that they cannot mount
            return "it is a directory"
        return str(error)

    def __reduce__(self) -> tuple[Any, ...]:
        return FileKeyStore, (self._path,)

    def __repr__(self) -> str:
        return f"FileKeyStore({self._path!r})"


def _secret_pieces(old: KeyRecord | None, new: KeyRecord | Tombstone | None) -> Iterator[bytes]:
    """Yield pieces of the wrapped keys that a record had and its successor lacks.

    Pieces from their ends: the beginnings may be equal in wrapped keys of other records.
    """
    kept = {wrap.data for wrap in new.wraps} if isinstance(new, KeyRecord) else set()
    for wrap in old.wraps if old is not None else ():
        if wrap.data not in kept:
            end = wrap.data[-3 * _PIECE :]
            yield from (end[start : start + _PIECE] for start in range(0, len(end) - _PIECE + 1, _PIECE))


def _claimed(claim: bytes) -> KeyRecord | None:
    """Return the record in a claim."""
    try:
        return KeyRecord.from_bytes(claim[:KEY_ID_SIZE], claim[KEY_ID_SIZE:])
    except DecryptionError:
        return None


def _wipe(connection: Connection, pieces: Sequence[bytes]) -> None:
    """Make sure that no unreferenced copy of these pieces of wrapped keys is left anywhere in the file."""
    # SQLite wipes deleted rows, but not the copies that it left when it moved a row within its pages.
    if pieces:
        content = connection.serialize()
        if any(piece in content for piece in pieces):
            connection.execute("PRAGMA temp_store = MEMORY")  # else a crash could leave a copy on the disk
            connection.execute("VACUUM")

"""A key store in a SQL table, next to the data and replicated with it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Column, Connection, Engine, LargeBinary, MetaData, String, Table, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import SingletonThreadPool, StaticPool
from sqlalchemy.sql import ColumnElement

from fieldcrypt import (
    ConfigurationError,
    KeyNotFoundError,
    KeyRecord,
    KeyStoreError,
    Tombstone,
    call_after_fork,
    read_record,
)
from fieldcrypt.spi import MAX_TENANT_SIZE
from fieldcrypt_sqlalchemy.alembic_version import danger_of_alembic
from fieldcrypt_sqlalchemy.key_store.claims import Claims
from fieldcrypt_sqlalchemy.key_store.connections import Connections, is_conflict, is_duplicate
from fieldcrypt_sqlalchemy.key_store.table_creation import create_tables

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["SqlKeyStore"]

_ID_SIZE = 32  # a key id in hexadecimal: what every database can index, and what CloudTrail shows
_STATE_SIZE = 16
_LOCKED = (  # SQLite
    "; on SQLite a key cannot be made while your own transaction has written: make it before, or keep keys "
    "in a database file of their own"
)
_MISSING = re.compile("no such table|relation .* does not exist|Table .* doesn't exist")  # SQLite, PostgreSQL, MySQL
_PAGE = 1000  # key ids read at a time
_NAME = "fieldcrypt_data_keys"
_CONNECTIONS = 5

T = TypeVar("T")


class SqlKeyStore:
    """Keeps key records in a table of their own, on any database that SQLAlchemy speaks, and claims in another.

    Every call uses a transaction of its own, over connections of its own, so that a new data key is there to stay
    before anything is encrypted under it, whatever becomes of the application's transaction.

    Args:
        engine: where the table is, an Engine or an AsyncEngine, or a function that returns one. The store opens
            connections like the engine's; those of an AsyncEngine in an event loop of its own, in a thread. With a
            function of a module, the store can be pickled: as a reference to the function.
        table: the table's name, or the table that `define` returned.
        schema: its schema, or None for the default one.
        max_connections: how many connections it has at most at one time, and no more than the engine's pool allows.
            One is opened when it is first used, and another one when all are in use.

    Raises:
        ConfigurationError: no engine, one that has a single connection, or a table that is not the key store's.
    """

    __module__ = "fieldcrypt_sqlalchemy"  # what pickles call it, wherever it is defined

    def __init__(
        self,
        engine: Engine | AsyncEngine | Callable[[], Engine | AsyncEngine],
        table: str | Table = _NAME,
        schema: str | None = None,
        max_connections: int = _CONNECTIONS,
    ) -> None:
        self._make_engine = engine if callable(engine) else None
        if callable(engine):
            engine = engine()
        self._engine = getattr(engine, "sync_engine", engine)  # what an AsyncEngine is a front of
        if not isinstance(self._engine, Engine):
            raise ConfigurationError(f"SqlKeyStore takes an AsyncEngine or an Engine, not {type(engine).__name__}")
        if isinstance(self._engine.pool, (SingletonThreadPool, StaticPool)):
            raise ConfigurationError(
                "the engine has one connection, which the key store cannot share with the application's transactions: "
                "use a database in a file, or a MemoryKeyStore"
            )
        if max_connections < 1:
            raise ConfigurationError(
                f"a key store needs a connection at least, so max_connections={max_connections} is none"
            )
        self.table = self.define(MetaData(), table, schema) if isinstance(table, str) else _checked(table)
        # A pool of its own: when all connections of the application's wait for a key, one has to be left to fetch it.
        self._connections = Connections(self._engine, max_connections)
        self._max_connections = max_connections
        self._claims = Claims(self.table)
        call_after_fork(self._connections.leave_to_parent)

    @staticmethod
    def define(metadata: MetaData, table: str = _NAME, schema: str | None = None) -> Table:
        """Declare the key store's tables among an application's own, so that migrations and `create_all` make them.

            SqlKeyStore.define(Base.metadata)

        Args:
            metadata: the application's.
            table: the table's name.
            schema: its schema; None is the metadata's, or the default one.

        Returns:
            The table of data keys. A store takes it in place of a name and a schema, and finds it by these as well. The
            other one, of claims, is called like it, with `_claims` at the end.
        """
        Claims.define(metadata, table, schema)
        return Table(
            table,
            metadata,
            Column("key_id", String(_ID_SIZE), primary_key=True),
            Column("tenant", String(MAX_TENANT_SIZE), index=True),
            Column("state", String(_STATE_SIZE), nullable=False),
            Column("record", LargeBinary, nullable=False),
            schema=schema,
        )

    def create_table(self) -> None:
        """Make the table, with its index, and that of claims, unless they exist; any number of processes may at once.

        Needs the right to create tables, which day-to-day use does not. Warns of an Alembic that is installed and would
        drop the table again.
        """
        if danger := danger_of_alembic():
            warnings.warn(danger, stacklevel=2)
        create_tables(self._run, (KeyStoreError,), [self.table, self._claims.table])

    def close(self) -> None:
        """Close the store's connections, and end its thread if it has one; the next call opens new ones.

        An engine that is disposed closes its stores, so this is for those who go on using the engine. Over an asyncio
        driver it returns when the connections are closed, or after a few seconds. A call that another thread is making
        is not disturbed: its connection is closed when it is done.
        """
        self._connections.close()

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        """Return a record (see `KeyStore.get`)."""
        records = self._select(self.table.c.key_id == key_id.hex())
        if not records:
            raise KeyNotFoundError(f"the key store {self.table.name} has no key {key_id.hex()}")
        return records[0]

    def add(self, record: KeyRecord | Tombstone) -> None:
        """Add a record and commit it (see `KeyStore.add`)."""
        row = {
            "key_id": record.key_id.hex(),
            "tenant": record.tenant,
            "state": record.state.value,
            "record": record.to_bytes(),
        }

        def work(connection: Connection) -> None:
            try:
                connection.execute(insert(self.table).values(row))
            except DBAPIError as error:
                if is_duplicate(error):
                    raise KeyStoreError(f"the key store already has a key {record.key_id.hex()}") from None
                raise

        self._run(work)

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        """Return a tenant's records (see `KeyStore.list`)."""
        records = self._select(self.table.c.tenant.is_(None) if tenant is None else self.table.c.tenant == tenant)
        return [record for record in records if record.tenant == tenant]  # databases may compare without case

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        """Replace a record and commit (see `KeyStore.replace`)."""
        columns = self.table.c
        statement = (
            update(self.table)
            .where(columns.key_id == old.key_id.hex())
            .where(columns.state == old.state.value)
            .where(columns.record == old.to_bytes())
            .values(state=new.state.value, record=new.to_bytes())
        )
        try:
            return self._run(lambda connection: connection.execute(statement).rowcount) == 1
        except KeyStoreError as error:
            if is_conflict(error.__cause__):  # another one is replacing it, in an isolation that does not wait for that
                return False
            raise

    def key_ids(self) -> Iterator[bytes]:
        """Yield all key ids (see `KeyStore.key_ids`)."""
        last = ""
        while True:
            page = self._page(last)
            try:
                yield from map(bytes.fromhex, page)
            except (TypeError, ValueError):
                raise KeyStoreError(f"the key store {self.table.name} holds a row that is no key record") from None
            if len(page) < _PAGE:
                return
            last = page[-1]

    @property
    def keeps_claims(self) -> bool:
        """True if the table of claims is there, which stores from before claims lack until `create_table` is called."""
        return self._claims.exist(self._run)

    def get_claim(self, place: bytes) -> bytes | None:
        """Return a claim (see `ClaimingKeyStore.get_claim`)."""
        return self._claims.get(self._run, place)

    def put_claim(self, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        """Put a claim and commit (see `ClaimingKeyStore.put_claim`)."""
        return self._claims.put(self._run, place, claim, replacing)

    def _page(self, after: str) -> Sequence[str]:
        column = self.table.c.key_id
        query = select(column).where(column > after).order_by(column).limit(_PAGE)
        return self._run(lambda connection: connection.scalars(query).all())

    def _select(self, condition: ColumnElement[bool]) -> Sequence[KeyRecord | Tombstone]:
        columns = self.table.c
        query = select(columns.key_id, columns.record, columns.tenant, columns.state).where(condition)
        try:
            rows = self._run(lambda connection: connection.execute(query).all())
            listed = [(bytes.fromhex(key_id), data, tenant, state) for key_id, data, tenant, state in rows]
        except (TypeError, ValueError):  # SQLite lets anyone put anything into a column
            raise KeyStoreError(f"the key store {self.table.name} holds a row that is no key record") from None
        return [read_record(key_id, data, tenant=tenant, state=state) for key_id, data, tenant, state in listed]

    def _run(self, work: Callable[[Connection], T]) -> T:
        try:
            return self._connections.run(work)
        except self._connections.errors as error:
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            hint = "; create_table() makes it" if _MISSING.search(reason) else _LOCKED if "is locked" in reason else ""
            raise KeyStoreError(f"the key store {self.table.name} cannot be used: {reason}{hint}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        if self._make_engine is None:
            raise TypeError(
                "a SqlKeyStore with an Engine cannot be pickled, because the Engine's URL may hold a password: give it "
                "a function of a module that returns the Engine"
            )
        newer = () if self._max_connections == _CONNECTIONS else (self._max_connections,)  # which 0.1 does not know
        return SqlKeyStore, (self._make_engine, self.table.name, self.table.schema, *newer)

    def __repr__(self) -> str:
        shown = self._engine.url.set(query={})  # where a password may be, which SQLAlchemy would show
        return f"SqlKeyStore({str(shown)!r}, {self.table.fullname!r})"


def _checked(table: Table) -> Table:
    missing = {"key_id", "tenant", "state", "record"} - set(table.columns.keys())
    if missing:
        raise ConfigurationError(f"{table.name} is not a table of a key store: SqlKeyStore.define() makes one")
    return table

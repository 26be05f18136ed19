"""A key store in a SQL table, beside the data and replicated with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Column, Connection, Engine, LargeBinary, MetaData, String, Table, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import SingletonThreadPool, StaticPool
from sqlalchemy.sql import ColumnElement

from fieldcrypt import ConfigurationError, KeyNotFoundError, KeyRecord, KeyStoreError, Tombstone, call_after_fork
from fieldcrypt.keys.records import MAX_TENANT_SIZE
from fieldcrypt.keys.store import read_record
from fieldcrypt_sqlalchemy.connections import AsyncConnections, Connections, SyncConnections

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["SqlKeyStore"]

_ID_SIZE = 32  # a key id in hexadecimal: what every database can index, and what CloudTrail shows
_STATE_SIZE = 16
_MISSING = re.compile("no such table|does not exist|doesn't exist")  # as SQLite, PostgreSQL and MySQL say it
_PAGE = 1000  # key ids read at a time

T = TypeVar("T")


class SqlKeyStore:
    """Keeps key records in a table of their own, on any database that SQLAlchemy speaks.

    Every call uses a transaction of its own, over connections of its own, so that a new data key is there for good
    before anything is encrypted under it, whatever becomes of the application's transaction.

    Args:
        engine: where the table is, an Engine or an AsyncEngine, or a function that returns one. The store opens
            connections like the engine's, one or two as a rule; those of an AsyncEngine in an event loop of its own, in
            a thread. With a function of a module, the store can be pickled: as a reference to the function.
        table: the table's name.
        schema: its schema, or None for the default one.
    """

    def __init__(
        self,
        engine: Engine | AsyncEngine | Callable[[], Engine | AsyncEngine],
        table: str = "fieldcrypt_data_keys",
        schema: str | None = None,
    ) -> None:
        self._make_engine = engine if callable(engine) else None
        if callable(engine):
            engine = engine()
        self._engine = getattr(engine, "sync_engine", engine)  # what an AsyncEngine is a front of
        if not isinstance(self._engine, Engine):
            raise ConfigurationError(f"SqlKeyStore takes an AsyncEngine or an Engine, not a {type(engine).__name__}")
        if isinstance(self._engine.pool, (SingletonThreadPool, StaticPool)):
            raise ConfigurationError(
                "the engine has one connection, which the key store cannot share with the application's transactions: "
                "use a database in a file, or a MemoryKeyStore"
            )
        # A pool of its own: when all connections of the application's wait for a key, one has to be left to fetch it.
        self._connections: Connections = (
            AsyncConnections(self._engine) if self._engine.dialect.is_async else SyncConnections(self._engine)
        )
        call_after_fork(self._connections.start_anew)
        self.table = Table(
            table,
            MetaData(),
            Column("key_id", String(_ID_SIZE), primary_key=True),
            Column("tenant", String(MAX_TENANT_SIZE), index=True),
            Column("state", String(_STATE_SIZE), nullable=False),
            Column("record", LargeBinary, nullable=False),
            schema=schema,
        )

    def create_table(self) -> None:
        """Make the table unless it exists. Needs the right to create tables, which day-to-day use does not."""
        self._run(lambda connection: self.table.create(connection, checkfirst=True))

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
            except IntegrityError:
                raise KeyStoreError(f"the key store already has a key {record.key_id.hex()}") from None

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
        return self._run(lambda connection: connection.execute(statement).rowcount) == 1

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

    def _page(self, after: str) -> Sequence[str]:
        column = self.table.c.key_id
        query = select(column).where(column > after).order_by(column).limit(_PAGE)
        return self._run(lambda connection: connection.scalars(query).all())

    def _select(self, condition: ColumnElement[bool]) -> Sequence[KeyRecord | Tombstone]:
        columns = self.table.c
        query = select(columns.key_id, columns.record, columns.tenant, columns.state).where(condition)
        try:
            rows = self._run(lambda connection: connection.execute(query).all())
            found = [(bytes.fromhex(key_id), bytes(data), tenant, state) for key_id, data, tenant, state in rows]
        except (TypeError, ValueError):  # SQLite lets anyone put anything into a column
            raise KeyStoreError(f"the key store {self.table.name} holds a row that is no key record") from None
        return [read_record(key_id, data, tenant=tenant, state=state) for key_id, data, tenant, state in found]

    def _run(self, work: Callable[[Connection], T]) -> T:
        try:
            return self._connections.run(work)
        except self._connections.errors as error:
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            hint = "; create_table() makes it" if _MISSING.search(reason) else ""
            raise KeyStoreError(f"the key store {self.table.name} cannot be used: {reason}{hint}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        if self._make_engine is None:
            raise TypeError(
                "a SqlKeyStore with an Engine cannot be pickled, for the Engine's URL may hold a password: give it a "
                "function of a module that returns the Engine"
            )
        return SqlKeyStore, (self._make_engine, self.table.name, self.table.schema)

    def __repr__(self) -> str:
        return f"SqlKeyStore({self._engine!r}, {self.table.fullname!r})"

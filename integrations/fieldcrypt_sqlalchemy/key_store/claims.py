"""The table of claims of first keys, next to that of data keys (SPEC section 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, MetaData, String, Table, cast, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

from fieldcrypt import KeyStoreError
from fieldcrypt_sqlalchemy.key_store.connections import is_conflict, is_duplicate

__all__ = ["Claims"]

Run = Callable[[Callable[[Connection], Any]], Any]

_PLACE_SIZE = 32  # of 16 bytes in hexadecimal


class _Taken(Exception):  # noqa: N818 (says no more than that)
    """There is a claim already."""


class Claims:
    """Claims in a table of their own, because programs that know of none take all rows of the other one for data keys.

    `run`, everywhere, does what it is given in a transaction of its own.

    Args:
        data_keys: the table of data keys.
    """

    def __init__(self, data_keys: Table) -> None:
        self.table = self.define(MetaData(), data_keys.name, data_keys.schema)
        self._exists = False

    @staticmethod
    def define(metadata: MetaData, data_keys: str, schema: str | None) -> Table:
        """Declare the table that belongs to a table of data keys."""
        return Table(
            f"{data_keys}_claims",
            metadata,
            Column("first_key_of", String(_PLACE_SIZE), primary_key=True),
            Column("claim", LargeBinary, nullable=False),
            schema=schema,
        )

    def exist(self, run: Run) -> bool:
        """Return True if the table is there. A key store from before claims has none until it is made."""
        if not self._exists:
            table = self.table
            self._exists = run(
                lambda connection: inspect(connection).has_table(table.name, schema=connection.schema_for_object(table))
            )
        return self._exists

    def get(self, run: Run, place: bytes) -> bytes | None:
        """Return a claim (see `ClaimingKeyStore.get_claim`)."""
        columns = self.table.c
        # As bytes whatever it is: SQLite lets anyone put anything into a column, and that must not be in the way.
        query = select(cast(columns.claim, LargeBinary)).where(columns.first_key_of == place.hex())
        claim = run(lambda connection: connection.scalars(query).one_or_none())
        return None if claim is None else bytes(claim)

    def put(self, run: Run, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        """Put a claim and commit (see `ClaimingKeyStore.put_claim`)."""
        try:
            return bool(run(lambda connection: self._put(connection, place, claim, replacing)))
        except _Taken:
            return False
        except KeyStoreError as error:
            if is_conflict(error.__cause__):  # another one is putting one, in an isolation that does not wait for that
                return False
            raise

    def _put(self, connection: Connection, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        columns = self.table.c
        if replacing is None:
            try:
                connection.execute(insert(self.table).values(first_key_of=place.hex(), claim=claim))
            except DBAPIError as error:
                if is_duplicate(error):
                    raise _Taken from None  # through the caller, who began the transaction and has to undo it
                raise
            return True
        changed = connection.execute(
            update(self.table)
            .where(columns.first_key_of == place.hex())
            .where(cast(columns.claim, LargeBinary) == replacing)
            .values(claim=claim)
        )
        return changed.rowcount == 1

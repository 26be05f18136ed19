"""The rows of a table with protected columns: how they are selected, named, locked and read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import count
from typing import Any

from sqlalchemy import Connection, Engine, FromClause, Table, or_, select, true
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import ARRAY, JSON, Numeric

from fieldcrypt import ConfigurationError, MigrationError
from fieldcrypt.spi.migration import Page, ProtectedField, Which, is_exactly
from fieldcrypt_sqlalchemy.migration.errors import ROW_ERRORS, is_of_a_row
from fieldcrypt_sqlalchemy.migration.row.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.row.row import Binding, MigratedRow, with_one_nan
from fieldcrypt_sqlalchemy.migration.row.tagged_columns import TaggedColumns, tag_type
from fieldcrypt_sqlalchemy.migration.table.bare import Bare
from fieldcrypt_sqlalchemy.migration.table.database import writes_as_told
from fieldcrypt_sqlalchemy.migration.table.keyset import Key, beyond, is_read_as_stored, typed, up_to

__all__ = ["TableRows", "place_of"]


def place_of(engine: Engine, table: Table) -> tuple[str | None, str]:
    """Return in which schema a table is, where the engine's `schema_translate_map` leads to, and its name with that."""
    translated = engine.get_execution_options().get("schema_translate_map") or {}
    schema = translated.get(table.schema, table.schema)
    return schema, table.name if schema is None else f"{schema}.{table.name}"


class TableRows:
    """The rows of one table, as a migration reads and names them.

    What is read and what is written is one table (`Bare`), which the engine's `schema_translate_map` applies to; where
    it leads to is a part of the name.

    Args:
        table, columns: the protected columns are of the table.
        selected: where to select from: the table, or of a class that inherits all that it consists of.
        binding: what values are bound to.
        of: the class, if it shares the table with another part.
        more: what has nothing but tags: compounds, and indexes that are erased.

    Raises:
        ConfigurationError: the table has no primary key, or one that nothing can go through in its order.
    """

    def __init__(
        self,
        engine: Engine,
        table: Table,
        columns: Sequence[MigratedColumn],
        selected: FromClause,
        binding: Binding,
        of: str | None = None,
        more: Sequence[TaggedColumns] = (),
    ) -> None:
        self._engine, self.dialect = engine, engine.dialect
        self.table, self.columns = table, columns
        self.every: Sequence[MigratedColumn | TaggedColumns] = [*columns, *more]
        self.fields: Sequence[ProtectedField] = self.every
        self.schema, self.full_name = place_of(engine, table)
        self.name = self.full_name if of is None else f"{self.full_name} of {of}"
        self._check_key()
        self._binding = binding
        stored: list[tuple[Any, Any]] = [(column.column, column.form.written_as) for column in columns]
        tags = [(each, tag_type(each)) for field in self.every for each in field.companions]
        self._bare = bare = Bare([*stored, *tags])
        self.target = bare.table(table)
        self.key: list[Any] = [bare.of(column) for column in table.primary_key.columns]
        self._raw = with_one_nan if any(isinstance(column.type, Numeric) for column in self.key) else tuple
        read = [each for field in self.every for each in field.selected()]
        self.names = [name for field in self.every for name in field.names]  # of the columns that are read last
        self.read_columns = [bare.of(column) for column in (*self.key, *binding.columns.values(), *read)]
        named = [each.label(f"c{at}") for at, each in enumerate(self.read_columns)]
        self._query = select(*named).select_from(bare.of(selected)).order_by(*self.key)
        # All tables that tell what a row is bound to.
        self.tables = [each for each in iterate(bare.of(selected)) if isinstance(each, Table)]
        # The driver of MySQL reads times of two different hours alike, where clocks are set back.
        as_stored = all(is_read_as_stored(column, engine.dialect) for column in self.key)
        self._is_read_as_stored = as_stored and engine.dialect.name in ("postgresql", "sqlite")
        self.readable = sys.maxsize  # rows that could be read at once, of late
        self.kept: Sequence[str] = ()  # the columns that the database would set to another value when a row is written

    def _check_key(self) -> None:
        if not self.table.primary_key.columns:
            raise ConfigurationError(
                f"{self.name} has no primary key, by which its rows could be told apart: give it one, and declare it"
            )
        for column in self.table.primary_key.columns:
            if isinstance(column.type, (ARRAY, JSON)):
                raise ConfigurationError(
                    f"{self.name}.{column.key} is part of the primary key, of the type {type(column.type).__name__}, "
                    "whose values have no order that a migration could go by: give the table another primary key"
                )

    def rows_found_by(self, query: Any) -> list[MigratedRow]:
        """Read the rows of a query; nothing is locked."""
        with self._engine.connect() as connection:
            return [self._row_of(self._raw(row)) for row in connection.execute(query)]

    def check_forward(self, after: Key | None, until: Key | None, transaction: Connection | None = None) -> None:
        """Refuse a key, read behind another one, that leads back: it is stored in another form than its type writes.

        Reading on behind it would bring the same rows again, perhaps for ever.

        Raises:
            MigrationError: it does, as the database compares them.
        """
        if after is None or until is None or self._is_read_as_stored:
            return
        # No row can be between if the second key is the greater one, whatever others write meanwhile.
        back = self.at(until) if until == after else self._between(until, after)
        query = select(true()).select_from(self.target).where(*back).limit(1)
        with nullcontext(transaction) if transaction is not None else self._engine.connect() as connection:
            if connection.execute(query).first() is not None:
                raise self.leads_back_error()

    def leads_back_error(self) -> MigrationError:
        return MigrationError(
            f"{self.name}: keys are stored in other forms than their type writes, so that nothing can go through them: "
            "store them in that form. What is done stays"
        )

    def locked(
        self, connection: Connection, after: Key | None, page: Page, known: Mapping[Key, MigratedRow]
    ) -> list[MigratedRow]:
        """Read the rows of a page again, and lock them until the transaction ends.

        Those that have not changed are the same objects as before.
        """
        found, query = [], self._query.where(*self.rows_of(after, page), self.is_of(page.which))
        for row in connection.execute(self._locking(query)):
            raw = self._raw(row)
            before = known.get(raw[: len(self.key)])
            is_same = before is not None and before.raw == raw and is_exactly(before.raw, raw)
            found.append(before if before is not None and is_same else self._row_of(raw))
        return found

    def now(self, connection: Connection, those: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """Read rows again, in the transaction that wrote to them, as `MigratedRow.raw` has them."""
        return map(self._raw, connection.execute(self._query.where(*those)))

    def named(self, key: Key, locking: Connection | None = None) -> MigratedRow | None:
        """Return the row that a key names, or None.

        Args:
            key: the key.
            locking: of the transaction that locks it. Default: nothing is locked.
        """
        query = self._query.where(*self.at(key))
        if locking is None:
            with self._engine.connect() as connection:
                row = connection.execute(query).first()
        else:
            row = locking.execute(self._locking(query)).first()
        return None if row is None else self._row_of(self._raw(row))

    def _locking(self, query: Any) -> Any:
        return query.with_for_update(key_share=True, of=self.tables if self.dialect.name == "postgresql" else None)

    def boundary(self, connection: Connection, after: Key | None, rows: int) -> Key | None:
        """Return the key of the row that ends a range of so many, or some more; None: the table ends before."""
        query = select(*self.key).select_from(self.target).where(*self._between(after, None)).order_by(*self.key)
        for at in count(rows - 1):
            try:
                found = connection.execute(query.limit(1).offset(at)).one_or_none()
            except ROW_ERRORS as error:  # a key that cannot be read ends no range
                if not is_of_a_row(error):
                    raise
                continue
            return None if found is None else tuple(found)
        raise AssertionError

    def at(self, key: Key) -> list[Any]:
        """Return the conditions that a row has a key."""
        return [mine == part for mine, part in zip(self.key, typed(self.key, key), strict=True)]

    def rows_of(self, after: Key | None, page: Page) -> list[Any]:
        """Return the conditions that a row is of a page, which comes after a key."""
        if page.is_apart:
            return self.at(page.position)
        return self._between(after, page.position)

    def _between(self, after: Key | None, until: Key | None) -> list[Any]:
        """Return the conditions that a row comes after a key, and not after another one."""
        found = [] if after is None else [beyond(self.key, after, self.dialect)]
        return found if until is None else [*found, up_to(self.key, until, self.dialect)]

    def of_range(self, after: Key | None, until: Key | None, which: Which) -> Any:
        """Return the query of the rows of a kind in a range of keys."""
        query = self._query.where(*self._between(after, until))
        return query if which is Which.ALL else query.where(self.is_of(which))

    def is_of(self, which: Which) -> Any:
        """Return the condition that a row is of a kind."""
        return true() if which is Which.ALL else or_(*(each.is_of(which, self._bare.of) for each in self.every))

    def _row_of(self, raw: tuple[Any, ...]) -> MigratedRow:
        return MigratedRow(raw, len(self.key), self._binding, self.every)

    def is_faithful(self, connection: Connection) -> bool:
        """Return True if the database says of itself that it writes what it is told, and to the row that it is told.

        Only PostgreSQL does: others do not show everybody their triggers, cut values off, or keep keys as texts that
        types in Python make.
        """
        if self.dialect.name != "postgresql" or not self.dialect.supports_sane_multi_rowcount:
            return False
        return self._is_read_as_stored and writes_as_told(connection, self.table.name, self.schema)

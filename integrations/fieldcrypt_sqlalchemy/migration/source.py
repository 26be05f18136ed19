"""The rows of a table with protected columns, as a migration reads, writes and counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Engine, FromClause, Select, Table, case, func, or_, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import ARRAY, JSON, LargeBinary, NullType

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import MigrationError, Sample
from fieldcrypt.migration.engine.digest import about
from fieldcrypt.migration.engine.journal import Portion
from fieldcrypt.migration.engine.source import Counted, Page, RefusedError, Source, Which, Written
from fieldcrypt.migration.engine.unit import Change, Unit
from fieldcrypt_sqlalchemy.keyset import Key, beyond, is_read_as_stored, up_to
from fieldcrypt_sqlalchemy.migration.bare import Bare
from fieldcrypt_sqlalchemy.migration.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.database import columns_set_on_update, triggers, writes_as_told
from fieldcrypt_sqlalchemy.migration.row import MigratedRow
from fieldcrypt_sqlalchemy.migration.schema import problems, remarks
from fieldcrypt_sqlalchemy.migration.transaction import transact
from fieldcrypt_sqlalchemy.migration.writing import write
from fieldcrypt_sqlalchemy.row_key import RowKey

__all__ = ["SqlSource"]

T = TypeVar("T")

_PAGE = 1000
_RANDOM: Mapping[str, Any] = {
    "mysql": func.rand(),
    "mariadb": func.rand(),
    "sqlite": func.abs(func.random() % 1_000_000_000) / 1e9,
}


class SqlSource(Source):
    """The rows of one table; every step begins with `problems`, which also finds what the writes need.

    What is read and what is written is one table (`Bare`), which the engine's `schema_translate_map` applies to; where
    it leads to is a part of the name.

    Args:
        table, columns: the protected columns are of the table.
        selected: where to select from: the table, or of a class that inherits all that it consists of.
        row: what values are bound to, if they are, with the columns that tell it.
        of: the class, if it shares the table with another part.

    Raises:
        ConfigurationError: the table has no primary key, or one that nothing can go through in its order.
    """

    def __init__(
        self,
        engine: Engine,
        table: Table,
        columns: Sequence[MigratedColumn],
        selected: FromClause,
        row: tuple[RowKey, Sequence[Any]] | None = None,
        of: str | None = None,
    ) -> None:
        self._engine, self.dialect = engine, engine.dialect
        self.table, self.columns, self.fields = table, columns, columns
        translated = engine.get_execution_options().get("schema_translate_map") or {}
        self.schema: str | None = translated.get(table.schema, table.schema)
        self.full_name = table.name if self.schema is None else f"{self.schema}.{table.name}"
        self.name = self.full_name if of is None else f"{self.full_name} of {of}"
        self._check_key()
        self._row_key: RowKey | None = None if row is None else row[0]
        stored: list[tuple[Any, Any]] = [(each.column, each.form.written_as) for each in columns]
        tags = [(each.companion, LargeBinary()) for each in columns if each.companion is not None]
        self._bare = bare = Bare([*stored, *tags])
        self.target = bare.table(table)
        self.key: list[Any] = [bare.of(each) for each in table.primary_key.columns]
        read = [each for migrated in columns for each in migrated.selected()]
        bound_to = () if row is None else row[1]
        self.names = [name for each in columns for name in each.names]  # of what is read last
        named = [bare.of(each).label(f"c{at}") for at, each in enumerate((*self.key, *bound_to, *read))]
        self._query = select(*named).select_from(bare.of(selected)).order_by(*self.key)
        # All tables that tell what a row is bound to.
        self.tables = [each for each in iterate(bare.of(selected)) if isinstance(each, Table)]
        # The driver of MySQL reads times of two different hours alike, where clocks are set back.
        as_stored = all(is_read_as_stored(each, engine.dialect) for each in self.key)
        self._is_read_as_stored = as_stored and engine.dialect.name in ("postgresql", "sqlite")
        self.kept: Sequence[str] = ()  # the columns that the database would set to another value when a row is written

    def _check_key(self) -> None:
        if not self.table.primary_key.columns:
            raise ConfigurationError(f"{self.name} has no primary key, by which its rows could be told apart")
        for each in self.table.primary_key.columns:
            if isinstance(each.type, (ARRAY, JSON)):
                raise ConfigurationError(
                    f"{self.name}.{each.key} is part of the primary key, and of the type {type(each.type).__name__}, "
                    "whose values have no order that a migration could go by: give the table another primary key"
                )

    # What it is

    def problems(self, step: str) -> list[str]:
        for each in self.columns:
            each.begin()
        with self._engine.connect() as connection:
            self.kept = columns_set_on_update(connection, self.table.name, self.schema)
            for name in self.kept:
                if name not in self.target.c:
                    self.target.append_column(Column(name, NullType()))
            return problems(connection, self, step)

    def describe(self) -> str:
        words = ", ".join(f"{each.name} ({each.type.name})" for each in self.columns)
        key = ", ".join(f"{each.name} {type(each.type).__name__}" for each in self.key)
        bound = () if self._row_key is None else self._row_key.described()
        declared = [tuple(each.declared()) for each in self.columns]
        return about(f"{words} by {key}", (self.name,), bound, *declared)

    def cautions(self) -> Sequence[str]:
        with self._engine.connect() as connection:
            found = triggers(connection, self.table.name, self.schema)
        told = "see that they copy no plaintext elsewhere; a row in which they change what is written stays as it is"
        return [f"{self.full_name} has triggers for UPDATE ({', '.join(found)}): {told}"] if found else []

    def remarks(self) -> Sequence[str]:
        return list(remarks(self, self.dialect.name))

    # Reading

    def count(self, which: Which) -> Counted:
        query = select(func.count(), func.sum(case((self._is(which), 1), else_=0))).select_from(self.target)
        with self._engine.connect() as connection:
            total, found = connection.execute(query).one()
        return Counted(total, int(found or 0))

    def under(self, migrated: MigratedColumn, key_id: bytes) -> int:
        """Return how many values of a column are under a data key."""
        is_under = migrated.form.is_under(self.target.c[migrated.stored_name], key_id)
        with self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(self.target).where(is_under)) or 0

    def page(self, portion: Portion, which: Which, size: int) -> Page:
        units = self._rows(self._of_range(portion.position, portion.until, which).limit(size), portion.position)
        return Page(units, units[-1].key if units else None, len(units) < size, which)

    def pages(self, which: Which, sample: Sample | None = None) -> Iterator[Sequence[Unit]]:
        share = None if sample is None else sample.share_of(self.estimate())
        after: Key | None = None
        while True:
            query = self._of_range(after, None, which).limit(_PAGE)
            if share is not None:
                query = query.where(_RANDOM.get(self.dialect.name, func.random()) < share)
            units = self._rows(query, after)
            yield units
            if len(units) < _PAGE or units[-1].key == after:
                return
            after = units[-1].key

    def check_forward(self, connection: Connection, after: Key | None, until: Key | None) -> None:
        """Refuse a key, read behind another one, that leads back: two forms of a key that read alike make a circle.

        Raises:
            MigrationError: it does, as the database compares them.
        """
        if after is None or until is None or self._is_read_as_stored:
            return
        query = select(self.key[0]).where(*self.between(after, until)).limit(1)
        if connection.execute(query).first() is None:
            raise MigrationError(
                f"{self.name}: keys that read alike are stored in several forms, so that nothing can go through them: "
                "store them in the form that their type writes. What is done stays"
            )

    def locked(
        self, connection: Connection, after: Key | None, until: Key, which: Which, known: Mapping[Key, MigratedRow]
    ) -> list[MigratedRow]:
        """Read rows again, so that nobody else changes them until the transaction ends.

        Those that have not changed are the same objects as before.
        """
        query = self._of_range(after, until, which).with_for_update(
            key_share=True, of=self.tables if self.dialect.name == "postgresql" else None
        )
        found = []
        for row in connection.execute(query):
            raw = tuple(row)
            before = known.get(raw[: len(self.key)])
            found.append(before if before is not None and before.raw == raw else self._row_of(raw))
        return found

    def now(self, connection: Connection, after: Key | None, until: Key) -> Iterator[tuple[Any, ...]]:
        """Read again what rows are in a transaction that wrote to some, as they are in `MigratedRow.raw`."""
        return map(tuple, connection.execute(self._of_range(after, until, Which.ALL)))

    def boundary(self, after: Key | None, rows: int) -> Select[Any]:
        """Return the query for the key of the row that ends a range of so many."""
        query = select(*self.key).select_from(self.target).where(*self.between(after, None)).order_by(*self.key)
        return query.limit(1).offset(rows - 1)

    def between(self, after: Key | None, until: Key | None) -> list[Any]:
        """Return the conditions that a row comes after a key, and not after another one."""
        found = [] if after is None else [beyond(self.key, after, self.dialect)]
        return found if until is None else [*found, up_to(self.key, until, self.dialect)]

    def _of_range(self, after: Key | None, until: Key | None, which: Which) -> Select[Any]:
        query = self._query.where(*self.between(after, until))
        return query if which is Which.ALL else query.where(self._is(which))

    def _is(self, which: Which) -> Any:
        """Return the condition that a row is of a kind."""
        return true() if which is Which.ALL else or_(*(each.is_of(which, self._bare.of) for each in self.columns))

    def _rows(self, query: Select[Any], after: Key | None) -> list[MigratedRow]:
        """Read the rows that come after a key."""
        with self._engine.connect() as connection:
            units = [self._row_of(tuple(row)) for row in connection.execute(query)]
            self.check_forward(connection, after, units[-1].key if units else None)
        return units

    def _row_of(self, raw: tuple[Any, ...]) -> MigratedRow:
        return MigratedRow(raw, len(self.key), self._row_key, self.columns)

    # Writing

    def transact(self, work: Callable[[Any], T]) -> T:
        try:
            return transact(self._engine, work)
        except IntegrityError as error:
            refused = error
        raise RefusedError(refused)

    def write(
        self,
        batch: Any,
        portion: Portion,
        page: Page,
        changes: Sequence[Change],
        again: Callable[[Unit], Change],
        beat: Callable[[], None],
    ) -> Written:
        """See `Source.write`: rows are locked and read again before."""
        return write(batch, self, portion.position, page, changes, again)

    def is_faithful(self, connection: Connection) -> bool:
        """Return True if the database says of itself that it writes what it is told, and to the row that it is told.

        Only PostgreSQL does: others do not show everybody their triggers, cut values off, or keep keys as texts that
        types in Python make.
        """
        if self.dialect.name != "postgresql" or not self.dialect.supports_sane_multi_rowcount:
            return False
        return self._is_read_as_stored and writes_as_told(connection, self)

"""The rows of a table with protected columns, as a migration reads, writes and counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Connection,
    Engine,
    FromClause,
    LargeBinary,
    Select,
    String,
    Table,
    case,
    cast,
    func,
    not_,
    select,
    true,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import NullType

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import MigrationError, Sample
from fieldcrypt.migration.engine.digest import about
from fieldcrypt.migration.engine.journal import Portion
from fieldcrypt.migration.engine.source import Counted, Page, RefusedError, Source, Which, Written
from fieldcrypt.migration.engine.unit import Change, Unit
from fieldcrypt_sqlalchemy.keyset import Key, beyond, up_to
from fieldcrypt_sqlalchemy.migration.bare import Bare
from fieldcrypt_sqlalchemy.migration.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.database import columns_set_on_update, triggers, writes_as_told
from fieldcrypt_sqlalchemy.migration.form import condition
from fieldcrypt_sqlalchemy.migration.key_types import is_read_as_stored
from fieldcrypt_sqlalchemy.migration.remarks import after_finish
from fieldcrypt_sqlalchemy.migration.row import MigratedRow
from fieldcrypt_sqlalchemy.migration.schema import problems
from fieldcrypt_sqlalchemy.migration.transaction import again_if_it_met_others
from fieldcrypt_sqlalchemy.migration.writing import write
from fieldcrypt_sqlalchemy.row_key import RowKey

__all__ = ["SqlSource"]

T = TypeVar("T")

_PAGE = 1000
_RANDOM: Mapping[str, Any] = {
    "postgresql": func.random(),
    "mysql": func.rand(),
    "mariadb": func.rand(),
    "sqlite": func.abs(func.random() % 1_000_000_000) / 1e9,
}


class SqlSource(Source):
    """The rows of one table: a `Source`.

    What is read and what is written is one table (`Bare`), which the engine's `schema_translate_map` applies to; where
    it leads to is a part of the name.

    Args:
        engine: of the database.
        table: the columns are of it.
        columns: the protected ones.
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
        self._engine, self._dialect = engine, engine.dialect
        self.table, self.columns, self.fields = table, columns, columns
        translated = engine.get_execution_options().get("schema_translate_map") or {}
        self.schema: str | None = translated.get(table.schema, table.schema)
        self.full_name = table.name if self.schema is None else f"{self.schema}.{table.name}"
        self.name = self.full_name if of is None else f"{self.full_name} of {of}"
        self.key: list[Any] = list(table.primary_key.columns)
        self._check_key()
        # The driver of MySQL reads times of two different hours alike, where clocks are set back.
        as_stored = all(is_read_as_stored(each, engine.dialect) for each in self.key)
        self._is_read_as_stored = as_stored and engine.dialect.name in ("postgresql", "sqlite")
        self._row = row
        for each in columns:
            each.form.prepare(self._dialect)
        stored = [(each.column, each.form.written_as) for each in columns]
        tags: list[tuple[Any, Any]] = [
            (each.companion, LargeBinary()) for each in columns if each.companion is not None
        ]
        self._bare = bare = Bare([*stored, *tags])
        self.target, self.key = bare.table(table), [bare.of(each) for each in self.key]
        bound_to = () if row is None else row[1]
        read = [each for migrated in columns for each in migrated.selected()]
        self.names = [name for each in columns for name in each.names]  # of what is read last
        named = [bare.of(each).label(f"c{at}") for at, each in enumerate((*self.key, *bound_to, *read))]
        self._query = select(*named).select_from(bare.of(selected)).order_by(*self.key)
        # All tables that tell what a row is bound to.
        self.tables = [each for each in iterate(bare.of(selected)) if isinstance(each, Table)]
        self._kept: Sequence[str] | None = None

    def _check_key(self) -> None:
        if not self.key:
            raise ConfigurationError(f"{self.name} has no primary key, by which its rows could be told apart")
        for each in self.key:
            if isinstance(each.type, (ARRAY, JSON)):
                raise ConfigurationError(
                    f"{self.name}.{each.key} is part of the primary key, and of the type {type(each.type).__name__}, "
                    "whose values have no order that a migration could go by: give the table another primary key"
                )

    # What it is

    def problems(self, step: str) -> list[str]:
        """Return what keeps a step from being done (see `Source.problems`); every step begins with it."""
        for each in self.columns:
            each.begin()
        with self._engine.connect() as connection:
            return problems(connection, self, step)

    def describe(self) -> str:
        """Return what a checkpoint is about (see `Source.describe`)."""
        words = ", ".join(f"{each.name} ({each.type.name})" for each in self.columns)
        key = ", ".join(f"{each.name} {type(each.type).__name__}" for each in self.key)
        bound = () if self._row is None else self._row[0].described()
        declared = [tuple(each.declared()) for each in self.columns]
        return about(f"{words} by {key}", (self.name,), bound, *declared)

    def cautions(self) -> Sequence[str]:
        """Return what to know of the table before it is encrypted (see `Source.cautions`)."""
        with self._engine.connect() as connection:
            found = triggers(connection, self.table.name, self.schema)
        told = "see that they copy no plaintext elsewhere; a row in which they change what is written stays as it is"
        return [f"{self.full_name} has triggers for UPDATE ({', '.join(found)}): {told}"] if found else []

    def remarks(self) -> Sequence[str]:
        """Return what is left to do, in words."""
        return after_finish(self.full_name, self.columns, self._dialect.name)

    # Reading

    def count(self, which: Which) -> Counted:
        """Have the database count (see `Source.count`)."""
        those = condition(which, self.columns, self._bare.of)
        query = select(func.count(), func.sum(case((those, 1), else_=0))).select_from(self.target)
        with self._engine.connect() as connection:
            total, found = connection.execute(query).one()
        return Counted(total, int(found or 0))

    def under(self, migrated: MigratedColumn, key_id: bytes) -> int:
        """Return how many values of a column are under a data key."""
        is_under = migrated.form.is_under(self.target.c[migrated.stored_name], key_id)
        with self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(self.target).where(is_under)) or 0

    def longest_plaintext(self, connection: Connection, migrated: MigratedColumn) -> int:
        """Return how many bytes the longest text has that a column holds or is filled from, beside encrypted values."""
        text = self.target.c[migrated.plain_name or migrated.stored_name]
        if migrated.plain is not None and not isinstance(migrated.plain.type, String):
            return 0  # nobody knows but Python
        octets = func.length(cast(text, LargeBinary)) if self._dialect.name == "sqlite" else func.octet_length(text)
        plain = not_(migrated.form.is_ours(text)) if migrated.plain is None else true()
        return connection.scalar(select(func.max(octets)).where(plain)) or 0

    def page(self, portion: Portion, which: Which, size: int) -> Page:
        """Read the next rows of a portion (see `Source.page`)."""
        with self._engine.connect() as connection:
            units = self.rows(connection, portion.position, portion.until, which, size)
            self.check_forward(connection, portion.position, units[-1].key if units else None)
        return Page(units, units[-1].key if units else None, len(units) < size, which)

    def pages(self, which: Which, sample: Sample | None = None) -> Iterator[Sequence[Unit]]:
        """Yield all rows of a kind in the order of their keys, or random ones (see `Source.pages`)."""
        share = None if sample is None else sample.share_of(self.estimate())
        after: Key | None = None
        while True:
            query = self._of_range(after, None, which).limit(_PAGE)
            if share is not None:
                query = query.where(_RANDOM.get(self._dialect.name, func.random()) < share)
            with self._engine.connect() as connection:
                units = [self._row_of(tuple(row)) for row in connection.execute(query)]
                self.check_forward(connection, after, units[-1].key if units else None)
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
        between = beyond(self.key, after, self._dialect), up_to(self.key, until, self._dialect)
        if connection.execute(select(self.key[0]).where(*between).limit(1)).first() is None:
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
            key_share=True, of=self.tables if self._dialect.name == "postgresql" else None
        )
        found = []
        for row in connection.execute(query):
            raw = tuple(row)
            before = known.get(raw[: len(self.key)])
            found.append(before if before is not None and before.raw == raw else self._row_of(raw))
        return found

    def boundary(self, after: Key | None, rows: int) -> Select[Any]:
        """Return the query for the key of the row that ends a range of so many."""
        query = select(*self.key).select_from(self.target).order_by(*self.key)
        if after is not None:
            query = query.where(beyond(self.key, after, self._dialect))
        return query.limit(1).offset(rows - 1)

    def _of_range(self, after: Key | None, until: Key | None, which: Which) -> Select[Any]:
        query = self._query
        if after is not None:
            query = query.where(beyond(self.key, after, self._dialect))
        if until is not None:
            query = query.where(up_to(self.key, until, self._dialect))
        if which is not Which.ALL:
            query = query.where(condition(which, self.columns, self._bare.of))
        return query

    def rows(
        self,
        connection: Connection,
        after: Key | None,
        until: Key | None,
        which: Which = Which.ALL,
        size: int | None = None,
    ) -> list[MigratedRow]:
        """Read the rows of a range of keys; nothing is locked."""
        query = self._of_range(after, until, which).limit(size)
        return [self._row_of(tuple(row)) for row in connection.execute(query)]

    def _row_of(self, raw: tuple[Any, ...]) -> MigratedRow:
        return MigratedRow(raw, len(self.key), None if self._row is None else self._row[0], self.columns)

    # Writing

    def transact(self, work: Callable[[Any], T]) -> T:
        """Do work in a transaction, and again if it met others (see `Source.transact`)."""

        def once() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        try:
            return again_if_it_met_others(once)
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
        """Write to rows, which are locked and read again before (see `Source.write`)."""
        return write(batch, self, portion.position, page, changes, again)

    def is_faithful(self, connection: Connection) -> bool:
        """Return True if the database says of itself that it writes what it is told, and to the row that it is told.

        Only PostgreSQL does: others do not show everybody their triggers, cut values off, or keep keys as texts that
        types in Python make.
        """
        dialect = self._dialect
        if dialect.name != "postgresql" or not dialect.supports_sane_multi_rowcount:
            return False
        return self._is_read_as_stored and writes_as_told(connection, self)

    def kept(self, connection: Connection) -> Sequence[str]:
        """Return the columns that the database would set to another value when a row is written."""
        if self._kept is None:
            kept = columns_set_on_update(connection, self.table.name, self.schema)
            for name in kept:
                if name not in self.target.c:
                    self.target.append_column(Column(name, NullType()))
            self._kept = kept
        return self._kept

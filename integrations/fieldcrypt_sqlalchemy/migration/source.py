"""The rows of a table with protected columns, as a migration reads, writes and counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, case, func, select
from sqlalchemy.types import NullType

from fieldcrypt.migration import Sample
from fieldcrypt.spi.migration import (
    Change,
    Counted,
    Page,
    Portion,
    RefusedError,
    Source,
    Unit,
    UnitError,
    Which,
    Written,
    about,
)
from fieldcrypt_sqlalchemy.migration.errors import ROW_ERRORS, in_words, is_of_a_row
from fieldcrypt_sqlalchemy.migration.journal.transaction import transact
from fieldcrypt_sqlalchemy.migration.row.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.row.reading import read_page
from fieldcrypt_sqlalchemy.migration.row.table_rows import TableRows
from fieldcrypt_sqlalchemy.migration.row.writing import write
from fieldcrypt_sqlalchemy.migration.schema.cautions import cautions
from fieldcrypt_sqlalchemy.migration.schema.problems import problems
from fieldcrypt_sqlalchemy.migration.schema.remarks import remarks
from fieldcrypt_sqlalchemy.migration.table.database import columns_set_on_update
from fieldcrypt_sqlalchemy.migration.table.keyset import Key

__all__ = ["SqlSource"]

T = TypeVar("T")

_PAGE = 1000


class SqlSource(TableRows, Source):
    """The `Source` of one table; every step begins with `problems`, which also finds what the writes need."""

    others: Sequence[str] = ()  # columns of the model that are migrated in place, where this migration copies

    def problems(self, step: str) -> list[str]:
        for column in self.columns:
            column.begin()
        with self._engine.connect() as connection:
            self.kept = columns_set_on_update(connection, self.table.name, self.schema)
            for name in self.kept:
                if name not in self.target.c:
                    self.target.append_column(Column(name, NullType()))
            return problems(connection, self, step)

    def describe(self) -> str:
        words = ", ".join(f"{column.name} ({column.type.name})" for column in self.columns)
        key = ", ".join(f"{column.name} {type(column.type).__name__}" for column in self.key)
        bound = () if self._binding.row_key is None else self._binding.row_key.described()
        declared = [tuple(field.declared()) for field in self.every]
        return about(f"{words} by {key}", (self.name,), bound, *declared)

    def cautions(self) -> Sequence[str]:
        with self._engine.connect() as connection:
            return list(cautions(connection, self))

    def left_out(self) -> Sequence[str]:
        return [
            f"{name} may still have plaintext, and is not part of this migration: encrypt it in place with a second "
            f'one, Migration(engine, model, name="{self.table.name}-in-place")'
            for name in self.others
        ]

    def remarks(self) -> Sequence[str]:
        with self._engine.connect() as connection:
            return list(remarks(connection, self))

    def estimate(self, which: Which = Which.ALL) -> int:
        counted = self.count(which)
        return counted.total if which is Which.ALL else counted.those

    def count(self, which: Which) -> Counted:
        query = select(func.count(), func.sum(case((self.is_of(which), 1), else_=0))).select_from(self.target)
        with self._engine.connect() as connection:
            total, found = connection.execute(query).one()
        return Counted(total, int(found or 0))

    def under(self, migrated: MigratedColumn, key_id: bytes) -> int:
        """Return how many values of a column are under a data key."""
        is_under = migrated.form.is_under(self.target.c[migrated.stored_name], key_id)
        with self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(self.target).where(is_under)) or 0

    def page(self, portion: Portion, which: Which, size: int) -> Page:
        return read_page(self, portion.position, portion.until, which, size)

    def pages(self, which: Which, sample: Sample | None = None) -> Iterator[Sequence[Unit]]:
        share = None if sample is None else sample.share_of(self.estimate())
        after: Key | None = None
        while True:
            page = read_page(self, after, None, which, _PAGE, share)
            yield page.units
            if page.is_last:
                return
            if page.position == after:  # the rows behind would be left out
                raise self.leads_back_error()
            after = page.position

    def transact(self, work: Callable[[Any], T]) -> T:
        try:
            return transact(self._engine, work)
        except UnitError:  # of the work itself
            raise
        except ROW_ERRORS as error:
            if not is_of_a_row(error):
                raise
            refused = in_words(error)
        raise RefusedError(UnitError(f"the database, or its driver, refuses the row: {refused}"))

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

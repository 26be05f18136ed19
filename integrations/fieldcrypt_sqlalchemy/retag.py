"""The job that brings companion columns up to date: after a rotation of index keys, or for rows without tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    Engine,
    FromClause,
    LargeBinary,
    Select,
    Table,
    Update,
    column,
    select,
    table,
    type_coerce,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import class_mapper
from sqlalchemy.types import NullType

from fieldcrypt import ConfigurationError, DecryptionError, KeyNotFoundError
from fieldcrypt_sqlalchemy.companion import Tag
from fieldcrypt_sqlalchemy.keyset import MAX_FAILURES, Key, beyond
from fieldcrypt_sqlalchemy.row_key import RowKey
from fieldcrypt_sqlalchemy.rows import plan_of
from fieldcrypt_sqlalchemy.sealed import SealedField
from fieldcrypt_sqlalchemy.tags import Tagger
from fieldcrypt_sqlalchemy.types import is_searchable

__all__ = ["RetagReport", "retag"]

Progress = Callable[[int, int], object]


class RetagReport(NamedTuple):
    """What became of all rows of a model.

    Attributes:
        changed: how many rows have other tags now.
        unchanged: how many had the right ones, or were written by somebody else meanwhile.
        failed: how many could not be tagged, in one column at least. They are found by their old tags as long as the
            old index keys are there.
        failures: error by primary key, of the first 1,000 that failed. `DecryptionError`: a value does not decrypt;
            `KeyNotFoundError`: its data key is gone; `TypeError`, `ValueError`: the normaliser
            refuses it; SQLAlchemy's `IntegrityError`: the column is unique, and another row has the value already.
    """

    changed: int
    unchanged: int
    failed: int
    failures: dict[Key, Exception]

    @property
    def complete(self) -> bool:
        """True if every row has the tags that it should have."""
        return not self.failed


def retag(engine: Engine, model: Any, *, batch: int = 500, on_progress: Progress | None = None) -> RetagReport:
    """Give every row of a model the tags that its values have under the active index keys.

        report = retag(engine, Patient)
        if report.complete:
            encryptor.data_keys.retire_index_keys()

    Works while others read and write: a row is changed only if value and tag are still those that were read. It can be
    interrupted and repeated. Reads and decrypts all values of searchable columns, and writes in transactions of a batch
    each. With an AsyncEngine: `await connection.run_sync(lambda sync: retag(sync.engine, Patient))`.

    Args:
        engine: where the rows are.
        model: a class with searchable columns, of which those of its subclasses are tagged too; or a Table.
        batch: rows a transaction.
        on_progress: called after each batch with how many rows were read, and how many of them changed.

    Raises:
        ValueError: a batch is a row at least.
        ConfigurationError: the model has no searchable column.
        KeyProviderError, KeyStoreError: keys cannot be had. What was done before stays; so it does if the database
            fails, or a deadlock is resolved against this job: SQLAlchemy's error is raised, and it can be repeated.
    """
    if batch < 1:
        raise ValueError("a batch is a row at least")
    passes = list(_passes(model, engine.dialect))
    if not passes:
        raise ConfigurationError(f"{getattr(model, '__name__', model)} has no searchable column")
    job = _Job(engine, batch, on_progress)
    for one in passes:
        job.run(one)
    return RetagReport(job.changed, job.read - job.changed - job.failed, job.failed, job.failures)


class _Searchable:
    """A searchable column, as it is read and tagged here.

    Args:
        column: of a table.
        field: opens its values, if they are bound to their row.
        dialect: the database's.
    """

    def __init__(self, column: Any, field: SealedField | None, dialect: Dialect) -> None:
        self.column = column
        self.companion = column.type.tagger.companion(column)
        self._tagger: Tagger = column.type.tagger
        self._field = field
        self._process = column.type.result_processor(dialect, None)

    def tag(self, stored: Any, row_key: RowKey | None, bound_to: dict[str, Any]) -> Tag | None:
        """Return the tag of what is stored in a row."""
        value = self._process(stored)
        if value is None or self._field is None or row_key is None:
            return self._tagger.tag(value, None)
        context, tenant = row_key.of(bound_to)
        return self._tagger.tag(self._field.open(value, context, tenant), tenant)


class _Pass:
    """A table with searchable columns, and what it takes to read and tag its rows.

    Args:
        table_: the columns are of it.
        searchable: the columns.
        source: where to select from: the table, or of a class that inherits all that it consists of.
        dialect: the database's.
        row: what values are bound to, if they are, with the columns that tell it.
    """

    def __init__(
        self,
        table_: Table,
        searchable: Sequence[_Searchable],
        source: FromClause,
        dialect: Dialect,
        row: tuple[RowKey, Sequence[Any]] | None = None,
    ) -> None:
        self._dialect = dialect
        self.key: list[Any] = list(table_.primary_key.columns)
        if not self.key:
            raise ConfigurationError(f"{table_.name} has no primary key, by which its rows could be told apart")
        self._searchable = searchable
        self._row: RowKey | None = None if row is None else row[0]
        bound_to = () if row is None else row[1]
        read = [column for each in searchable for column in (type_coerce(each.column, NullType()), each.companion)]
        named = [column.label(f"c{at}") for at, column in enumerate((*self.key, *bound_to, *read))]
        self._query = select(*named).select_from(source).order_by(*self.key)
        # Written past what guards the columns, for a tag is set alone here.
        plain = [column(each.name, each.type) for each in (*self.key, *(each.companion for each in searchable))]
        plain += [column(each.column.name, LargeBinary) for each in searchable]
        self._plain = table(table_.name, *plain, schema=table_.schema)

    def page(self, after: Key | None, size: int) -> Select[Any]:
        """Return the query for the next rows."""
        query = self._query.limit(size)
        return query if after is None else query.where(beyond(self.key, after, self._dialect))

    def changes(self, row: Sequence[Any], failures: dict[Key, Exception]) -> list[Update]:
        """Return what has to be done to a row, and note why something cannot be done."""
        values = iter(row)
        key = tuple(next(values) for _ in self.key)
        row_key = self._row
        bound_to = {} if row_key is None else {name: next(values) for name in row_key.names}
        found = []
        for each in self._searchable:
            stored, tag = next(values), next(values)
            try:
                new = each.tag(stored, row_key, bound_to)
            except (DecryptionError, KeyNotFoundError, TypeError, ValueError) as error:
                failures[key] = error
                continue
            if new != tag:
                found.append(self._change(key, each, (stored, tag), new))
        return found

    def _change(self, key: Key, each: _Searchable, was: tuple[Any, Tag | None], new: Tag | None) -> Update:
        """Return the UPDATE of a row's tag, unless value or tag have changed."""
        plain = self._plain.c
        same = [plain[mine.name] == value for mine, value in zip(self.key, key, strict=True)]
        for column_, value in zip((each.column, each.companion), was, strict=True):
            same.append(plain[column_.name].is_(None) if value is None else plain[column_.name] == value)
        return update(self._plain).where(*same).values({each.companion.name: new})


class _Job:
    """Runs passes, batch by batch."""

    def __init__(self, engine: Engine, batch: int, on_progress: Progress | None) -> None:
        self._engine = engine
        self._batch = batch
        self._on_progress = on_progress
        self.read = self.changed = self.failed = 0
        self.failures: dict[Key, Exception] = {}

    def run(self, one: _Pass) -> None:
        """Tag all rows of a table."""
        size = len(one.key)
        last: Key | None = None
        while rows := self._rows(one, last):
            last = tuple(rows[-1][:size])
            failures: dict[Key, Exception] = {}
            changes = [(tuple(row[:size]), change) for row in rows for change in one.changes(row, failures)]
            changed = self._write(changes, failures)
            self.read += len(rows)
            self.changed += len(changed - failures.keys())
            self.failed += len(failures)
            self.failures.update(islice(failures.items(), MAX_FAILURES - len(self.failures)))
            if self._on_progress is not None:
                self._on_progress(self.read, self.changed)

    def _rows(self, one: _Pass, last: Key | None) -> Sequence[Any]:
        with self._engine.connect() as connection:
            return connection.execute(one.page(last, self._batch)).all()

    def _write(self, changes: list[tuple[Key, Update]], failures: dict[Key, Exception]) -> set[Key]:
        """Change rows in one transaction, or if something in it fails each in its own; return which have changed."""
        try:
            with self._engine.begin() as connection:
                return {key for key, change in changes if connection.execute(change).rowcount}
        except IntegrityError as error:
            if len(changes) == 1:
                failures[changes[0][0]] = error
                return set()
        return set().union(*(self._write([change], failures) for change in changes))


def _passes(model: Any, dialect: Dialect) -> Iterator[_Pass]:
    if isinstance(model, Table):
        if columns := [_Searchable(each, None, dialect) for each in model.columns if _is_of_table(each)]:
            yield _Pass(model, columns, model, dialect)
        return
    seen: set[Any] = set()
    for mapper in class_mapper(model).self_and_descendants:
        plan = plan_of(mapper)
        attributes = () if plan is None else plan.attributes.values()
        found = [each for each in attributes if _is_of_table(each.column) and each.column not in seen]
        seen.update(each.column for each in found)
        row = None if plan is None or plan.row is None else plan.row
        for table_ in dict.fromkeys(each.column.table for each in found):
            mine = [
                _Searchable(each.column, each.field if row else None, dialect)
                for each in found
                if each.column.table is table_
            ]
            bound_to = None if row is None else (row, [mapper.columns[name] for name in row.names])
            yield _Pass(table_, mine, mapper.persist_selectable, dialect, bound_to)


def _is_of_table(each: Any) -> bool:
    return isinstance(each.table, Table) and is_searchable(each)

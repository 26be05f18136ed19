"""A table with protected columns, and the rows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    column,
    func,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.engine import Dialect

from fieldcrypt import ConfigurationError
from fieldcrypt.envelope import SELF_CONTAINED, STORED
from fieldcrypt_sqlalchemy.keyset import Key, beyond, up_to
from fieldcrypt_sqlalchemy.migration.column import NO_ROW, Cell, MigratedColumn
from fieldcrypt_sqlalchemy.row_key import RowKey

__all__ = ["MigratedRow", "Part", "Values"]

Values = dict[str, Any]  # by name of column, what to write

_RANDOM: Mapping[str, Any] = {
    "postgresql": func.random(),
    "mysql": func.rand(),
    "mariadb": func.rand(),
    "sqlite": func.abs(func.random() % 1_000_000_000) / 1e9,
}


class MigratedRow:
    """A row as it was read."""

    __slots__ = ("_bound_to", "_row", "_row_key", "cells", "key", "raw")

    def __init__(self, raw: tuple[Any, ...], part: Part) -> None:
        self.raw = raw
        self._row: tuple[Any, Any] | None = None
        values = iter(raw)
        self.key: Key = tuple(next(values) for _ in part.key)
        self._row_key = part.row_key
        self._bound_to = {} if self._row_key is None else {name: next(values) for name in self._row_key.names}
        self.cells: list[Cell] = [each.cell(values) for each in part.columns]

    def bound_to(self) -> tuple[Any, Any]:
        """Return what its values are bound to.

        Raises:
            ProtectedColumnError: its key or its tenant is NULL.
        """
        if self._row is None:
            self._row = NO_ROW if self._row_key is None else self._row_key.of(self._bound_to)
        return self._row

    def __repr__(self) -> str:  # without what is in it
        return f"MigratedRow({self.key!r})"


class Part:
    """A table of a migration, and what it takes to read and write its rows.

    Args:
        table_: the columns are of it.
        columns: the protected ones.
        source: where to select from: the table, or of a class that inherits all that it consists of.
        dialect: the database's.
        row: what values are bound to, if they are, with the columns that tell it.
        name: what it is called, if not like the table: classes that share one have a part each.

    Raises:
        ConfigurationError: the table has no primary key, or one that nothing can go through in its order.
    """

    def __init__(
        self,
        table_: Table,
        columns: Sequence[MigratedColumn],
        source: FromClause,
        dialect: Dialect,
        row: tuple[RowKey, Sequence[Any]] | None = None,
        name: str | None = None,
    ) -> None:
        self.table = table_
        self.name = name or table_.fullname
        self.key: list[Any] = list(table_.primary_key.columns)
        if not self.key:
            raise ConfigurationError(f"{self.name} has no primary key, by which its rows could be told apart")
        for each in self.key:
            if isinstance(each.type, (ARRAY, JSON)):
                raise ConfigurationError(
                    f"{self.name}.{each.key} is part of the primary key, and of the type {type(each.type).__name__}, "
                    "whose values have no order that a migration could go by: give the table another primary key"
                )
        self.columns = columns
        self.row_key = None if row is None else row[0]
        self._dialect = dialect
        bound_to = () if row is None else row[1]
        read = [each for migrated in columns for each in migrated.selected()]
        named = [each.label(f"c{at}") for at, each in enumerate((*self.key, *bound_to, *read))]
        self._query = select(*named).select_from(source).order_by(*self.key)
        # Written past what guards the columns: what is written here is encrypted already.
        written = {each.column.name for each in columns}
        written |= {each.companion.name for each in columns if each.companion is not None}
        plain = {each.plain.name: each.plain.type for each in columns if each.plain is not None}
        self._target = table(
            table_.name,
            *(column(each.name, each.type) for each in self.key),
            *(column(name, LargeBinary) for name in sorted(written)),
            *(column(name, type_) for name, type_ in plain.items() if name not in written),
            schema=table_.schema,
        )

    @property
    def unfilled(self) -> Any:
        """The condition that a row has something to be encrypted into a new column; None if only reading it tells."""
        if any(each.plain is None for each in self.columns):
            return None
        return or_(*(and_(each.plain.is_not(None), each.column.is_(None)) for each in self.columns))  # type: ignore[union-attr]

    def count(self, connection: Connection) -> int:
        """Return how many rows there are."""
        return connection.scalar(select(func.count()).select_from(self._target)) or 0

    def under(self, connection: Connection, migrated: MigratedColumn, key_id: bytes) -> int:
        """Return how many values of a column are under a data key: they begin with its id (SPEC section 4)."""
        heads = [bytes([version]) + key_id for version in (STORED, SELF_CONTAINED)]
        begins = func.substr(self._target.c[migrated.column.name], 1, len(heads[0]), type_=LargeBinary).in_(heads)
        return connection.scalar(select(func.count()).select_from(self._target).where(begins)) or 0

    def query(
        self, after: Key | None, until: Key | None, condition: Any = None, share: float | None = None
    ) -> Select[Any]:
        """Return the query for rows, in the order of their key.

        Args:
            after, until: between which keys, the first excluded.
            condition: what else holds of them.
            share: of them that is to be read, at random.
        """
        query = self._query
        if after is not None:
            query = query.where(beyond(self.key, after, self._dialect))
        if until is not None:
            query = query.where(up_to(self.key, until, self._dialect))
        if condition is not None:
            query = query.where(condition)
        if share is not None:
            query = query.where(_RANDOM.get(self._dialect.name, func.random()) < share)
        return query

    def page(self, connection: Connection, query: Select[Any], size: int) -> list[MigratedRow]:
        """Read so many rows of a query."""
        return [MigratedRow(tuple(row), self) for row in connection.execute(query.limit(size))]

    def locked(
        self, connection: Connection, after: Key | None, until: Key, condition: Any, known: Mapping[Key, MigratedRow]
    ) -> list[MigratedRow]:
        """Read rows once more, so that nobody else changes them until the transaction ends.

        Those that have not changed are the same objects as before.
        """
        query = self.query(after, until, condition).with_for_update(
            key_share=True, of=self.table if self._dialect.name == "postgresql" else None
        )
        found = []
        for row in connection.execute(query):
            raw = tuple(row)
            before = known.get(raw[: len(self.key)])
            found.append(before if before is not None and before.raw == raw else MigratedRow(raw, self))
        return found

    def boundary(self, after: Key | None, rows: int) -> Select[Any]:
        """Return the query for the key of the row that ends a range of so many."""
        query = select(*self.key).select_from(self.table).order_by(*self.key)
        if after is not None:
            query = query.where(beyond(self.key, after, self._dialect))
        return query.limit(1).offset(rows - 1)

    def write(self, connection: Connection, changes: Sequence[tuple[Key, Values]]) -> None:
        """Write to rows, which are locked."""
        by_columns: dict[tuple[str, ...], list[Values]] = {}
        for key, values in changes:
            parameters = {f"value_{name}": value for name, value in values.items()}
            parameters |= {f"key_{at}": part for at, part in enumerate(key)}
            by_columns.setdefault(tuple(sorted(values)), []).append(parameters)
        for names, rows in by_columns.items():
            connection.execute(self._update(names), rows)

    def _update(self, names: tuple[str, ...]) -> Update:
        columns = self._target.c
        same = [columns[mine.name] == bindparam(f"key_{at}", type_=mine.type) for at, mine in enumerate(self.key)]
        return update(self._target).where(*same).values({name: bindparam(f"value_{name}") for name in names})

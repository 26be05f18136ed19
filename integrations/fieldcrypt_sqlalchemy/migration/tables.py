"""Finds the tables and columns of a model that a migration changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Table, inspect
from sqlalchemy.orm import Mapper, class_mapper

from fieldcrypt import ConfigurationError
from fieldcrypt.schemes import LegacyReader
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.migration.row.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.row.compound_columns import CompoundColumns
from fieldcrypt_sqlalchemy.migration.row.row import Binding
from fieldcrypt_sqlalchemy.migration.row.table_rows import place_of
from fieldcrypt_sqlalchemy.migration.source import SqlSource
from fieldcrypt_sqlalchemy.row_key.previous_columns import PreviousColumns
from fieldcrypt_sqlalchemy.rows.compound import Compound
from fieldcrypt_sqlalchemy.rows.plan import plan_of
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound

__all__ = ["Parts"]


@dataclass(frozen=True)
class Parts:
    """Finds the tables of a model that have something to be migrated: see `Migration` for what is given."""

    engine: Engine
    copies: Mapping[str, str]
    readers: Sequence[LegacyReader[Any]]

    def of(self, model: Any) -> list[SqlSource]:
        """Return the tables of a model, at least one.

        Raises:
            ConfigurationError: it is no model, or has no such attributes, or none that are protected.
        """
        if not isinstance(inspect(model, raiseerr=False), (Table, Mapper)):
            given = f"class {model.__name__}" if isinstance(model, type) else type(model).__name__
            raise ConfigurationError(f"Migration(engine, model): a mapped class or a Table, and no {given}")
        name = model.fullname if isinstance(model, Table) else model.__name__
        if self.readers and not self.copies:
            raise ConfigurationError(
                f"{name}: readers are for columns that are copied; in place it is Encrypted(…, accept=…)"
            )
        for protected, times in Counter(self.copies.values()).items():
            if times > 1:
                raise ConfigurationError(
                    f"{name}: {protected} is filled from one plaintext column, and not from {times}"
                )
        found = list(self._of_table(model) if isinstance(model, Table) else self._of_class(model))
        taken = {column.name for part in found for column in part.columns}
        for plain, protected in self.copies.items():
            pair = f"{plain} -> {protected}"
            if pair not in taken:
                raise ConfigurationError(
                    f"{name}: copies go by attribute from a plaintext column to an encrypted one of the same table; "
                    f"{pair!r} does not"
                )
        if not found:
            raise ConfigurationError(f"{name} has no encrypted column")
        found[0].others = self._left_out(model, found)
        return found

    def _of_table(self, table: Table) -> Iterator[SqlSource]:
        protected = {each.key: each for each in table.columns if isinstance(each.type, Encrypted)}
        for key, column in protected.items():
            if isinstance(column.type, RowBound):
                raise ConfigurationError(f"{table.fullname}.{key} is bound to its row: give the model, not its table")
        every = {each.key: each for each in table.columns}
        columns = self._columns(protected, every)
        if columns:
            previous = PreviousColumns(table.fullname, every, protected.values())
            yield SqlSource(self.engine, table, columns, table, Binding(None, previous, previous.columns))

    def _of_class(self, model: type) -> Iterator[SqlSource]:
        seen: set[Any] = set()
        named: set[str] = set()
        for mapper in class_mapper(model).self_and_descendants:
            plan = plan_of(mapper)
            if plan is None:
                continue
            protected = {
                key: each.column
                for key, each in plan.attributes.items()
                if isinstance(each.column.table, Table) and each.column not in seen
            }
            seen.update(protected.values())
            for table in dict.fromkeys(column.table for column in protected.values()):
                mine = {key: column for key, column in protected.items() if column.table is table}
                columns = self._columns(mine, {key: at for key, at in mapper.columns.items() if at.table is table})
                compounds = [each for each in plan.compounds if each.companion.table is table]
                compounds = [each for each in compounds if each.companion not in seen]
                seen.update(each.companion for each in compounds)
                if columns:
                    previous = PreviousColumns(mapper.class_.__name__, dict(mapper.columns.items()), mine.values())
                    names = dict.fromkeys((*(() if plan.row is None else plan.row.names), *previous.columns))
                    binding = Binding(plan.row, previous, {name: mapper.columns[name] for name in names})
                    of = mapper.class_.__name__ if table.fullname in named else None
                    named.add(table.fullname)
                    more = self._compounds(compounds, columns)
                    yield SqlSource(self.engine, table, columns, mapper.persist_selectable, binding, of, more)

    def _compounds(self, compounds: Sequence[Compound], columns: Sequence[MigratedColumn]) -> list[CompoundColumns]:
        """Return the compound indexes that have a member which is migrated."""
        known = {each.column: each for each in columns}
        found = []
        for compound in compounds:
            members = {key: compound.columns[key] for key in compound.protected}
            if not known.keys().isdisjoint(members.values()):
                protected = {
                    key: known.get(column) or MigratedColumn(self.engine.dialect, key, column)
                    for key, column in members.items()
                }
                found.append(CompoundColumns(compound, protected))
        return found

    def _left_out(self, model: Any, found: Sequence[SqlSource]) -> list[str]:
        """Return the columns that accept plaintext or other schemes, and are in no part: those that are not copied."""
        taken = {each.column for part in found for each in part.columns}
        names = (
            f"{place_of(self.engine, column.table)[1]}.{key}"
            for key, column in _protected(model)
            if column not in taken and column.type.accepted is not None
        )
        return list(dict.fromkeys(names))

    def _columns(self, protected: Mapping[str, Any], others: Mapping[str, Any]) -> list[MigratedColumn]:
        dialect = self.engine.dialect
        for key, column in protected.items():
            if column.type.encryptor is None:
                raise ConfigurationError(f"{key}: {column.type.described} has no encryptor")
        if not self.copies:
            return [MigratedColumn(dialect, key, column) for key, column in protected.items()]
        return [
            MigratedColumn(dialect, to, protected[to], source, others[source], self.readers)
            for source, to in self.copies.items()
            if to in protected and source in others and not isinstance(others[source].type, Encrypted)
        ]


def _protected(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the protected columns of a table, or of a class and those derived from it, with their attributes."""
    if isinstance(model, Table):
        yield from ((each.key, each) for each in model.columns if isinstance(each.type, Encrypted))
        return
    for plan in filter(None, map(plan_of, class_mapper(model).self_and_descendants)):
        for key, each in plan.attributes.items():
            if isinstance(each.column.table, Table):
                yield key, each.column

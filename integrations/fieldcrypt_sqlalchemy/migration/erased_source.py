"""The tags of a table that are erased, and where their companions are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Engine, Table
from sqlalchemy.orm import class_mapper

from fieldcrypt import ConfigurationError
from fieldcrypt.spi.migration import about
from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.migration.row.row import Binding
from fieldcrypt_sqlalchemy.migration.row.tagged_columns import ErasedColumns
from fieldcrypt_sqlalchemy.migration.schema.remarks import old_versions
from fieldcrypt_sqlalchemy.migration.source import SqlSource
from fieldcrypt_sqlalchemy.row_key.previous_columns import PreviousColumns

__all__ = ["erased_sources"]


class _ErasedSource(SqlSource):
    """The companions of one table whose tags are all to go."""

    def __init__(self, engine: Engine, table: Table, companions: Sequence[Column[Any]]) -> None:
        self._erased = ErasedColumns(companions)
        binding = Binding(None, PreviousColumns(table.fullname, {}, ()), {})
        super().__init__(engine, table, [], table, binding, more=[self._erased])

    def describe(self) -> str:
        return about(f"the tags in {self._erased.name}", (self.name,), self._erased.declared())

    def remarks(self) -> Sequence[str]:
        with self._engine.connect() as connection:
            return [
                *self._left(),
                *old_versions(connection, self),
                "tags are in write-ahead logs and backups until these expire",
            ]

    def _left(self) -> Iterator[str]:
        keys = {companion.key for companion in self._erased.companions}
        declared = [
            (f"{self.full_name}.{each.name}", how.companion)
            for each in self.table.columns
            for how in _indexes(each)
            if not keys.isdisjoint(how.companions)
        ]
        compounds = [each.name for each in self._erased.companions if getattr(each.type, "compound", None) is not None]
        for where, index in (*declared, *((self.full_name, name) for name in compounds)):
            yield (
                f"{where} is still declared with the index {index}, so that what is written gets tags again: take it "
                "away, deploy that, and drop the index once more"
            )
        for name in self._erased.tag_names:
            yield f"drop the column: ALTER TABLE {self.full_name} DROP COLUMN {name}"


def erased_sources(engine: Engine, model: Any, companions: Sequence[str]) -> list[SqlSource]:
    """Return the tables of a model that have companions, with these.

    Args:
        companions: the names of columns that `blind_index()` declares, or of indexes that have several.

    Raises:
        ConfigurationError: one of them is not one.
    """
    if isinstance(model, Table):
        tables = [model]
    else:
        mappers = class_mapper(model).self_and_descendants
        tables = list(dict.fromkeys(each for mapper in mappers for each in mapper.tables if isinstance(each, Table)))
    declared = [how for table in tables for column in table.columns for how in _indexes(column)]
    wanted = {how.companion: how.companions for how in declared}
    names = dict.fromkeys(name for given in companions for name in wanted.get(given, (given,)))
    found = {
        table: [each for each in table.columns if each.key in names and isinstance(each.type, BlindIndexTag)]
        for table in tables
    }
    known = {column.key for columns in found.values() for column in columns}
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"{name} is no companion of {tables[0].fullname}: the tags of an index are erased where the model "
                f"declares their column, {name} = blind_index(), whether or not the index is still declared"
            )
    return [_ErasedSource(engine, table, columns) for table, columns in found.items() if columns]


def _indexes(column: Column[Any]) -> Sequence[Any]:
    return column.type.protection.indexes if isinstance(column.type, Encrypted) else ()

"""A compound index in a migration: its companion, and the columns of its members."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from sqlalchemy import false, type_coerce
from sqlalchemy.types import NullType

from fieldcrypt.spi.migration import Cell, CompoundField, PlainMember, Which
from fieldcrypt_sqlalchemy.migration.row.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.row.tagged_columns import TaggedColumns, tags_as_told
from fieldcrypt_sqlalchemy.rows.compound import Compound

__all__ = ["CompoundColumns"]


class CompoundColumns(CompoundField, TaggedColumns):
    """A compound index of a decorated model.

    Args:
        compound: the index.
        protected: its encrypted members, by attribute.
    """

    def __init__(self, compound: Compound, protected: Mapping[str, MigratedColumn]) -> None:
        companion = compound.companion
        self._columns = compound.columns
        members = {
            key: protected.get(key) or PlainMember(column.name, partial(_of_field, compound, key))
            for key, column in compound.columns.items()
        }
        stored_as = {compound.how.companion: companion.name}
        how = compound.how.indexed_by(compound.types)
        super().__init__(how, members, compound.indexes, stored_as=stored_as)
        self.companions = (companion,)
        self._members = members
        self.names = [companion.name]
        for key, member in members.items():
            self.names += member.names if isinstance(member, MigratedColumn) else [self._columns[key].name]

    def selected(self) -> list[Any]:
        found: list[Any] = [type_coerce(self.companions[0], NullType())]
        for key, member in self._members.items():
            found += member.selected() if isinstance(member, MigratedColumn) else [self._columns[key]]
        return found

    def cell(self, values: Iterator[Any]) -> Cell:
        tags = {self.tag_names[0]: tags_as_told(next(values))}
        cells = {
            key: member.cell(values) if isinstance(member, MigratedColumn) else Cell(next(values))
            for key, member in self._members.items()
        }
        return Cell(cells, tags)

    def is_of(self, which: Which, at: Callable[[Any], Any]) -> Any:
        return false()


def _of_field(compound: Compound, key: str, value: Any) -> Any:
    """Return a plain member's value, given as the application has it, as a field would have it."""
    return compound.converted({key: value})[key]

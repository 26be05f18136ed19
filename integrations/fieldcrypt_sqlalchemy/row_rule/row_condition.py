"""Conditions that an UPDATE of a decorated model's row gets, so that its values land in the row they are sealed for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import LargeBinary, and_, bindparam, exists
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from fieldcrypt_sqlalchemy.column.protected import Unchanged
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.same_bytes import same_bytes
from fieldcrypt_sqlalchemy.rows.compound_tag import CompoundTag
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound
from fieldcrypt_sqlalchemy.rows.sealed import Sealed

__all__ = ["RowCondition", "conditions", "members_at_rest"]


class RowCondition(NamedTuple):
    """That a column of the row has a value.

    Attributes:
        column: of a row's key, or with a protected value.
        value: the value that it has.
        linked: what links the column's table with the one that is written, if that is another one.
        only: the row whose values are in that link, if it is no other's.
    """

    column: Any
    value: Any
    linked: Any = None
    only: BoundRow | None = None

    @property
    def shape(self) -> tuple[Any, ...]:
        """What the conditions of two rows have in common if one statement does for both."""
        return id(self.column), self.value is None, self.only

    def clause(self, name: str | None) -> ColumnElement[bool]:
        """Return it in SQL.

        Args:
            name: of the parameter that brings the value, or None to have the value in the statement.
        """
        if self.value is None:
            return self.column.is_(None)  # type: ignore[no-any-return]
        if isinstance(self.column.type, RowBound):
            return Unchanged.of(self.column, self._parameter(name, self.column.type.storage or LargeBinary()))
        condition = same_bytes(self.column, self._parameter(name, self.column.type))
        return condition if self.linked is None else exists().where(and_(self.linked, condition))

    def _parameter(self, name: str | None, type_: Any) -> BindParameter[Any]:
        if name is None:
            return bindparam(None, self.value, type_=type_, unique=True)
        return bindparam(name, type_=type_, required=True)


def conditions(
    table: Any, row: BoundRow, written: Collection[str], replaced: Mapping[Any, Sealed | None]
) -> Iterator[RowCondition]:
    """Yield what has to hold for a row that is to be written.

    Args:
        table: the table.
        row: what the values are sealed for.
        written: the keys of the columns that are written.
        replaced: by column, the value that a row which moves has until then, if it is known.
    """
    for index, column in enumerate(row.key.columns_in(table)):
        if column is None:
            other = row.key.columns_of(row.key.names[index])[0]
            yield RowCondition(other, row.parts[index], *_link(table, other.table, row))
        elif column.key not in written:
            yield RowCondition(column, row.parts[index])
        elif row.left is not None and not row.key.is_part(index, row.left[index], row.parts[index]):
            yield RowCondition(column, row.left[index])
    for column, value in replaced.items():
        if value is not None:
            yield RowCondition(column, value._data)


def members_at_rest(rests: Sequence[CompoundTag], written: Collection[str]) -> Iterator[RowCondition]:
    """Yield the values that members of compound indexes which are not written must have, so that the tags are right.

    Args:
        rests: the tags that are written.
        written: the keys of the columns that are written.
    """
    left = {column: rest.members[name] for rest in rests for name, column in rest.columns.items()}
    for column, value in left.items():
        if column.key not in written:
            yield RowCondition(column, value._data if value.__class__ is Sealed else value)


def _link(table: Any, other: Any, row: BoundRow) -> tuple[Any, BoundRow | None]:
    """Return what links two tables of the model; of a row that moves, the other table has the new key already."""
    parts = zip(row.key.columns_in(other), row.parts, strict=True)
    there = {column: part for column, part in parts if column is not None}
    if row.left is None or not set(other.primary_key) <= there.keys():
        return row.key.link(table, other), None
    return and_(*(column == there[column] for column in other.primary_key)), row

"""Keeps the tags of compound indexes in step when statements write their members, protected ones and plain ones.

For a statement that writes all members of a row the tag is made here. One that writes some of them needs the row's
values of the others: the flush of objects brings them (`CompoundTag`), and the statement depends on them. Others are
refused.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Insert, bindparam
from sqlalchemy.sql.elements import ClauseElement, ColumnClause

from fieldcrypt_sqlalchemy.column.protected import is_upsert_row
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.internals.write import (
    multi_rows,
    select_names,
    with_multi_rows,
    with_set_values,
    with_upsert_values,
)
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.noted import compounds_behind, row_keys_of
from fieldcrypt_sqlalchemy.row_rule.written_row import Values, WrittenColumns
from fieldcrypt_sqlalchemy.rows.compound import Compound
from fieldcrypt_sqlalchemy.rows.compound_tag import CompoundTag
from fieldcrypt_sqlalchemy.rows.sealed import Sealed
from fieldcrypt_sqlalchemy.statement.upserts import conflict_clauses, upsert_values

__all__ = ["with_compounds"]

Row = dict[str, Any]
Pairs = list[tuple[Any, Any]]


def with_compounds(statement: Any, table: Any, rows: list[Row]) -> tuple[Any, list[list[CompoundTag]]]:
    """Return a statement that also writes the tags of the members it writes, and put tags into its rows of parameters.

    Args:
        statement: an INSERT or UPDATE.
        table: the table that it writes, or an alias or a copy of a decorated model's.
        rows: of parameters; one empty row if there are none.

    Returns:
        The statement; and for each row the values that it does not write, which have to be in the row.

    Raises:
        ProtectedColumnError: it would leave a tag that is not of the row's members.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `Compound.tag`.
    """
    compounds = compounds_behind(table)
    rests: list[list[CompoundTag]] = [[] for _ in rows] if compounds else [[]] * len(rows)
    for compound in compounds:
        statement = _Write(statement, table, compound).with_tags(rows, rests)
    return statement, rests


class _Write:
    """A statement, as one compound index of its table sees it."""

    def __init__(self, statement: Any, table: Any, compound: Compound) -> None:
        self._statement, self._compound = statement, compound
        self._columns = WrittenColumns(statement, table)
        self._keys = {name: column.key for name, column in compound.columns.items()}
        self._companion = compound.companion.key
        self._is_alias = not row_keys_of(table)

    def with_tags(self, rows: list[Row], rests: list[list[CompoundTag]]) -> Any:
        statement, parameters = self._statement, rows != [{}]
        if isinstance(statement, Insert) and statement.select is not None:
            if self._companion in select_names(statement):
                raise self._alone_error()
        elif several := multi_rows(statement):
            for row in several:
                row[self._companion] = self._tag(row, [])
            statement = with_multi_rows(statement, several)
        else:
            written = [self._columns.values(row) for row in rows]
            concerned = any(self._is_concerned(values) for values in written)
            tags = [self._tag(*each) for each in zip(written, rests, strict=True)] if concerned else []
            for row, tag in zip(rows, tags, strict=True) if parameters and concerned else ():
                row[self._companion] = tag
            if concerned:
                set_here = [] if parameters else [(self._companion, self._parameter(tags[0]))]
                statement = with_set_values(statement, lambda pairs: [*self._others(pairs), *set_here])
        return self._with_upsert(statement) if isinstance(statement, Insert) else statement

    def _is_concerned(self, values: Values) -> bool:
        return not values.keys().isdisjoint((self._companion, *self._keys.values()))

    def _parameter(self, tag: Any) -> Any:
        return bindparam(None, tag, unique=True, type_=self._compound.companion.type)

    def _others(self, pairs: Pairs) -> Pairs:
        return [pair for pair in pairs if self._columns.key(pair[0]) != self._companion]

    # One row

    def _tag(self, values: Values, rests: list[CompoundTag]) -> Any:
        """Return the tag to write with these values of a row, and note what else it rests on."""
        written = {name: values[key] for name, key in self._keys.items() if key in values}
        for name, value in written.items():
            if isinstance(value, ClauseElement):
                raise self._compound.refused_error(
                    f"{name} takes a plain value here, and no SQL expression, because nobody can make its tag"
                )
        made = values.get(self._companion)
        if isinstance(made, CompoundTag) and all(made.members[name] is value for name, value in written.items()):
            rests.append(made)
            return made.tag
        if isinstance(self._statement, Insert):
            return self._compound.tag(*self._plain(self._with_defaults(written)))
        return self._updated(written, rests)

    def _updated(self, written: Row, rests: list[CompoundTag]) -> Any:
        if not written:
            raise self._alone_error()
        if self._is_alias:
            raise self._compound.refused_error("write them by the model, or its __table__, and not by an alias or copy")
        plain, row = self._plain(written)
        if lacking := self._lacking(row, written):
            rests.append(CompoundTag(None, row, lacking, dict.fromkeys(lacking)))
            return None
        plain = self._of_row(row) | plain
        if len(plain) < len(self._keys) and all(value is not None for value in plain.values()):
            raise self._compound.refused_error(
                f"set all of them, or change the object. Without {self._unwritten(plain)}, the tag would be wrong. If "
                "this was a change of an object, its class is not the one that has the index, or a relationship has "
                "post_update=True: declare the index, and all members, on that class, or take post_update away"
            )
        return self._compound.tag(plain, row)

    def _of_row(self, row: BoundRow | None) -> Row:
        """Return the members that the row's key and tenant are, which are conditions where they are not written."""
        if row is None:
            return {}
        parts = dict(zip(row.key.columns_in(self._compound.companion.table), row.parts, strict=True))
        return {name: parts[column] for name, column in self._compound.columns.items() if column in parts}

    def _lacking(self, row: BoundRow | None, written: Row) -> dict[str, Any]:
        """Return the members that an object's class lacks, because it shares the table with the class that has them."""
        if row is None or not row.by_flush:
            return {}
        own = set(row.key.mapper.columns.values())
        return {name: each for name, each in self._compound.columns.items() if name not in written and each not in own}

    def _unwritten(self, written: Row) -> str:
        return ", ".join(name for name in self._keys if name not in written)

    def _with_defaults(self, written: Row) -> Row:
        """Add the defaults that SQLAlchemy gives a new row; those that are functions were called already."""
        defaults: dict[str, Any] = {name: column.default for name, column in self._compound.columns.items()}
        given = {name: each.arg for name, each in defaults.items() if each is not None and each.is_scalar}
        return {**given, **written}

    def _plain(self, members: Row) -> tuple[Row, BoundRow | None]:
        """Return the members in plaintext, and the row that the sealed ones are for."""
        row: BoundRow | None = None
        plain = {}
        for name, value in members.items():
            if name in self._compound.protected:
                origin: Any = value._origin if value.__class__ is Sealed else None
                # What is not sealed for a row is refused by the column's type, whose message says what to do.
                value, row = (None, row) if origin is None else (value._opened, origin.row)
            plain[name] = value
        return plain, row

    def _alone_error(self) -> ProtectedColumnError:
        return self._compound.refused_error(f"{self._companion} cannot be written alone: set them, and it follows")

    # Upserts

    def _with_upsert(self, insert: Any) -> Any:
        clauses = conflict_clauses(insert)
        sets = [{self._columns.upsert_key(key) for key, _ in upsert_values(clause)} for clause in clauses]
        own = {self._companion, *self._keys.values()}
        if any(own & keys for keys in sets) and (len(clauses) > 1 or self._is_alias):
            raise self._compound.refused_error("one ON CONFLICT clause, of the model's own table, may set them")
        return with_upsert_values(insert, self._upserted)

    def _upserted(self, pairs: Pairs) -> Pairs:
        """Return what an upsert sets in a row that is there: if a member, then all, as in the row that was inserted."""
        found = {self._columns.upsert_key(key): value for key, value in pairs}
        values = [found[key] for key in self._keys.values() if key in found]
        if not values:
            if self._companion in found:
                raise self._alone_error()
            return pairs
        if len(values) < len(self._keys) or not all(self._is_copy(key, found[key]) for key in self._keys.values()):
            raise self._compound.refused_error(
                "an upsert that sets one of them sets all, each to its excluded value, "
                + ", ".join(f"excluded.{key}" for key in self._keys.values())
            )
        others: Any = [pair for pair in pairs if self._columns.upsert_key(pair[0]) != self._companion]
        return [*others, (self._companion, values[0].table.c[self._companion])]

    def _is_copy(self, key: str, value: Any) -> bool:
        return isinstance(value, ColumnClause) and is_upsert_row(value) and value.key == key

"""Keeps companion columns in step when statements write to searchable columns.

What objects of a model write has tags already (`flush.py`). They are computed again here, because a tag does not say of
which value it is. On a decorated model a sealed value brings its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Insert, Table, Update, bindparam
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnClause

from fieldcrypt_sqlalchemy.column.companion import Tag, Tags
from fieldcrypt_sqlalchemy.column.protected import is_upsert_row
from fieldcrypt_sqlalchemy.column.tagger import StoredTags, Tagger
from fieldcrypt_sqlalchemy.column.type import HAS_PROTECTED, is_searchable
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.internals.write import (
    multi_rows,
    select_names,
    set_values,
    with_multi_rows,
    with_set_values,
    with_upsert_values,
)
from fieldcrypt_sqlalchemy.row_key.defaults import python_default
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound
from fieldcrypt_sqlalchemy.rows.sealed import Sealed

__all__ = ["searchable_columns", "with_tags"]

Row = dict[str, Any]
Pairs = Iterable[tuple[Any, Any]]  # of a column, or its key, and a value


def with_tags(statement: Any, searchable: list[_Searchable], rows: list[Row]) -> Any:
    """Return a statement that writes the tags of the values it writes, and put tags into its rows of parameters.

    Args:
        statement: an INSERT or UPDATE.
        searchable: the searchable columns that it may write to.
        rows: the rows of parameters; one empty row if there are none.

    Raises:
        ProtectedColumnError: it writes a tag alone, or a sealed value that has none.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tag`.
    """
    return _Write(statement, searchable, rows).with_tags() if searchable else statement


def searchable_columns(statement: Any, table: Any) -> list[_Searchable]:
    """Return the searchable columns that an INSERT or UPDATE of a table may write to."""
    columns = () if isinstance(table, Table) and not hasattr(table, HAS_PROTECTED) else table.c
    columns = (*columns, *(key for key, _ in set_values(statement) if not isinstance(key, str)))
    found = dict.fromkeys(column for column in columns if is_searchable(column))
    return [_Searchable(column) for column in found]


class _Searchable:
    """A searchable column that a statement may write to, and its companions."""

    def __init__(self, column: Any) -> None:
        self.column = column
        self.tagger: Tagger = column.type.tagger
        self.companions = self.tagger.companions(column)
        self._untagged: StoredTags = dict.fromkeys(self.companions)

    def tags(self, value: Any) -> Mapping[str, Tag | Tags | None]:
        """Return the tags of a value as a statement has it, by companion."""
        if isinstance(value, BindParameter):
            value = value.effective_value
        if isinstance(value, ClauseElement):
            return self._untagged  # NULL; anything else is refused when the statement is examined
        if value.__class__ is not Sealed:
            # One that ought to be sealed is refused by the type, which says how.
            return self._untagged if isinstance(self.column.type, RowBound) else self.tagger.stored_tags(value, None)
        if value._origin is None:
            raise column_error(
                self.column.type, "is searchable: seal its values with seal(Model, {…}), which makes tags too"
            )
        return value._origin.tags or self._untagged


class _Write:
    """An INSERT or UPDATE, and the rows of parameters that it is executed with."""

    def __init__(self, statement: Any, searchable: list[_Searchable], rows: list[Row]) -> None:
        self._statement = statement
        self._searchable = searchable
        self._rows = rows

    def with_tags(self) -> Any:
        """Return the statement with the tags of all values in it, and put those of the rows into the rows."""
        self._add_defaults()
        statement = with_set_values(self._statement, self._tagged)
        if rows := multi_rows(statement):
            statement = with_multi_rows(statement, [dict(self._tagged(row.items(), plain=True)) for row in rows])
        if isinstance(statement, Insert):
            statement = with_upsert_values(statement, self._tagged)
        self._tag_rows()
        return statement

    def _tagged(self, pairs: Pairs, plain: bool = False) -> list[tuple[Any, Any]]:
        """Return what is set, with tags.

        Args:
            pairs: of a column, or its key, and a value.
            plain: whether tags are values, which SQLAlchemy makes parameters of, and names: in one of several rows.
        """
        pairs = list(pairs)
        for searchable in self._searchable:
            key, value = _found(pairs, searchable.column)
            tags = None if key is None else searchable.tags(value) if plain else self._tags_of(searchable, value)
            for name, companion in searchable.companions.items():
                given, tag = _found(pairs, companion)
                if tags is not None:
                    pairs = [pair for pair in pairs if pair[0] is not given]
                    pairs.append((companion.key if isinstance(key, str) else companion, tags[name]))
                elif given is not None:
                    self._refuse_tag(searchable, companion, tag)
        return pairs

    def _tags_of(self, searchable: _Searchable, value: Any) -> Mapping[str, Any]:
        """Return the expressions that set the companions of a column that is set to a value."""
        companions = searchable.companions
        if isinstance(value, ColumnClause) and is_upsert_row(value):
            others: Any = value.table
            return {name: others.c[companion.key] for name, companion in companions.items()}
        names: dict[str, str | None] = dict.fromkeys(companions)
        if isinstance(value, BindParameter) and not value.unique:
            names = {name: f"{companion.key}_of_{value.key}" for name, companion in companions.items()}
            for row in self._rows:
                if value.key in row:
                    row.update((names[name] or "", tag) for name, tag in searchable.tags(row[value.key]).items())
            if value.required:
                return {name: bindparam(names[name], type_=each.type) for name, each in companions.items()}
        tags, unique = searchable.tags(value), not any(names.values())
        return {
            name: bindparam(names[name], tags[name], unique=unique, type_=each.type)
            for name, each in companions.items()
        }

    def _tag_rows(self) -> None:
        """Put tags into the rows, which may also override what the statement sets."""
        set_anyway = [key for key, _ in set_values(self._statement)]
        # Of columns with one key, the first is of the table that is written.
        for key, searchable in {searchable.column.key: searchable for searchable in reversed(self._searchable)}.items():
            tag_keys = [(name, companion.key) for name, companion in searchable.companions.items()]
            for row in self._rows:
                if key in row:
                    tags = searchable.tags(row[key])
                    for name, tag_key in tag_keys:
                        row[tag_key] = tags[name]
                elif not _names(searchable.column, set_anyway):
                    for name, tag_key in tag_keys:
                        if tag_key in row:
                            self._refuse_tag(searchable, searchable.companions[name], row[tag_key])

    def _refuse_tag(self, searchable: _Searchable, companion: Any, tag: Any) -> None:
        if isinstance(self._statement, Update) or tag is not None:
            type_ = searchable.column.type
            raise ProtectedColumnError(
                f"{companion.key} cannot be written alone: set {type_.described}, and its tags follow", field=type_.name
            )

    # Defaults

    def _add_defaults(self) -> None:
        """Set what SQLAlchemy would set only later: a default is a value whose tag is needed now."""
        statement = self._statement
        if isinstance(statement, Update):
            return  # `onupdate` is refused where a column is declared
        for searchable in self._searchable:
            set_already = (*(key for key, _ in set_values(statement)), *select_names(statement), *self._rows[0])
            if searchable.column.default is not None and not _names(searchable.column, set_already):
                self._add_default(searchable.column)

    def _add_default(self, column: Any) -> None:
        statement = self._statement
        if rows := multi_rows(statement):
            self._statement = with_multi_rows(statement, [_completed(row.items(), column) for row in rows])
        elif statement.select is None:
            self._rows[:] = [_completed(row.items(), column) for row in self._rows]
        elif statement.include_insert_from_select_defaults:
            raise column_error(
                column.type, "has a default, which an INSERT from a SELECT does not take: name the column"
            )


def _found(pairs: list[tuple[Any, Any]], column: Any) -> tuple[Any, Any]:
    """Return under which key pairs have a column, and its value."""
    return next(((key, value) for key, value in pairs if _is(key, column)), (None, None))


def _names(column: Any, keys: Iterable[Any]) -> bool:
    return any(_is(key, column) for key in keys)


def _is(key: Any, column: Any) -> bool:
    return key == column.key if isinstance(key, str) else hash(key) == hash(column)


def _completed(row: Pairs, column: Any) -> Row:
    values = dict(row)
    if not _names(column, values):
        others = {getattr(key, "key", key): value for key, value in values.items()}
        values[column.key] = python_default(column, lambda: others)
    return values

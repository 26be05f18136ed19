"""What statements write to protected columns, and to their companions: plain values, encrypted here, and copies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Insert, TableClause
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnClause, Grouping, Label, Null
from sqlalchemy.sql.selectable import TextualSelect

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.protected import sources
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.internals.column import is_untyped
from fieldcrypt_sqlalchemy.internals.write import select_names
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound
from fieldcrypt_sqlalchemy.statement.elements import elements
from fieldcrypt_sqlalchemy.statement.fields import is_same_field
from fieldcrypt_sqlalchemy.statement.positions import is_upsert_copy
from fieldcrypt_sqlalchemy.statement.row_sets import single_selects
from fieldcrypt_sqlalchemy.statement.upserts import conflict_clauses, upsert_values, written

__all__ = ["check_writes"]


def check_writes(statement: Any) -> None:
    """Refuse to write to a protected column, or its companion, what is not encrypted in this process.

    Raises:
        ProtectedColumnError: the statement does.
    """
    columns = statement.table.c
    clauses = conflict_clauses(statement)
    sets = [list(pairs) for pairs in (written(statement), *map(upsert_values, clauses))]
    for pairs in sets:
        _check_tags({columns.get(key) if isinstance(key, str) else key for key, _ in pairs})
    for key, value, is_upsert in _pairs(sets):
        column = columns.get(key) if isinstance(key, str) else key
        if column is None:
            column = next((c for c in columns if c.name == key), None)
            if column is not None and _is_protected(column):  # rendered under this name, but without the column's type
                raise ProtectedColumnError(
                    f"{_described(column)} is to be named by its key, {column.key!r}",
                    field=getattr(column.type, "name", None),
                )
            column = None
        if is_upsert and (column is None or column.key not in columns):
            raise ProtectedColumnError(
                f"the upsert sets {str(key)!r}, which is not the key of a column of {statement.table.description}: "
                "SQLAlchemy would send it, and its value, as they are. Nothing was sent"
            )
        if column is None:
            continue
        if _is_protected(column) and not (is_upsert and is_upsert_copy(columns, column, value)):
            _check_value(column, value)
    if isinstance(statement, Insert) and statement.select is not None:
        _check_copies(statement)


def _pairs(sets: list[list[tuple[Any, Any]]]) -> Iterator[tuple[Any, Any, bool]]:
    """Yield what is set, and whether that is in a row that is there already."""
    for at, pairs in enumerate(sets):
        for key, value in pairs:
            yield key, value, at > 0


def _check_copies(statement: Any) -> None:
    """Refuse rows of a SELECT, each one of a union, that bring a protected column anything but values of its field."""
    columns = statement.table.c
    names = select_names(statement)
    has_text = any(isinstance(node, TextualSelect) for node in elements(statement.select))
    for part in single_selects(statement.select):
        selected = dict(zip(names, part.selected_columns, strict=False))
        for name, value in selected.items():
            column = columns.get(name)
            if column is None or not _is_protected(column):
                continue
            if has_text or not _is_copy(column, value):
                raise _not_encrypted_error(column)
            for index in getattr(column.type, "indexes", ()):
                for each in index.companions:
                    _check_copied_tag(column, value, index, each, selected)


def _check_copied_tag(column: Any, value: Any, index: Any, companion: str, selected: dict[str, Any]) -> None:
    """Refuse a value that is copied without its tags, and tags without their value."""
    tag, source = _unlabelled(selected.get(companion)), _unlabelled(value)
    is_null = isinstance(source, Null)
    if is_null and (tag is None or isinstance(tag, Null)):
        return
    if tag is None:
        why = f"without its tags, {companion!r}"
    elif not is_null and _is_tag_of(source, index, companion, tag):
        return
    else:
        why = f"next to another column than its tags, {companion!r}: select those of the same row and index"
    raise ProtectedColumnError(f"{_described(column)} is copied {why}", field=getattr(column.type, "name", None))


def _is_tag_of(source: Any, index: Any, companion: str, tag: Any) -> bool:
    """Return True if a column is the companion that a searchable column has for an index, in the same table."""
    names = [each.companion for each in source.type.indexes if each.is_plain] if index.is_plain else [companion]
    try:
        return any(hash(source.type.tagger.companion(source, name)) == hash(tag) for name in names)
    except (ConfigurationError, KeyError):  # it has no such index, or was selected without that
        return False


def _check_tags(columns: set[Any]) -> None:
    """Refuse a value without its tag, which `tag_writes.py` adds to a whole statement, and to its only ON CONFLICT."""
    keys = {getattr(column, "key", None) for column in columns}
    for column in columns:
        if not keys.issuperset(_companions(column)):
            raise ProtectedColumnError(
                f"{_described(column)} is searchable, and tags are added to a statement by itself: not to one that is "
                "within another, nor to several ON CONFLICT clauses",
                field=getattr(column.type, "name", None),
            )


def _companions(column: Any) -> list[str]:
    """Return the keys of the companions of a column; most have none."""
    return [each for index in getattr(getattr(column, "type", None), "indexes", ()) for each in index.companions]


def _is_protected(column: Any) -> bool:
    return isinstance(column.type, (Encrypted, BlindIndexTag))


def _described(column: Any) -> str:
    described: str = (
        column.type.described if isinstance(column.type, Encrypted) else f"the blind index column {column.name}"
    )
    return described


def _check_value(column: Any, value: Any) -> None:
    if not isinstance(value, ClauseElement) or isinstance(value, Null):
        return
    if isinstance(value, BindParameter) and (is_untyped(value.type) or is_same_field(value.type, column.type)):
        return  # a plain value, which the column's type encrypts
    raise _not_encrypted_error(column)


def _is_copy(column: Any, value: Any) -> bool:
    """Return True if a selected column holds values that a column may take as they are: of columns of its field."""
    value = _unlabelled(value)
    if isinstance(value, Null):
        return True
    if not isinstance(value, ColumnClause) or isinstance(column.type, RowBound):
        return False
    # Its type says nothing: any expression can be given one.
    return all(_is_stored(source) and is_same_field(source.type, column.type) for source in sources(value))


def _unlabelled(value: Any) -> Any:
    while isinstance(value, (Label, Grouping)):
        value = value.element
    return value


def _is_stored(source: Any) -> bool:
    return isinstance(source, ColumnClause) and not source.is_literal and isinstance(source.table, TableClause)


def _not_encrypted_error(column: Any) -> ProtectedColumnError:
    return ProtectedColumnError(
        f"{_described(column)} takes plain values only, which are encrypted in this process: an SQL expression, or a "
        "literal() of another type, would be computed by the database, in plaintext. Nothing was sent",
        field=getattr(column.type, "name", None),
    )

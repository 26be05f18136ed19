"""Reads the rows of a page, of which some may be unreadable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import cast, func
from sqlalchemy.types import LargeBinary, String

from fieldcrypt.spi.migration import Page, Unit, UnreadableUnit, Which
from fieldcrypt_sqlalchemy.migration.errors import ROW_ERRORS, in_words, is_of_a_row
from fieldcrypt_sqlalchemy.migration.row.row import MigratedRow
from fieldcrypt_sqlalchemy.migration.row.table_rows import TableRows
from fieldcrypt_sqlalchemy.migration.table.keyset import Key

__all__ = ["read_page"]

_RANDOM: Mapping[str, Any] = {
    "mysql": func.rand(),
    "mariadb": func.rand(),
    "sqlite": func.abs(func.random() % 1_000_000_000) / 1e9,
}


def read_page(
    source: TableRows, after: Key | None, until: Key | None, which: Which, size: int, share: float | None = None
) -> Page:
    """Read at most `size` rows of a range; a row that cannot be read gets a page of its own.

    If also its key cannot be read the next row is with it, whose key says how to go on.

    Args:
        after, until: the range.
        which: of what kind.
        share: with which probability each row is read. Default: all are.
    """
    unreadable: list[Unit] = []
    size = min(size, source.readable)
    while True:
        query = source.of_range(after, until, which).limit(size)
        if unreadable:
            query = query.offset(len(unreadable))
        elif share is not None:
            query = query.where(_RANDOM.get(source.dialect.name, func.random()) < share)
        asked, (units, error) = size, _tried(source, query)
        if error is None:
            source.readable = max(source.readable, 2 * size)
            position = units[-1].key if units else None
            source.check_forward(after, position)
            return Page([*unreadable, *units], position, len(units) < size, which, bool(unreadable))
        share = None  # so that it is the same rows
        source.readable = size = max(1, size // 2)
        if asked > 1:
            continue
        unit = _unreadable(source, query, error)
        unreadable += [] if unit is None else [unit]
        if unit is not None and unit.position is not None:
            return Page(unreadable, unit.position, False, which)


def _tried(source: TableRows, query: Any) -> tuple[list[MigratedRow], str | None]:
    """Read rows; if one of them cannot be read, return the error, without values."""
    try:
        return source.rows_found_by(query), None
    except ROW_ERRORS as error:
        if not is_of_a_row(error):
            raise
        return [], in_words(error)


def _unreadable(source: TableRows, query: Any, error: str) -> UnreadableUnit | None:
    """Return the row of a query, which cannot be read, with its key and the columns that keep it from being.

    None: it is gone meanwhile.
    """
    bad = [column for column in source.read_columns if _tried(source, query.with_only_columns(column))[1] is not None]
    names = (getattr(column, "wrapped_column_expression", column).name for column in bad)  # of a type_coerce
    reason = f"{', '.join(names) or 'the row'} cannot be read: {error}"
    found, is_told = _tried(source, query.with_only_columns(*source.key))
    if is_told is None:
        return UnreadableUnit(found[0].key, reason, found[0].key) if found else None
    kind: Any = LargeBinary if source.dialect.name == "sqlite" else String
    texts, _ = _tried(source, query.with_only_columns(*(cast(column, kind) for column in source.key)))
    parts = texts[0].key if texts else ()
    key = tuple(part.decode("utf-8", "replace") if isinstance(part, bytes) else part for part in parts)
    return UnreadableUnit(key, reason) if texts else None

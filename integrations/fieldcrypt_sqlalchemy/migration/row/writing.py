"""Writes to the rows of a page while they are locked, and undoes it if they do not read as intended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, text, update

from fieldcrypt.spi.migration import Change, Page, RefusedError, Unit, UnitError, Written
from fieldcrypt_sqlalchemy.migration.errors import ROW_ERRORS, is_of_a_row
from fieldcrypt_sqlalchemy.migration.row.row import MigratedRow
from fieldcrypt_sqlalchemy.migration.row.stored_form import as_told
from fieldcrypt_sqlalchemy.migration.row.table_rows import TableRows
from fieldcrypt_sqlalchemy.migration.table.keyset import Key

__all__ = ["write", "write_all"]

Pending = Sequence[tuple[MigratedRow, dict[str, Any]]]  # rows, with what is written to them

_AT_ONCE = 100  # keys in a statement
_ALIKE = "the keys of several rows read alike, so that one would be written over another"
_NOT_AS_MEANT = (
    "the row is not as it was to be written, so the write was undone: the database does not find it by the key that it "
    "gave, because the key is stored in another form than its type writes; or a trigger, a rule or a policy changes "
    "what is written, or keeps the row as it is; or the value does not fit the column, and is cut off"
)


def write(
    connection: Connection,
    source: TableRows,
    after: Key | None,
    page: Page,
    changes: Sequence[Change],
    again: Callable[[Unit], Change],
) -> Written:
    """Write to the rows of a page, and read them again before the transaction ends.

    Args:
        connection: of the transaction.
        source: the table.
        after: the key before the page.
        page, changes, again: see `Source.write`.

    Raises:
        RefusedError: a row is not what was meant.
    """
    if page.position is None or not any(change.values or change.failure for change in changes):
        return Written(len(page.units))
    known: dict[Key, Any] = {unit.key: unit for unit in page.units}
    prepared = {id(unit): change for unit, change in zip(page.units, changes, strict=True)}
    written, pending = Written(), []
    rows = source.locked(connection, after, page, known)
    if len(page.units) == 1:  # it would be blamed for a row that came between
        rows = [row for row in rows if row.key in known]
    times = Counter(row.key for row in rows)
    for row in rows:
        change = prepared[id(row)] if id(row) in prepared else again(row)
        if times[row.key] > 1:
            change = Change(failure=UnitError(_ALIKE))
        written.looked_at += 1
        if change.failure is not None:
            written.failures[row.key] = change.failure
        if change.values:
            pending.append((row, change.values))
    if pending:
        write_all(connection, source, source.rows_of(after, page), pending)
    written.changed = len(pending)
    return written


def write_all(connection: Connection, source: TableRows, those: Sequence[Any], pending: Pending) -> None:
    """Write values to rows, which are locked.

    Args:
        connection: of the transaction.
        source: the table.
        those: the conditions that the rows fulfil, and few others.
        pending: rows, with what is written to them.

    Raises:
        RefusedError: a row is not what was meant.
    """
    is_written = _update(connection, source, pending) and (
        source.is_faithful(connection) or _is_as_meant(connection, source, those, pending)
    )
    if not is_written:
        raise RefusedError(UnitError(_NOT_AS_MEANT))


def _update(connection: Connection, source: TableRows, pending: Pending) -> bool:
    """Write values; return False if the driver reports another number of rows."""
    free = max(source.target.c.keys(), key=len)  # no column is called as a parameter that is longer
    by_columns: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for row, values in pending:
        by_columns.setdefault(tuple(values), []).append((*values.values(), *row.key))
    keys = [f"{free}_key_{at}" for at in range(len(source.key))]
    for names, written in by_columns.items():
        parameters = [*(f"{free}_{at}" for at in range(len(names))), *keys]
        rows = [dict(zip(parameters, each, strict=True)) for each in written]
        columns = source.target.c
        same = [mine == bindparam(name, type_=mine.type) for name, mine in zip(keys, source.key, strict=True)]
        new: dict[str, Any] = {name: columns[name] for name in source.kept}
        new |= {name: bindparam(f"{free}_{at}", type_=columns[name].type) for at, name in enumerate(names)}
        met = connection.execute(update(source.target).where(*same).values(new), rows).rowcount
        is_told = len(rows) == 1 or connection.dialect.supports_sane_multi_rowcount
        if is_told and met != len(rows):
            return False
    return True


def _is_as_meant(connection: Connection, source: TableRows, those: Sequence[Any], pending: Pending) -> bool:
    """Return True if rows read as was meant: what was written, and next to it what was there.

    So nothing is taken for written that a trigger changed or a column cut off, nor a row for met whose key reads like
    that of another one.
    """
    if connection.dialect.name == "postgresql":  # triggers that would run after the check
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    now: dict[Key, list[Any]] = {}
    names, size = source.names, len(source.key)
    for raw in _read_again(connection, source, those, pending):
        now.setdefault(raw[:size], []).append(raw)
    for row, values in pending:
        rows_now, before = now.get(row.key, ()), row.raw
        if len(rows_now) != 1:
            return False
        at = len(before) - len(names)
        meant = (*before[:at], *(values.get(name, old) for name, old in zip(names, before[at:], strict=True)))
        if rows_now[0] != meant and not all(map(_is_same, rows_now[0], meant)):
            return False
    return True


def _read_again(
    connection: Connection, source: TableRows, those: Sequence[Any], pending: Pending
) -> list[tuple[Any, ...]]:
    """Read the rows that fulfil conditions; if one of them cannot be read, those alone that were written."""
    is_postgresql = connection.dialect.name == "postgresql"  # where nothing can be asked after an error
    try:
        with connection.begin_nested() if is_postgresql else nullcontext():
            return list(source.now(connection, those))
    except ROW_ERRORS as error:
        if not is_of_a_row(error):
            raise
    rows_now: list[tuple[Any, ...]] = []
    for at in range(0, len(pending), _AT_ONCE):
        written = [and_(*source.at(row.key)) for row, _ in pending[at : at + _AT_ONCE]]
        rows_now += source.now(connection, [or_(*written)])
    return rows_now


def _is_same(one: Any, other: Any) -> bool:
    one, other = as_told(one), as_told(other)
    return bool(one == other or (one != one and other != other))  # not a number is never equal

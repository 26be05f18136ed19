"""Encrypts old plaintext that begins as encrypted values do, in rows that someone names.

It cannot be distinguished from text that was planted in the database to become authentic. So a person names each row by
its key; a pattern would name too many.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, Connection
from sqlalchemy.exc import DBAPIError

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import Failures, StepReport, ValueStatus
from fieldcrypt.spi.migration import (
    Backfill,
    Counts,
    RefusedError,
    Run,
    UnitError,
    format_key,
    is_stop,
    patiently,
    redacted_error,
)
from fieldcrypt_sqlalchemy.migration.errors import is_of_a_row
from fieldcrypt_sqlalchemy.migration.journal.checkpoints import Checkpoints
from fieldcrypt_sqlalchemy.migration.row.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.row.row import MigratedRow
from fieldcrypt_sqlalchemy.migration.row.writing import write_all
from fieldcrypt_sqlalchemy.migration.source import SqlSource
from fieldcrypt_sqlalchemy.migration.table.keyset import Key

__all__ = ["mend_named"]

_Kept = tuple[SqlSource, Checkpoints]

_FROM_TEXT: Mapping[type[Any], Callable[[str], Any]] = {
    int: int,
    Decimal: Decimal,
    UUID: UUID,
    bytes: bytes.fromhex,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
}


class _Table(NamedTuple):
    """A table of the migration, its journal, and the run of this step."""

    source: SqlSource
    journal: Checkpoints
    run: Run


class _Taken(NamedTuple):
    """What is taken for plaintext: of which row and column, and what to write in its place."""

    table: _Table
    row: MigratedRow
    column: str
    values: dict[str, Any]

    def __repr__(self) -> str:  # without what is in it
        return f"_Taken({self.row!r}, {self.column!r})"


def mend_named(
    tables: Sequence[tuple[SqlSource, Checkpoints]], named: Collection[Any], column: str | None
) -> StepReport:
    """Encrypt what begins with `fc1.` and is no value, as the plaintext that a person says it is.

    Args:
        tables: of the migration, ready to be written to.
        named, column: see `Migration.mend`.

    Raises:
        TypeError: what is given is one text.
        ConfigurationError: what is given is no key of these tables, or an undo is at work. Nothing was done.
        KeyProviderError, KeyStoreError: keys cannot be had.
    """
    if isinstance(named, (str, bytes)):  # of which each character would be a key
        raise TypeError("as_plaintext takes a set of keys, {…}")
    keys = [[_key(source, given) for source, _ in tables] for given in named]
    begun = [
        _Table(source, journal, journal.begin("mend", source.describe(), len(keys), restart=True, drops=Backfill.drops))
        for source, journal in tables
    ]
    failures, counts, remarks = Failures(), Counter[str](), []
    for of_tables in keys:
        try:
            taken = patiently(partial(_taken, begun, of_tables, column))
            _write(taken)
        except Exception as error:  # of one row, which never stops the others
            if is_stop(error) or (isinstance(error, DBAPIError) and not is_of_a_row(error)):
                raise
            reason = error.reason if isinstance(error, RefusedError) else redacted_error("the row", error)
            failures.add(of_tables[0], reason)
            continue
        where = taken.table.source.name
        counts[where] += 1
        remarks.append(f"{where} {format_key(taken.row.key)}: what {taken.column} held is encrypted as plaintext")
    failed = len(failures.found)
    for number, (source, journal, run) in enumerate(begun):
        more = 0 if number else failed
        journal.note(run, Counts(counts[source.name] + more, counts[source.name], more))
    return StepReport(len(keys), len(remarks), failed, failures.found, remarks=tuple(remarks), total=len(keys))


def _taken(tables: Sequence[_Table], keys: Sequence[Key], column: str | None) -> _Taken:
    """Return what is to be taken for plaintext in a row: one column of it.

    Raises:
        UnitError: there is none; or there are several, and no word which.
        FieldcryptError, TypeError: it cannot be encrypted.
    """
    rows = [(place, row) for place, key in zip(tables, keys, strict=True) if (row := place.source.named(key))]
    if not rows:
        raise UnitError("there is no such row")
    found: list[_Taken] = []
    reasons: list[str] = []
    for place, row in rows:
        for field, cell in row.cells():
            if not isinstance(field, MigratedColumn) or column not in (None, field.name):
                continue
            try:
                value = field.taken_for_plaintext(cell, row.place())
            except UnitError as reason:
                reasons.append(str(reason))
                continue
            values = {field.stored_name: field.seal(value, row.place()), **field.tags(value, row.place())}
            found.append(_Taken(place, row, field.name, values | _tags_together(row, values)))
    if len(found) > 1:
        names = ", ".join(each.column for each in found)
        raise UnitError(f"{names} begin with fc1. and are no values: look at each, and say which one (column)")
    if not found:
        raise UnitError("; ".join(reasons) or f"there is no encrypted column {column}")
    return found[0]


def _tags_together(row: MigratedRow, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tags of compound indexes in a row that becomes like this."""
    tags: dict[str, Any] = {}
    for field, cell in row.cells():
        if field.is_compound:
            found = field.examine(field.as_it_becomes(cell, values), row.place())
            if found.status is ValueStatus.ACTIVE:
                tags |= field.tags(found.value, row.place())
    return tags


def _write(taken: _Taken) -> None:
    """Write to a row unless it has changed, and to the journal in the same transaction."""
    (source, journal, run), row = taken.table, taken.row

    def work(connection: Connection) -> None:
        journal.add(connection, run, Counts(1, 1, 0))  # first: SQLite locks nothing for those that only read
        now = source.named(row.key, connection)
        if now is None or now.raw != row.raw:
            raise UnitError("somebody has changed the row meanwhile: look at it again")
        write_all(connection, source, source.at(now.key), [(now, taken.values)])

    source.transact(work)


def _key(source: SqlSource, given: Any) -> Key:
    """Return the key that is given by a program, or in the text of a command line."""
    columns = list(source.table.primary_key.columns)
    parts = given if isinstance(given, (tuple, list)) else (given,)
    try:
        if isinstance(given, str) and len(columns) > 1:
            parts = json.loads(given)
        if isinstance(parts, (tuple, list)) and len(parts) == len(columns):
            return tuple(map(_part, columns, parts))
    except (TypeError, ValueError, ArithmeticError):
        pass  # raised below
    declared = ", ".join(f"{column.key} {column.type!s}" for column in columns)
    example = json.dumps([column.key for column in columns])
    several = f": give a tuple, or a JSON array in the order of {example}" if len(columns) > 1 else ""
    raise ConfigurationError(f"{given!r} is no primary key of {source.full_name}, which is {declared}{several}")


def _part(column: Column[Any], value: Any) -> Any:
    """Return a part of a key, made of its text if need be."""
    try:
        kind = column.type.python_type
    except NotImplementedError:
        return value
    if isinstance(value, str) and kind in _FROM_TEXT:
        return _FROM_TEXT[kind](value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError  # a database may round it, to the key of another row
    return value

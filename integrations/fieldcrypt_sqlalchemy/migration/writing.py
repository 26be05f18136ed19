"""Writing to the rows of a page: as they are when they are locked, and only if the database says that it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, select, update

from fieldcrypt.migration.engine.source import Page, RefusedError, Written
from fieldcrypt.migration.engine.unit import Change, Unit
from fieldcrypt_sqlalchemy.keyset import Key

if TYPE_CHECKING:
    from fieldcrypt_sqlalchemy.migration.source import SqlSource

__all__ = ["write"]

Values = dict[str, Any]


def write(
    connection: Connection,
    source: SqlSource,
    after: Key | None,
    page: Page,
    changes: Sequence[Change],
    again: Callable[[Unit], Change],
) -> Written:
    """Write to the rows of a page, which comes after a key, in a transaction (see `Source.write`).

    Raises:
        RefusedError: not all rows were met.
    """
    if page.position is None or not any(change.values or change.failure for change in changes):
        return Written(len(page.units))
    known: dict[Key, Any] = {unit.key: unit for unit in page.units}
    prepared = {id(unit): change for unit, change in zip(page.units, changes, strict=True)}
    written, pending = Written(), []
    for row in source.locked(connection, after, page.position, page.which, known):
        change = prepared[id(row)] if id(row) in prepared else again(row)
        written.looked_at += 1
        if change.failure is not None:
            written.failures[row.key] = change.failure
        if change.values:
            pending.append((row.key, change.values))
    met = _update(connection, source, pending)
    if met is None:
        met = _read_back(connection, source, after, page.position, pending)
    if met != len(pending):
        raise RefusedError(
            ValueError(
                "the database did not write the row: it does not find it by the key that it gave, because the key is "
                "stored in another form than its type writes, or a trigger or policy keeps the row as it is"
            )
        )
    written.changed = len(pending)
    return written


def _update(connection: Connection, source: SqlSource, pending: Sequence[tuple[Key, Values]]) -> int | None:
    """Write values; return how many rows were met, or None if the driver does not say it of so many at once."""
    by_columns: dict[tuple[str, ...], list[Values]] = {}
    for key, values in pending:
        parameters = {f"value_{name}": value for name, value in values.items()}
        parameters |= {f"key_{at}": part for at, part in enumerate(key)}
        by_columns.setdefault(tuple(sorted(values)), []).append(parameters)
    met, is_told = 0, True
    columns = source.target.c
    same = [mine == bindparam(f"key_{at}", type_=mine.type) for at, mine in enumerate(source.key)]
    for names, rows in by_columns.items():
        new: dict[Any, Any] = {name: columns[name] for name in source.kept}
        new |= {name: bindparam(f"value_{name}") for name in names}
        met += connection.execute(update(source.target).where(*same).values(new), rows).rowcount
        is_told &= len(rows) == 1 or connection.dialect.supports_sane_multi_rowcount
    return met if is_told else None


def _read_back(
    connection: Connection, source: SqlSource, after: Key | None, until: Key, pending: Sequence[tuple[Key, Values]]
) -> int:
    """Return how many rows have what was written to them."""
    names = sorted({name for _, values in pending for name in values})
    columns, size = source.target.c, len(source.key)
    query = select(*source.key, *(columns[name] for name in names)).where(*source.between(after, until))
    now = {tuple(row[:size]): dict(zip(names, row[size:], strict=True)) for row in connection.execute(query)}
    return sum(all(now.get(at, {}).get(name, now) == value for name, value in new.items()) for at, new in pending)

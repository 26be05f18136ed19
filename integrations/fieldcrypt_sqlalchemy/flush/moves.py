"""Rows that a flush moves, or puts in place of deleted ones: it writes them whole, each statement a part.

Where the tables of classes that inherit are joined, the statement that moves a row writes none of the values in the
other table. In a table that classes share, it writes nothing of the columns that other classes have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from fieldcrypt_sqlalchemy.internals.column import label
from fieldcrypt_sqlalchemy.row_key.bound_row import Parts
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey

__all__ = ["WholeRow", "expect_whole_row", "expected_row", "forget_rows"]

_EXPECTED = "fieldcrypt_expected"  # an attribute of a connection, and a note in the info of a session


class WholeRow(NamedTuple):
    """A row that a flush writes whole.

    Attributes:
        key: what tells the rows of its class.
        identities: the primary key that the row has until then, and the one that it gets.
        parts: of the key that it gets; None for a tenant that it has not.
    """

    key: RowKey
    identities: tuple[Parts, Parts]
    parts: Parts


def expect_whole_row(connection: Connection, state: Any, key: RowKey) -> None:
    """Note that the flush writes the row of an object whole.

    Args:
        connection: that the flush uses.
        state: the object's.
        key: what tells the rows of its class.
    """
    new = tuple(key.mapper.primary_key_from_instance(state.obj()))
    old = new if state.key is None else tuple(state.key[1])
    rows = vars(connection).setdefault(_EXPECTED, {})
    rows[old] = WholeRow(key, (old, new), tuple(state.dict.get(name) for name in key.names))
    if state.session is not None:
        state.session.info.setdefault(_EXPECTED, []).append((rows, old))


def forget_rows(session: Any, *_: Any) -> None:
    """Forget the rows of a flush that has ended, or failed, so that they excuse no other statement."""
    for rows, identity in session.info.pop(_EXPECTED, ()):
        rows.pop(identity, None)


def expected_row(
    connection: Connection, table: Any, parameters: Mapping[str, Any], written: Mapping[str, Any]
) -> WholeRow | None:
    """Return the row that a statement of the ORM writes a part of, if the flush writes it whole.

    Args:
        connection: that the statement is executed on.
        table: that it writes.
        parameters: with the primary key of the row, as the ORM names it.
        written: by key of column, what it writes.
    """
    rows: dict[Parts, WholeRow] = vars(connection).get(_EXPECTED, {})
    for row in rows.values():
        if any(_is_met(row.key, table, parameters, identity) for identity in row.identities) and _is_moved_there(
            row, table, written
        ):
            return row
    return None


def _is_met(key: RowKey, table: Any, parameters: Mapping[str, Any], identity: Parts) -> bool:
    """Return True if the statement names the row by its primary key."""
    missing = object()
    for column, value in zip(key.primary_key_in(table), identity, strict=True):
        if column is None or parameters.get(label(column), missing) != value:
            return False
    return True


def _is_moved_there(row: WholeRow, table: Any, written: Mapping[str, Any]) -> bool:
    """Return True if what is written of the row's key is what it gets."""
    for index, column in enumerate(row.key.columns_in(table)):
        if column is not None and column.key in written:
            value, part = written[column.key], row.parts[index]
            if value is not part and (part is None or not row.key.is_part(index, part, value)):
                return False
    return True

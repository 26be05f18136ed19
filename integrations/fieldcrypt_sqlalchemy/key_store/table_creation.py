"""Tables that several processes make at the same time, as they do when an application is first deployed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, inspect

__all__ = ["create_tables"]

_ATTEMPTS = 10

Run = Callable[[Callable[[Connection], Any]], Any]


def create_tables(run: Run, errors: tuple[type[Exception], ...], tables: Sequence[Table]) -> None:
    """Make tables, with their indexes, unless they exist; also if others are making them.

    No database can look for a table and make it in one step. So a process that fails looks again, and goes on with what
    is left to make if another one was faster; otherwise the error stands.

    Args:
        run: does what it is given in a transaction of its own.
        errors: what it raises if the database refuses.
        tables: in this order.
    """
    for attempt in range(_ATTEMPTS):
        try:
            run(partial(_create, tables=tables, again=attempt > 0))
        except errors:
            if attempt + 1 == _ATTEMPTS or not run(partial(_exist, tables=tables)):
                raise
        else:
            return


def _exist(connection: Connection, *, tables: Sequence[Table]) -> bool:
    look = inspect(connection).has_table
    return any(look(table.name, schema=connection.schema_for_object(table)) for table in tables)


def _create(connection: Connection, *, tables: Sequence[Table], again: bool) -> None:
    for table in tables:
        table.create(connection, checkfirst=True)
        for index in table.indexes if again else ():  # the maker of the table may not have made its indexes yet
            index.create(connection, checkfirst=True)

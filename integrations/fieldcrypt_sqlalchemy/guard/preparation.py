"""Adds tags to statements that write protected columns, before SQLAlchemy compiles them.

The execution is marked, and refused without the mark: on a way to the database that is not known here, values would be
written without their tags.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, FromClause, Insert, Table, Update
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.lambdas import LambdaElement

from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.type import HAS_PROTECTED, Encrypted, is_searchable
from fieldcrypt_sqlalchemy.internals.element import of_lambda
from fieldcrypt_sqlalchemy.internals.wrapping import Options, Proceed, Rows
from fieldcrypt_sqlalchemy.internals.write import bulk_table, is_plain_write, set_values, with_element
from fieldcrypt_sqlalchemy.row_key.noted import ROW_KEYS, row_keys_behind, row_keys_of
from fieldcrypt_sqlalchemy.row_rule.write import Write
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound

__all__ = ["execute", "needs_preparation"]


def execute(proceed: Proceed, statement: Any, connection: Connection, rows: Rows, options: Options) -> Any:
    """Execute a statement; one that may write protected values with their tags, and by the row rule.

    Args:
        proceed: what SQLAlchemy does to execute a statement; takes it, and the other arguments.
        statement: that is executed.
        connection: what to execute it on.
        rows: of parameters, or none.
        options: execution options.

    Raises:
        ProtectedColumnError: it would leave rows that cannot be read, or tags that no value has.
        StaleDataError: a row that the ORM updates has another key or tenant by now, or another value.
    """
    written = statement.element if isinstance(statement, FromStatement) else statement
    if not isinstance(written, (Insert, Update)) or is_bystander(written) or not _concerns(written):
        return proceed(statement, connection, rows, options)
    if written is not statement:

        def proceed_within(written: Any, connection: Connection, rows: Rows, options: Options) -> Any:
            return proceed(with_element(statement, written), connection, rows, options)

        return Write(proceed_within, written, connection, options).execute(rows)
    return Write(proceed, written, connection, options).execute(rows)


def is_bystander(statement: Any) -> bool:
    """Return True if a statement has nothing to do with protected columns: the usual case, and told at one look."""
    table = statement.table
    if table.__class__ is not Table:
        return False
    notes = table.__dict__
    return HAS_PROTECTED not in notes and ROW_KEYS not in notes and is_plain_write(statement)


def needs_preparation(statement: Any) -> Any:
    """Return a column for which a statement has to be prepared, or None.

    Args:
        statement: that was compiled.
    """
    if isinstance(statement, LambdaElement):
        statement = of_lambda(statement)
    if isinstance(statement, FromStatement):
        statement = statement.element
    if not isinstance(statement, (Insert, Update)) or not _concerns(statement):
        return None
    columns = [column for table in _tables(statement) for column in (*table.c, *_bound_elsewhere(table))]
    return next(filter(_is_prepared, [*columns, *_columns_set(statement)]), None)


def _is_prepared(column: Any) -> bool:
    return is_searchable(column) or isinstance(column.type, RowBound)


def _bound_elsewhere(table: Any) -> list[Any]:
    """Return the protected columns of other tables that are bound to keys of this one."""
    return [column for key in row_keys_of(table) for column in key.bound_elsewhere(table)]


def _concerns(statement: Any) -> bool:
    """Return True if a statement may write to a protected column, a companion, or what values are bound to."""
    return any(_has_protected(table) for table in _tables(statement)) or any(
        isinstance(column.type, (Encrypted, BlindIndexTag)) or row_keys_behind(column.table)
        for column in _columns_set(statement)
    )


def _has_protected(table: Any) -> bool:
    return not isinstance(table, Table) or hasattr(table, HAS_PROTECTED) or bool(row_keys_of(table))


def _tables(statement: Any) -> tuple[Any, ...]:
    table, written = statement.table, bulk_table(statement)
    return (table,) if table is written else (table, written)


def _columns_set(statement: Any) -> list[Any]:
    """Return the columns that a statement sets by themselves, and not by name; they may be of another table."""
    return [
        key for key, _ in set_values(statement) if isinstance(key, ColumnClause) and isinstance(key.table, FromClause)
    ]

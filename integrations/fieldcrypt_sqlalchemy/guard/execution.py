"""Examines each statement that is executed, before anyone else has it, and looks after its rows.

A statement without protected columns leaves after one look at what was noted on it. Whatever SQLAlchemy's way to the
driver is, the listeners of the dialect come last, and refuse what was not examined before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.exc import DataError

from fieldcrypt_sqlalchemy.engine.binary_results import Types, cursor_of_psycopg, fetch_as, learned
from fieldcrypt_sqlalchemy.engine.prefetch import fetch_keys, is_needed
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.guard.examined import EXAMINED, Examined
from fieldcrypt_sqlalchemy.guard.log import hide_rows
from fieldcrypt_sqlalchemy.guard.self_check import check_dialect
from fieldcrypt_sqlalchemy.guard.statements import examine
from fieldcrypt_sqlalchemy.row_rule.write import PREPARED

__all__ = ["check", "on_execute", "on_execute_no_params", "on_executemany"]

_NOT_YET = object()


def check(compiled: Any, options: Mapping[str, Any]) -> Examined | None:
    """Refuse what may not be executed.

    Args:
        compiled: the statement.
        options: for this execution.

    Returns:
        What is to be done for its rows; None is the usual.

    Raises:
        ProtectedColumnError: it would send plaintext, or write what could not be read or found.
    """
    about = compiled.__dict__.get(EXAMINED, _NOT_YET)
    if about is None:
        return None
    if about is _NOT_YET:
        check_dialect(compiled.dialect.name)
        about = compiled.__dict__[EXAMINED] = examine(compiled)
    if about is not None and about.written is not None and PREPARED not in options:
        raise _not_prepared_error(about.written)
    return about  # type: ignore[no-any-return]


def _not_prepared_error(column: Any) -> ProtectedColumnError:
    return column_error(
        column.type,
        "is written together with its tag, or bound to its row, which is looked after before "
        "a statement is compiled; this one was compiled already, or came here by a way that fieldcrypt does not know. "
        "Execute the insert() or update() itself, with connection.execute() or session.execute(). Nothing was sent",
    )


# Listeners of SQLAlchemy's dialects, each for one of its ways to execute a statement


def on_execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
    """Examine a statement that is executed once; return True if that was done here."""
    if context is None or (compiled := context.compiled) is None or compiled.__dict__.get(EXAMINED, _NOT_YET) is None:
        return None  # the usual: this runs for each statement of the process
    about = check(compiled, context.execution_options)
    if about is None or not about.results:
        return None
    return _with_results(on_execute, "do_execute", about, context, (cursor, statement, parameters, context))


def on_execute_no_params(cursor: Any, statement: str, context: Any) -> bool | None:
    """Examine a statement without parameters; return True if it was executed here."""
    about = _about(context)
    if about is None or not about.results:
        return None
    return _with_results(on_execute_no_params, "do_execute_no_params", about, context, (cursor, statement, context))


def on_executemany(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
    """Examine a statement that is executed for several rows of parameters, and returns none."""
    _about(context)


def _about(context: Any) -> Examined | None:
    if context is None or context.compiled is None:
        return None
    return check(context.compiled, context.execution_options)


def _with_results(
    listener: Callable[..., Any], name: str, about: Examined, context: Any, arguments: tuple[Any, ...]
) -> bool | None:
    """Look after the rows of a statement: those are read, and logged, later."""
    dialect, cursor, statement = context.dialect, arguments[0], arguments[1]
    hide_rows(context.root_connection.engine)
    driver = cursor_of_psycopg(dialect, cursor, context.compiled.statement)
    prefetches = is_needed(dialect)
    if driver is None and not prefetches:
        return None
    known = about.binary  # other threads may learn more meanwhile
    if driver is not None:
        fetch_as(driver, known)
    _execute(listener, name, dialect, arguments)
    if driver is not None and known != ():
        _learn(about, driver, statement, known)
    if prefetches:
        fetch_keys(cursor, about.results)
    return True


def _learn(about: Examined, driver: Any, statement: str, known: Types | None) -> None:
    try:
        about.binary = learned(driver, statement, known)
    except DataError:
        about.binary = ()
        raise


def _execute(listener: Callable[..., Any], name: str, dialect: Any, arguments: tuple[Any, ...]) -> None:
    """Execute a statement as SQLAlchemy would: by a listener that comes after this one, or by the dialect."""
    listeners = list(getattr(dialect.dispatch, name))
    for other in listeners[listeners.index(listener) + 1 :]:
        if other(*arguments):
            return
    getattr(dialect, name)(*arguments)

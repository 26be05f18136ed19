"""Functions of SQLAlchemy that have no event: each is wrapped here, or the import is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Update
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql.base import CompileState

from fieldcrypt.spi import emptied
from fieldcrypt_sqlalchemy.internals.gate import read, renamed_error

__all__ = ["MADE", "Options", "Proceed", "Rows", "note_what_the_orm_makes", "wrap_contexts", "wrap_writes"]

MADE = "fieldcrypt_made"  # an attribute of a compiler: the statements that the ORM made while it was at work

Rows = Sequence[Mapping[str, Any]]
Options = Mapping[str, Any]
Proceed = Callable[[Any, Connection, Rows, Options], Any]  # what SQLAlchemy does to execute a statement
Execute = Callable[[Proceed, Any, Connection, Rows, Options], Any]


def wrap_writes(execute: Execute) -> None:
    """Have each INSERT and UPDATE, with its rows of parameters, executed by a function, before SQLAlchemy compiles it.

    Args:
        execute: takes what SQLAlchemy would do, the statement, the connection, the rows, and execution options.
    """
    for kind in (Insert, Update, FromStatement):
        _wrap_execution(kind, execute)


def _wrap_execution(kind: Any, execute: Execute) -> None:
    proceed = read(kind, "_execute_on_connection")

    def _execute_on_connection(
        self: Any, connection: Connection, distilled_params: Rows, execution_options: Mapping[str, Any]
    ) -> Any:
        try:
            return execute(proceed, self, connection, distilled_params, execution_options)
        except BaseException as error:
            del self, connection, distilled_params, execution_options  # which hold what is written
            emptied(error, ours_alone=True)
            raise

    kind._execute_on_connection = _execute_on_connection


def wrap_contexts(examine: Callable[[Any, Mapping[str, Any]], object], note: str) -> None:
    """Have `examine` see what is executed, compiled, before it is logged and told to listeners.

    Args:
        examine: takes what was compiled, and the execution options; raises to refuse it.
        note: the attribute of what was compiled that is None if it was examined, and is of no concern.
    """
    kind: Any = Connection
    execute_single, execute_many = read(kind, "_exec_single_context"), read(kind, "_exec_insertmany_context")

    # These run for each statement of the process. The second condition is the usual case: nothing is to be done.

    def _exec_single_context(self: Any, dialect: Any, context: Any, statement: Any, parameters: Any) -> Any:
        try:
            compiled = context.compiled
            if compiled is not None and compiled.__dict__.get(note, compiled) is not None:
                _examine(examine, context)
            return execute_single(self, dialect, context, statement, parameters)
        except BaseException as error:
            del self, context, statement, parameters  # which hold what is written
            compiled = None
            emptied(error, ours_alone=True)
            raise

    def _exec_insertmany_context(self: Any, dialect: Any, context: Any) -> Any:
        try:
            _examine(examine, context)
            return execute_many(self, dialect, context)
        except BaseException as error:
            del self, context  # likewise
            emptied(error, ours_alone=True)
            raise

    kind._exec_single_context, kind._exec_insertmany_context = _exec_single_context, _exec_insertmany_context


def _examine(examine: Callable[[Any, Mapping[str, Any]], object], context: Any) -> None:
    try:
        examine(context.compiled, context.execution_options)
    except BaseException:
        context.cursor.close()
        raise


def note_what_the_orm_makes() -> None:
    """Have each compiler keep the statements that the ORM makes of what it is given, also of subqueries.

    There alone is what options add: criteria of loaders, expressions, conditions of relationships.
    """
    kinds = {kind for (plugin, _), kind in read(CompileState, "plugins").items() if plugin == "orm"}
    if not kinds:
        raise renamed_error("CompileState of the ORM")
    for kind in kinds:
        _wrap_compile_state(kind)


def _wrap_compile_state(kind: Any) -> None:
    create: Any = kind.__dict__.get("create_for_statement")
    if create is None:
        read(kind, "create_for_statement")  # inherited, and wrapped where it is defined
        create = classmethod(lambda cls, *args, **kw: super(kind, cls).create_for_statement(*args, **kw))

    def create_for_statement(cls: Any, /, statement: Any, compiler: Any, **kw: Any) -> Any:
        state = create.__func__(cls, statement, compiler, **kw)
        if compiler is not None:
            compiler.__dict__.setdefault(MADE, []).append(read(state, "statement"))
        return state

    kind.create_for_statement = classmethod(create_for_statement)

"""Examines whole statements, each once, before the driver has them.

A column of a Table is refused where it is rendered as well (`protected.py`). What is left are columns that hand on its
values (`positions.py`), rows that are compared (`row_sets.py`), SQL text (`sql_text.py`), and what is written
(`writing.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Insert, TableClause, Update
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql.compiler import DDLCompiler, SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.lambdas import LambdaElement

from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.guard.examined import Examined
from fieldcrypt_sqlalchemy.guard.preparation import needs_preparation
from fieldcrypt_sqlalchemy.internals.element import of_lambda
from fieldcrypt_sqlalchemy.internals.gate import renamed_error
from fieldcrypt_sqlalchemy.internals.results import result_types
from fieldcrypt_sqlalchemy.internals.select import is_made_by_orm, made_by_orm
from fieldcrypt_sqlalchemy.internals.wrapping import MADE
from fieldcrypt_sqlalchemy.row_key.noted import row_keys_of
from fieldcrypt_sqlalchemy.row_rule.row_rule import check_nested
from fieldcrypt_sqlalchemy.row_rule.writing import check_writes
from fieldcrypt_sqlalchemy.statement.elements import elements, selects_of_ddl
from fieldcrypt_sqlalchemy.statement.positions import check_positions
from fieldcrypt_sqlalchemy.statement.sql_text import check_text

__all__ = ["examine"]

_SPECIAL = (Encrypted, BlindIndexTag)


def examine(compiled: Any) -> Examined | None:
    """Return what there is to do for a statement that was compiled; None if it has no protected columns.

    Raises:
        ProtectedColumnError: it would send plaintext of a protected column, write what is no value of it, or have the
            database compute with ciphertext.
    """
    if compiled.statement is None:
        return None
    if isinstance(compiled, DDLCompiler):
        for select in selects_of_ddl(compiled.statement):
            _check([elements(select)])
    if not isinstance(compiled, SQLCompiler):
        return None
    _check([elements(statement) for statement in _statements(compiled)])
    types = enumerate(result_types(compiled))
    results = [(at, type_) for at, type_ in types if isinstance(type_, Encrypted)]
    written = needs_preparation(compiled.statement)
    return Examined(results, written) if results or written is not None else None


def _statements(compiled: Any) -> list[Any]:
    """Return what was compiled, and what the ORM made of it and of its subqueries."""
    given, by_orm = compiled.statement, compiled.__dict__.get(MADE)  # it stays, for other threads may come as soon
    if by_orm is None and is_made_by_orm(given):
        raise renamed_error("way to see what the ORM makes of a statement")
    statements = [given, *made_by_orm(compiled), *(by_orm or ())]
    return list({id(statement): statement for statement in statements}.values())


def _check(statements: list[list[Any]]) -> None:
    nodes = [node for group in statements for node in group]
    if not any(map(_is_of_concern, nodes)):
        return
    check_text(nodes)
    for group in statements:
        check_positions(group[0])
        whole = [_within(group[0]), group[0]]
        for node in group:
            if isinstance(node, (Insert, Update)):
                check_writes(node)
                if not any(node is each for each in whole):
                    check_nested(node)


def _within(statement: Any) -> Any:
    """Return the statement that the ORM, or a lambda, has wrapped; others are their own."""
    if isinstance(statement, LambdaElement):
        statement = of_lambda(statement)
    return statement.element if isinstance(statement, FromStatement) else statement


def _is_of_concern(node: Any) -> bool:
    """Return True if an element is a protected column or a companion, has some, or writes what some are bound to."""
    if isinstance(node, UpdateBase) and row_keys_of(node.table):
        return True
    return any(isinstance(column.type, _SPECIAL) for column in _columns(node))


def _columns(node: Any) -> Iterator[Any]:
    if isinstance(node, TableClause):
        yield from node.c
    elif isinstance(node, UpdateBase):
        yield from getattr(node.table, "c", ())
    elif isinstance(node, ColumnElement):
        yield node

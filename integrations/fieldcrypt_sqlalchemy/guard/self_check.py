"""Checks that the guard works with the SQLAlchemy that is installed.

SQLAlchemy may rename what `internals` reads, and a guard that found nothing would let everything pass. So statements
that must be refused are compiled here, without a database, and examined like any other: when fieldcrypt is imported,
and for the upserts of a database when it is first used.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, text, union, update

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.guard.statements import examine
from fieldcrypt_sqlalchemy.internals.gate import renamed_error

__all__ = ["check_dialect", "check_guard"]

_MODULES = {"postgresql": "postgresql", "sqlite": "sqlite", "mysql": "mysql", "mariadb": "mysql"}
_checked: set[str] = set()  # the dialects for which that was asked

_Case = tuple[str, Any]  # what it shows, and a statement that must be refused


def check_guard() -> None:
    """Check that what must be refused on any database is refused.

    Raises:
        ConfigurationError: it is not, with this SQLAlchemy.
    """
    _check(_cases(_table()), None)


def check_dialect(name: str) -> None:
    """Check once per database that upserts are refused what they must not do.

    Args:
        name: of the dialect.

    Raises:
        ConfigurationError: it is not, with this SQLAlchemy.
    """
    if name in _checked:
        return
    if name in _MODULES:
        module = import_module(f"sqlalchemy.dialects.{_MODULES[name]}")
        find = _on_duplicate_key if _MODULES[name] == "mysql" else _on_conflict
        _check(find(module.insert(_table()).values(id=1)), module.dialect())
    _checked.add(name)


def _check(cases: Iterator[_Case], dialect: Any) -> None:
    for what, statement in cases:
        try:
            examine(statement.compile(dialect=dialect))
        except ProtectedColumnError:
            continue
        raise renamed_error(f"way to see {what}")


def _table() -> Table:
    return Table(
        "fieldcrypt_check",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("open", String(9)),
        Column("secret", Encrypted(String, Encryptor())),
    )


def _cases(table: Table) -> Iterator[_Case]:
    secret, computed = table.c.secret, func.upper("x")
    handed_on = select(secret.label("x")).subquery().c.x
    yield "a function of a column", select(table.c.id).where(func.lower(secret) == "x")
    yield "columns of a subquery", select(handed_on).where(func.lower(handed_on) == "x")
    yield "text", select(table.c.id).where(text("secret = 'x'"))
    yield "text of a prefix", select(table.c.id).prefix_with("secret")
    yield "text of a hint", select(table.c.id).with_statement_hint("secret")
    yield "rows that are compared", select(secret).distinct()
    yield "rows of a union", union(select(secret), select(secret))
    yield "values", insert(table).values(secret=computed)
    yield "several rows", insert(table).values([{"secret": computed}])
    yield "rows of a SELECT", insert(table).from_select(["secret"], select(table.c.open))
    yield "what is returned", insert(table).returning(func.lower(secret))
    yield "values of an update", update(table).values(secret=computed)
    yield "values in their order", update(table).ordered_values((secret, computed))


def _on_conflict(upsert: Any) -> Iterator[_Case]:
    named = text("secret = 'x'")
    cases: dict[str, dict[str, Any]] = {
        "an upsert": {"set_": {"secret": func.upper("x")}},
        "text of an upsert": {"set_": {"open": named}},
        "the condition of an upsert": {"set_": {"open": "x"}, "where": named},
    }
    for what, about in cases.items():
        yield what, upsert.on_conflict_do_update(index_elements=["id"], **about)


def _on_duplicate_key(upsert: Any) -> Iterator[_Case]:
    yield "an upsert", upsert.on_duplicate_key_update(secret=func.upper("x"))
    yield "text of an upsert", upsert.on_duplicate_key_update(open=text("secret"))

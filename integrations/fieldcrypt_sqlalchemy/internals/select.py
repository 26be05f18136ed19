"""What fieldcrypt reads of a SELECT."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import HasHints

from fieldcrypt_sqlalchemy.internals.element import clone
from fieldcrypt_sqlalchemy.internals.gate import IS_2_0, read

__all__ = [
    "clause_list",
    "distinct",
    "hints",
    "is_limited_or_grouped",
    "is_made_by_orm",
    "listed",
    "made_by_orm",
    "selectables",
    "sorted_and_grouped",
    "where",
    "with_where",
]


def listed(select: Any) -> list[Any]:
    """Return what a SELECT was told to list."""
    return list(read(select, "_raw_columns"))


def distinct(select: Any) -> bool:
    """Return True if rows of a SELECT are compared with each other as a whole: DISTINCT, without ON."""
    if not read(select, "_distinct") or read(select, "_distinct_on"):
        return False
    before = None if IS_2_0 else read(select, "_pre_columns_clause")  # there later versions have the clause with ON
    return all(clause.__visit_name__ != "postgresql_distinct_on" for clause in clause_list(before))


def clause_list(clause: Any) -> list[Any]:
    """Return the clauses at one place of a statement, which may be none, one or several."""
    if clause is None:
        return []
    return list(clause.clauses) if clause.__visit_name__ in ("clauselist", "element_list") else [clause]


def sorted_and_grouped(select: Any) -> list[Any]:
    """Return by what a SELECT, or a union, is sorted and grouped."""
    return [*read(select, "_order_by_clauses"), *read(select, "_group_by_clauses")]


def where(select: Any) -> tuple[Any, ...]:
    """Return the conditions of a SELECT, which are joined by AND."""
    criteria: tuple[Any, ...] = read(select, "_where_criteria")
    return criteria


def with_where(select: Any, criteria: Iterable[Any]) -> Any:
    """Return a copy of a SELECT with other conditions."""
    copy = clone(select)
    copy._where_criteria = tuple(criteria)
    return copy


def is_limited_or_grouped(select: Any) -> bool:
    """Return True if the database counts the rows of a SELECT, or puts some together."""
    return bool(read(select, "_has_row_limiting_clause") or read(select, "_group_by_clauses"))


def selectables(given: Iterable[Any]) -> list[Any]:
    """Return the columns that what is listed stands for: those of a table, for one."""
    return [each for element in given for each in read(element, "_select_iterable")]


def hints(statement: HasHints | UpdateBase) -> list[str]:
    """Return the hints in a statement, for its tables and for itself."""
    of_statement = read(statement, "_statement_hints") if isinstance(statement, HasHints) else ()
    return [*(hint for _, hint in of_statement), *read(statement, "_hints").values()]


def is_made_by_orm(statement: Any) -> bool:
    """Return True if the ORM makes another SELECT of a statement while it is compiled."""
    return isinstance(statement, Select) and read(statement, "_propagate_attrs").get("compile_state_plugin") == "orm"


def made_by_orm(compiled: Any) -> list[Any]:
    """Return the statement that the ORM made of the one that it was given."""
    state = compiled.compile_state
    return [] if state is None else [read(state, "statement")]

"""All elements of a statement. Every examination goes through here, so that all see the same.

SQLAlchemy's own traversal leaves out a lot: what an upsert sets, rows of an INSERT of several, tables behind columns.
Here an element is what its class says that it is made of, and what it does not say is looked for in its attributes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import Insert, Table, TableClause, Update
from sqlalchemy.orm import QueryableAttribute, RelationshipProperty
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import ClauseElement, ColumnClause
from sqlalchemy.sql.lambdas import LambdaElement
from sqlalchemy.sql.selectable import SelectBase

from fieldcrypt_sqlalchemy.internals.element import described_attributes, of_lambda
from fieldcrypt_sqlalchemy.internals.gate import read

__all__ = ["elements", "parts", "selects_of_ddl", "texts_in"]

# What is noted on elements besides what they are made of: what they were copied from, for one.
_UNRELATED = frozenset(
    {
        "_annotations",
        "_propagate_attrs",
        "_with_options",
        "_compile_options",
        "_is_clone_of",
        "_Annotated__element",
        "type",
    }
)
_NO_ELEMENTS = frozenset({"abc", "builtins", "typing", "typing_extensions"})
_CORE = ("fieldcrypt_sqlalchemy.", "sqlalchemy.sql.", "sqlalchemy.orm.", "sqlalchemy.util.", "sqlalchemy.inspection")
_STATEMENTS = (SelectBase, UpdateBase)
_SQLALCHEMY = ("fieldcrypt_sqlalchemy.", "sqlalchemy.")


def elements(statement: Any) -> list[Any]:
    """Return a statement, and all elements in it, each once."""
    found: dict[int, Any] = {}
    left = [statement]
    while left:
        element = left.pop()
        if id(element) not in found:
            found[id(element)] = element
            left += [part for _, part in parts(element)]
    return list(found.values())


def parts(element: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an element is made of: the name of the attribute, which may be empty, and the part."""
    if isinstance(element, TableClause):
        return
    if isinstance(element, ColumnClause):
        if element.table is not None:
            yield "table", element.table
        return
    if isinstance(element, LambdaElement):
        yield "", of_lambda(element)
        return
    if isinstance(element, (Insert, Update)):
        yield from _defaults(element)
    seen = set()
    for name, value in _attributes(element):
        for part in _clauses(value):
            seen.add(id(part))
            yield name, part
    for part in element.get_children():
        if id(part) not in seen:
            yield "", part


def _defaults(statement: Any) -> Iterator[tuple[str, Any]]:
    """Yield the expressions by which the database makes values of columns that a statement does not set."""
    for column in statement.table.c if isinstance(statement.table, Table) else ():
        default = column.default if isinstance(statement, Insert) else column.onupdate
        if default is not None and default.is_clause_element:
            yield "default", default.arg


def texts_in(element: Any) -> Iterator[str]:
    """Yield the texts among the attributes of an element of an application's own, which it may render."""
    if not isinstance(element, (*_STATEMENTS, TableClause, ColumnClause)) and not _is_of(type(element), _SQLALCHEMY):
        for name in _own_attributes(element):
            yield from _strings(getattr(element, name))


def selects_of_ddl(statement: Any) -> Iterator[Any]:
    """Yield the SELECTs in a statement that defines something: a view, or a table with their rows."""
    for value in vars(statement).values():
        yield from (part for part in _clauses(value) if isinstance(part, SelectBase))


def _attributes(element: Any) -> Iterator[tuple[str, Any]]:
    kind: Any = type(element)
    names, says_all = _made_of(kind)
    for name in names if says_all else dict.fromkeys([*names, *_own_attributes(element)]):
        yield name, read(element, name)


@lru_cache(maxsize=1000)
def _made_of(kind: type) -> tuple[list[str], bool]:
    """Return the attributes that a class says its elements are made of, and whether these are all.

    What is of a dialect, or of an application, may not say all; statements of dialects add nothing.
    """
    names = [name for name in described_attributes(kind) if name not in _UNRELATED]
    return names, bool(names) and _is_of(kind, _SQLALCHEMY if issubclass(kind, _STATEMENTS) else _CORE)


def _own_attributes(element: Any) -> list[str]:
    """Return the names of an element's attributes, without what its class computes of them and keeps."""
    kind = type(element)
    return [name for name in vars(element) if name not in _UNRELATED and not _is_computed(kind, name)]


def _is_computed(kind: type, name: str) -> bool:
    descriptor = inspect.getattr_static(kind, name, None)
    return hasattr(descriptor, "__get__") and type(descriptor).__module__.startswith(("sqlalchemy.", "functools"))


def _is_of(kind: type, packages: tuple[str, ...]) -> bool:
    """Return True if a class, and all that it derives from, is of some packages."""
    modules = {base.__module__ for base in kind.__mro__} - _NO_ELEMENTS
    return all(module.startswith(packages) for module in modules)


def _clauses(value: Any) -> Iterator[Any]:
    """Yield the elements in a value of an attribute."""
    if isinstance(value, ClauseElement):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _clauses(pair)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _clauses(each)
    elif isinstance(value, QueryableAttribute) and not isinstance(value.property, RelationshipProperty):
        yield value.__clause_element__()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _strings(pair)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _strings(each)

"""What fieldcrypt reads of SQLAlchemy's insides, all of it: names without a promise that they stay.

Each is read without a default. If one is gone, the import or the statement is refused: nothing is taken to be absent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy
from sqlalchemy import Insert, Select, types
from sqlalchemy.orm import ColumnProperty, Mapper
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql import elements
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import HasHints
from sqlalchemy.util import immutabledict

from fieldcrypt import ConfigurationError

__all__ = [
    "BINARY_TYPE",
    "IS_2_0",
    "LABEL_REFERENCE",
    "TEXTUAL_LABEL_REFERENCE",
    "TSTRING_TEXT",
    "annotate_like",
    "orm_notes",
    "bulk_table",
    "clause_list",
    "clone",
    "copy_column",
    "described_attributes",
    "distinct",
    "enum_members",
    "enum_texts",
    "has_expressions",
    "hints",
    "is_limited_or_grouped",
    "is_untyped",
    "listed",
    "is_made_by_orm",
    "made_by_orm",
    "multi_values",
    "negate",
    "of_lambda",
    "proxied",
    "read",
    "renamed",
    "returned",
    "select_names",
    "selectables",
    "set_values",
    "sorted_and_grouped",
    "type_parts",
    "upsert_clause",
    "where",
    "with_element",
    "with_where",
    "is_emitted",
    "loaded_names",
    "multi_rows",
    "never_defer",
    "plugin_mapper",
    "put_last",
    "set_rowcount",
    "with_multi_rows",
    "UPSERT_VALUES",
    "deletes",
    "is_plain_write",
    "prefixes",
    "label",
    "variant_mapping",
    "with_type",
    "with_set_values",
    "with_upsert_values",
]

# Where a clause for rows that are there already has what it sets.
UPSERT_VALUES = {"on_conflict_do_update": "update_values_to_set", "on_duplicate_key_update": "update"}

IS_2_0 = sqlalchemy.__version__.startswith("2.0.")


Pairs = list[tuple[Any, Any]]


def renamed(what: str) -> ConfigurationError:
    """Return the error of a name that SQLAlchemy does not have any more."""
    return ConfigurationError(
        f"this SQLAlchemy is newer than fieldcrypt knows: it has no {what}, without which statements cannot be "
        "examined. Install the SQLAlchemy that this fieldcrypt was released with, or a newer fieldcrypt"
    )


def read(owner: Any, name: str) -> Any:
    """Return a private attribute of SQLAlchemy's.

    Raises:
        ConfigurationError: it has none of this name.
    """
    try:
        return getattr(owner, name)
    except AttributeError:
        kind = owner if isinstance(owner, type) else type(owner)
    raise renamed(f"{kind.__name__}.{name}")


# Any element

LABEL_REFERENCE = read(elements, "_label_reference")  # what stands in ORDER BY for what is listed
TEXTUAL_LABEL_REFERENCE = read(elements, "_textual_label_reference")  # the same by its name
BINARY_TYPE: type[Any] = read(types, "_Binary")  # of all types of bytes, each dialect's own ones too
TSTRING_TEXT: Any = None if IS_2_0 else read(elements, "_TStringText")  # the texts in a template string


def described_attributes(kind: type) -> list[str]:
    """Return the names of the attributes that a class of SQLAlchemy's says its elements are made of; some say nothing.

    Whoever asks looks at all attributes then: this one may be absent.
    """
    return [name for name, _ in getattr(kind, "_traverse_internals", ())]


def orm_notes(element: Any) -> Mapping[str, Any]:
    """Return what the ORM noted on an element."""
    notes: Mapping[str, Any] = read(element, "_annotations")
    return notes


def annotate_like(element: Any, other: Any, names: Iterable[str]) -> Any:
    """Return an element with some of the notes of another one, for the ORM to treat it as that."""
    notes = {name: value for name, value in orm_notes(other).items() if name in names}
    if not notes:
        return element
    return read(read(element, "_annotate")(notes), "_set_propagate_attrs")(read(other, "_propagate_attrs"))


def clone(element: Any) -> Any:
    """Return a copy of an element, to be changed."""
    return read(element, "_clone")()


def negate(element: Any, kind: type) -> Any:
    """Return the negation of an expression as its class makes it.

    Args:
        element: the expression.
        kind: the class after which to look for that one.
    """
    return read(super(kind, element), "_negate")()


def of_lambda(statement: Any) -> Any:
    """Return the statement, or the expression, that a lambda makes."""
    return read(statement, "_resolved")


# Columns and types


def proxied(column: Any) -> list[Any]:
    """Return the columns that a column of an alias or subquery stands for."""
    return list(read(column, "_proxies"))


def is_untyped(type_: Any) -> bool:
    """Return True if a type says nothing, as that of a plain parameter."""
    untyped: bool = read(type_, "_isnull")
    return untyped


def variant_mapping(type_: Any) -> Mapping[str, Any]:
    """Return the types that a type has for other databases, by their names."""
    variants: Mapping[str, Any] = read(type_, "_variant_mapping")
    return variants


def with_type(parameter: Any, type_: Any) -> Any:
    """Return a parameter of a type, under the same name."""
    return read(parameter, "_with_binary_element_type")(type_)


def type_parts(type_: Any) -> list[Any]:
    """Return the types that a type has for other databases."""
    return list(variant_mapping(type_).values())


def has_expressions(type_: Any) -> bool:
    """Return True if the database is to apply expressions to the values of a type."""
    return bool(read(type_, "_has_bind_expression") or read(type_, "_has_column_expression"))


def enum_members(type_: Any) -> Mapping[Any, Any]:
    """Return the members of an Enum by the texts that the database has."""
    members: Mapping[Any, Any] = read(type_, "_object_lookup")
    return members


def enum_texts(type_: Any) -> Mapping[Any, Any]:
    """Return the texts that the database has by the members of an Enum."""
    texts: Mapping[Any, Any] = read(type_, "_valid_lookup")
    return texts


def label(column: Any) -> str:
    """Return the name under which the ORM gives a statement the primary key of the row that it is for."""
    name: str = read(column, "_label")
    return name


def copy_column(column: Any) -> Any:
    """Return a copy of a column that belongs to no table."""
    return read(column, "_copy")()


# SELECT


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


# INSERT, UPDATE, DELETE


def returned(statement: Any) -> list[Any]:
    """Return what a statement that writes was told to return."""
    return list(read(statement, "_returning") or ())


def set_values(statement: Any) -> Pairs:
    """Return what an INSERT of one row, or an UPDATE, sets: pairs of column, or its key, and value."""
    pairs = list((read(statement, "_values") or {}).items())
    if IS_2_0:  # later versions have one dictionary for both
        pairs += read(statement, "_ordered_values") or ()
    return pairs


def multi_values(statement: Any) -> Iterator[Pairs]:
    """Yield what an INSERT of several rows sets in each."""
    names = statement.table.c.keys()
    for rows in read(statement, "_multi_values"):
        for row in rows:
            yield list(row.items()) if isinstance(row, Mapping) else list(zip(names, row, strict=False))


def is_plain_write(statement: Any) -> bool:
    """Return True if an INSERT or UPDATE was made for a table alone, and sets columns by their names, if any.

    This runs for each of the process: what is not there is read again, and refused, by those who come next.
    """
    try:
        values, notes = statement._values, statement._annotations
    except AttributeError:
        return False
    if notes or (values and any(key.__class__ is not str for key in values)):
        return False
    return not (IS_2_0 and read(statement, "_ordered_values"))


def select_names(insert: Any) -> list[str]:
    """Return the keys of the columns that an INSERT fills from a SELECT."""
    return [getattr(name, "key", name) for name in read(insert, "_select_names") or ()]


def multi_rows(statement: Any) -> list[dict[str, Any]]:
    """Return the rows of an INSERT of several rows, by the keys of columns; of other statements, none."""
    if not isinstance(statement, Insert):
        return []
    rows: list[dict[Any, Any]] = [
        {getattr(key, "key", key): value for key, value in row} for row in multi_values(statement)
    ]
    return rows


def with_multi_rows(statement: Any, rows: list[dict[Any, Any]]) -> Any:
    """Return an INSERT of other rows."""
    copy = clone(statement)
    copy._multi_values = (rows,)
    return copy


def with_set_values(statement: Any, change: Callable[[Pairs], Pairs]) -> Any:
    """Return an INSERT of one row, or an UPDATE, that sets what a function makes of what it sets."""
    copy = clone(statement)
    if read(copy, "_values"):
        copy._values = immutabledict(change(list(copy._values.items())))
    if IS_2_0 and read(copy, "_ordered_values"):
        copy._ordered_values = change(list(copy._ordered_values))
    return copy


def with_upsert_values(insert: Any, change: Callable[[Pairs], Pairs]) -> Any:
    """Return an INSERT whose only clause for rows that are there sets what a function makes of what it sets."""
    clause = upsert_clause(insert)
    if clause is None or clause.__visit_name__ not in UPSERT_VALUES:
        return insert
    copy, changed = clone(insert), clone(clause)
    copy._post_values_clause = changed
    if clause.__visit_name__ == "on_duplicate_key_update":
        changed.update = _changed(read(clause, "update"), change)
    else:
        changed.update_values_to_set = _changed(read(clause, "update_values_to_set"), change)
    return copy


def _changed(values: Any, change: Callable[[Pairs], Pairs]) -> Any:
    if isinstance(values, Mapping):
        return dict(change(list(values.items())))
    return change(list(values))


def is_emitted(statement: Any) -> bool:
    """Return True if the ORM made a statement for one table of a class, with that table's columns in its parameters."""
    notes = orm_notes(statement)
    return "_emit_insert_table" in notes or "_emit_update_table" in notes


def plugin_mapper(statement: Any) -> Mapper[Any] | None:
    """Return the mapper of the class that a statement was given, whose attributes it names; of a table's, None."""
    subject = read(statement, "_propagate_attrs").get("plugin_subject")
    return None if subject is None else subject.mapper


def prefixes(statement: Any) -> list[str]:
    """Return the texts that stand after the first word of a statement."""
    return [getattr(prefix, "text", "") for prefix, _ in read(statement, "_prefixes")]


def upsert_clause(insert: Any) -> Any:
    """Return the clause of an INSERT that says what becomes of a row that is there already, or None."""
    return read(insert, "_post_values_clause")


def bulk_table(statement: Any) -> Any:
    """Return the table that an INSERT or UPDATE writes to: in bulk the ORM executes it for each of a class's tables."""
    notes = orm_notes(statement)
    return notes.get("_emit_insert_table", notes.get("_emit_update_table", statement.table))


def with_element(statement: FromStatement[Any], element: Any) -> Any:
    """Return a copy of an ORM statement around another one."""
    copy = clone(statement)
    copy.element = element
    return copy


# Executing


def set_rowcount(result: Any, count: int) -> None:
    """Have a result tell a number of rows that were met."""
    read(result.context, "_rowcount")
    result.context._rowcount = count
    result.__dict__.pop("rowcount", None)  # where it is remembered once it was asked for


# The ORM's attributes and listeners


def loaded_names(context: Any) -> Any:
    """Return the names of the attributes that are loaded, if they are loaded by name."""
    return read(context.compile_state.compile_options, "_only_load_props")


def deletes(session: Any) -> bool:
    """Return True if objects of a session are to be deleted."""
    return bool(read(session, "_deleted"))


def never_defer(prop: ColumnProperty[Any]) -> None:
    """Have an attribute loaded with its row even if it was declared as deferred."""
    prop.deferred = False
    prop.strategy_key = (("deferred", False), ("instrument", True))


def put_last(listeners: Any, listener: Any) -> None:
    """Put a listener last in a collection, whose list is replaced as a whole: other threads may be going through it."""
    present = read(listeners, "listeners")
    if present[-1] != listener:
        listeners.listeners = deque([*(each for each in present if each != listener), listener])

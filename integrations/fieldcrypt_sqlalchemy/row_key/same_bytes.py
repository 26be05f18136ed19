"""Compares a column of a key with a value byte for byte, whatever the database takes for equal.

Databases fold what they compare: case and accents in most of MySQL's and SQL Server's collations, trailing blanks in
nearly all of these, case in `citext` and NOCASE. Values are bound to the exact key, so a condition on it must be exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CHAR, NCHAR, BindParameter, ColumnElement, Date, Integer, LargeBinary, Uuid, and_, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, Null
from sqlalchemy.types import BINARY, VARBINARY, Boolean, NullType, TypeDecorator, TypeEngine

from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.internals.column import variant_mapping, with_type
from fieldcrypt_sqlalchemy.value.sql_bytes import bytes_template

__all__ = ["compares_exactly", "same_bytes"]

_EXACT = (Integer, Uuid, LargeBinary, BINARY, VARBINARY, Date)
_EXACT_COLLATIONS: Mapping[str, frozenset[str]] = {
    "postgresql": frozenset({"C", "POSIX"}),
    "sqlite": frozenset({"BINARY"}),
    "mysql": frozenset({"utf8mb4_0900_bin", "utf8mb4_nopad_bin"}),
    "mariadb": frozenset({"utf8mb4_nopad_bin"}),
}

_KEEPS_BLANKS = frozenset({"sqlite"})  # of a CHAR, which the others fill up, or cut off when it is read
# What to compare a CHAR with, so that the database ignores blanks and goes by its index. Others ignore them anyhow.
_BLANK_PADDED: Mapping[str, str] = {
    "postgresql": "CAST({} AS BPCHAR)",
    "mysql": "RTRIM({})",
    "mariadb": "RTRIM({})",
}


def same_bytes(column: Any, value: Any) -> ColumnElement[bool]:
    """Return the condition that a column of a key is exactly a value, byte for byte as the client sees both.

    The plain comparison is a part of it, so that the database goes by its index. (PostgreSQL has no index for a
    comparison that takes NULL for equal to NULL, so there the column of a tenant that may be NULL needs that of a key
    next to it.) Of a CHAR that the database fills up
    with blanks, those at the end do not count.

    Args:
        column: of a table or an alias, or an attribute of a model.
        value: a BindParameter, another column, or what is to be compared with. None, and of a column that may be NULL
            also a parameter that is None, are the same as NULL.
    """
    expression = _expression(column)
    if value is None or isinstance(value, Null):
        is_null: ColumnElement[bool] = expression.is_(None)
        return is_null
    right = _expression(value)
    if not isinstance(right, ColumnElement):
        right = bindparam(None, right, type_=expression.type, unique=True)
    elif isinstance(right, BindParameter) and isinstance(right.type, NullType):
        right = with_type(right, expression.type)
    is_nullable = getattr(expression, "nullable", True)  # unknown of what is no Column
    operator = operators.is_not_distinct_from if is_nullable else operators.eq
    return _SameBytes(expression, right, operator, type_=Boolean())


def compares_exactly(column: Any, dialect: Dialect) -> bool:
    """Return True if it is known that the database's own equality of a column is that of its bytes.

    Of integers, UUIDs, dates and bytes it is, on all that are tested, and of PostgreSQL's enumerations. Of texts it is
    not known, because a model does not say what the database compares: PostgreSQL's `citext` and its nondeterministic
    collations, SQLite's NOCASE and the defaults of MySQL's tables are all mapped as String. It is known of a text whose
    collation the model names, if that compares bytes: "C" on PostgreSQL, "BINARY" on SQLite, "utf8mb4_nopad_bin" on
    MariaDB, "utf8mb4_0900_bin" on MySQL. (`utf8mb4_bin` ignores blanks at the end.)

    Args:
        column: of a table or an alias, or an attribute of a model.
        dialect: of the database.
    """
    return _is_exact(_stored_type(_expression(column).type, dialect), dialect)


class _SameBytes(BinaryExpression[bool]):
    """A comparison, which SQLAlchemy can evaluate in Python like any other; its SQL depends on the database."""

    inherit_cache = True


class _Converted(ColumnElement[Any]):
    """One side of a comparison in the SQL of a database; made while it is compiled, and not cached."""

    inherit_cache = False

    def __init__(self, element: ColumnElement[Any], template: str) -> None:
        self.element = element
        self.template = template


@compiles(_SameBytes)
@discreet(ours_alone=True)
def _render(same: Any, compiler: Any, **kw: Any) -> str:
    name = compiler.dialect.name
    stored = _stored_type(same.right.type if isinstance(same.left.type, NullType) else same.left.type, compiler.dialect)
    left, right = same.left, same.right
    if _is_exact(stored, compiler.dialect):
        plain: str = compiler.process(_compared(same, left, right), **kw)
        return plain
    template = bytes_template(name)
    equal = right
    if isinstance(stored, (CHAR, NCHAR)) and name not in _KEEPS_BLANKS:
        template = template.format("RTRIM({})")
        equal = _Converted(right, _BLANK_PADDED.get(name, "{}"))
    exact = _compared(same, _Converted(left, template), _Converted(right, template))
    return f"({compiler.process(and_(_compared(same, left, equal), exact), **kw)})"


@compiles(_Converted)
@discreet(ours_alone=True)
def _render_converted(side: Any, compiler: Any, **kw: Any) -> str:
    template: str = side.template
    return template.format(compiler.process(side.element, **kw))


def _compared(same: _SameBytes, left: ColumnElement[Any], right: ColumnElement[Any]) -> BinaryExpression[bool]:
    return BinaryExpression(left, right, same.operator, type_=Boolean())


def _is_exact(stored: TypeEngine[Any], dialect: Dialect) -> bool:
    if isinstance(stored, _EXACT) or isinstance(stored.dialect_impl(dialect), postgresql.ENUM):
        return True
    collation = getattr(stored, "collation", None)
    return collation in _EXACT_COLLATIONS.get(dialect.name, ()) and not isinstance(stored, (CHAR, NCHAR))


def _stored_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type that a column has in a database, within those of the application's own."""
    type_ = variant_mapping(type_).get(dialect.name, type_)
    if isinstance(type_, TypeDecorator):
        return _stored_type(type_.load_dialect_impl(dialect), dialect)
    return _stored_type(type_.data_type, dialect) if isinstance(type_, postgresql.DOMAIN) else type_


def _expression(column: Any) -> Any:
    return column.__clause_element__() if hasattr(column, "__clause_element__") else column

"""What fieldcrypt reads of columns and their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import types

from fieldcrypt_sqlalchemy.internals.gate import read

__all__ = [
    "BINARY_TYPE",
    "cache_key",
    "copy_column",
    "enum_members",
    "enum_texts",
    "has_expressions",
    "is_untyped",
    "label",
    "proxied",
    "type_parts",
    "variant_mapping",
    "with_type",
]

BINARY_TYPE: type[Any] = read(types, "_Binary")  # of all types of bytes, each dialect's own ones too


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


def cache_key(type_: Any) -> Any:
    """Return what tells a type apart in SQLAlchemy's statement cache."""
    return read(type_, "_static_cache_key")


def label(column: Any) -> str:
    """Return the name under which the ORM gives a statement the primary key of the row that it is for."""
    name: str = read(column, "_label")
    return name


def copy_column(column: Any) -> Any:
    """Return a copy of a column that belongs to no table."""
    return read(column, "_copy")()

"""Declarations of encrypted columns: their names, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, ColumnDefault, Table
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator, TypeEngine

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import declare_table
from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.logical_name import has_logical_name, logical_name
from fieldcrypt_sqlalchemy.column.protected import protect, protected_within
from fieldcrypt_sqlalchemy.column.type import HAS_PROTECTED, Encrypted
from fieldcrypt_sqlalchemy.internals.column import type_parts

__all__ = ["bind_to_table", "refuse_constraint", "refuse_discriminator"]


def bind_to_table(column: Column[Any], table: Any) -> None:
    """Give a column that joins a table a type with its name, and have an encrypted one refused in expressions.

    A copy, because one type object may have been given to several columns.
    """
    if not isinstance(table, Table):
        return
    name = f"{table.name}.{column.name}"
    if isinstance(column.type, Encrypted):
        _refuse_options(name, column)
        encryptor, fields = column.type.encryptor, logical_name(table)
        column.type = column.type.named(f"{fields}.{column.name}")
        if encryptor is not None:  # rows of such columns can be exchanged anyway; `encrypted` refuses what cannot
            how: dict[str, Any] = {"table": table.fullname, "has_tenants": False, "same_place": True}
            declare_table(encryptor, fields, table, **how, chosen=has_logical_name(table))
        _refuse_shared_companion(name, column, table)
        protect(column)
        setattr(table, HAS_PROTECTED, True)
    elif isinstance(column.type, BlindIndexTag):
        column.type = column.type.copy()
        column.type.column = name
        for index in table.indexes if column.type.array and column.index else ():
            if list(index.columns) == [column]:
                index.dialect_kwargs["postgresql_using"] = "gin"
    elif any(isinstance(part, Encrypted) for part in _parts(column.type)):
        raise ConfigurationError(
            f"{name}: Encrypted goes outermost, around the type of the values, Encrypted(YourType). Within another "
            "type it would be an encrypted column that is not recognised as one"
        )


def _refuse_shared_companion(name: str, column: Any, table: Table) -> None:
    own = [each for index in column.type.indexes for each in index.companions]
    taken: dict[str, str] = {}
    for other in table.c if own else ():
        if isinstance(other.type, Encrypted) and other.key != column.key:
            of_other = f"{table.name}.{other.name}"
            taken |= {each: of_other for index in other.type.indexes for each in index.companions if each in own}
    for companion, other_name in taken.items():
        raise ConfigurationError(
            f"{name} and {other_name} are both indexed by {companion!r}, which has room for the tags of one: a search "
            "would miss rows. Give each a blind index column of its own"
        )


def _parts(type_: TypeEngine[Any]) -> Iterator[Any]:
    """Yield the types that a type is made of."""
    yield from type_parts(type_)
    yield getattr(type_, "item_type", None)
    if isinstance(type_, TypeDecorator):
        yield type_.impl_instance


def _refuse_options(name: str, column: Any) -> None:
    if column.primary_key or column.unique or column.index or column.foreign_keys:
        raise _not_comparable_error(name, "a key, unique or indexed")
    if column.server_default is not None or column.server_onupdate is not None:
        raise ConfigurationError(
            f"{name} is encrypted, so the database cannot make its values, which it would have to know: use a "
            "Python-side default, default=…"
        )
    if column.type.indexes and column.onupdate is not None:
        raise ConfigurationError(f"{name} is searchable, so it can have no onupdate: its tag would not follow")
    for default in (column.default, column.onupdate):
        if default is not None and not (isinstance(default, ColumnDefault) and not default.is_clause_element):
            raise ConfigurationError(
                f"{name} is encrypted, so its default must be a value or a function of Python's: an SQL expression "
                "would be computed, and known, by the database"
            )


def refuse_constraint(constraint: Any, table: Any) -> None:
    """Refuse a constraint that has the database compare ciphertext.

    Raises:
        ConfigurationError: it has an encrypted column.
    """
    for column in constraint.columns if isinstance(table, Table) else ():
        if isinstance(column.type, Encrypted):
            raise _not_comparable_error(f"{table.name}.{column.name}", "in a constraint")


def refuse_discriminator(mapper: Mapper[Any], cls: type) -> None:
    """Refuse to tell classes by an encrypted column: each SELECT of a subclass would compare it."""
    on = mapper.polymorphic_on
    for column in () if on is None else protected_within(on):
        raise ConfigurationError(
            f"{cls.__name__} is polymorphic_on {column}, which is encrypted, so the database cannot select the rows of "
            "a subclass: tell classes by a column that is not encrypted"
        )


def _not_comparable_error(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is encrypted, so it cannot be {what}: the database would compare ciphertext, which differs each time "
        "that a value is encrypted. For a unique or searchable value declare a blind index: Encrypted(…, index=…)"
    )

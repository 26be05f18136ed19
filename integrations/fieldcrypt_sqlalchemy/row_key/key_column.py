"""Refuses columns of a row's key and tenant that the database makes or changes by itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DefaultClause
from sqlalchemy.types import NullType

from fieldcrypt import ConfigurationError

__all__ = ["check_key_column", "check_member_column"]

_CHANGES = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})  # what a foreign key may do to the rows that refer

_MAKE_KEY = (
    "Make the key in the client, for example id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4); or "
    "name other attributes that identify a row. An integer key that the application gives itself is declared with "
    "autoincrement=False"
)
_SET_TENANT = (
    "Set the tenant in the application: by hand, or with a Python-side default, default=…, in addition to the server's"
)


def check_key_column(name: str, column: Column[Any], *, is_tenant: bool = False) -> None:
    """Refuse a column whose value the application does not know before it is sent, or that changes without it.

    Args:
        name: the attribute's, for messages.
        column: part of a row's key, or its tenant.
        is_tenant: which of the two.

    Raises:
        ConfigurationError: it is such a column, and what to do instead.
    """
    if _is_made_by_database(column):
        raise ConfigurationError(
            f"{name} is made by the database, so a new row's values cannot be bound to it before they are sent. "
            + (_SET_TENANT if is_tenant else _MAKE_KEY)
        )
    if column.onupdate is not None or column.server_onupdate is not None:
        raise ConfigurationError(
            f"{name} has an onupdate: it would change with every UPDATE, and the row's values are bound to it. "
            "Declare it without"
        )
    _check_foreign_keys(name, column)
    if isinstance(column.type, NullType):
        raise ConfigurationError(
            f"{name} has no type yet: it has none of its own, or takes that of a foreign key's table which is declared "
            "later: give it the type, for example mapped_column(Uuid, ForeignKey(…))"
        )


def check_member_column(name: str, column: Column[Any]) -> None:
    """Refuse a plain column as a member of a compound index if its value is not known before it is sent, or changes.

    Args:
        name: the attribute's, for messages.
        column: its column.

    Raises:
        ConfigurationError: it is such a column.
    """
    if _is_made_by_database(column) or column.onupdate is not None or column.server_onupdate is not None:
        raise ConfigurationError(
            f"{name} is made, or changed, by the database or an onupdate, so the tags of a compound index would not "
            "follow: set it in the application, or with a Python-side default, default=…"
        )
    _check_foreign_keys(name, column)


def _is_made_by_database(column: Column[Any]) -> bool:
    default = column.default
    if default is not None and (default.is_sequence or default.is_clause_element):
        return True
    if column.identity is not None or column.computed is not None:
        return True
    if column.server_default is not None:
        # One of Python's wins over a DEFAULT, and over nothing else that is made by a server: a trigger, for one.
        return default is None or not isinstance(column.server_default, DefaultClause)
    return default is None and column is getattr(column.table, "autoincrement_column", None)


def _check_foreign_keys(name: str, column: Column[Any]) -> None:
    for key in column.foreign_keys:
        declared = (key, key.constraint)
        update = {(getattr(each, "onupdate", None) or "").upper() for each in declared}
        delete = {(getattr(each, "ondelete", None) or "").upper() for each in declared}
        changing = [f"ON UPDATE {each}" for each in update & _CHANGES]
        changing += [f"ON DELETE {each}" for each in delete & _CHANGES - {"CASCADE"}]  # which deletes the row
        if changing:
            raise ConfigurationError(
                f"{name} is a foreign key with {changing[0]}: the database would change it by itself, and the row's "
                "values, which are bound to it, could not be read any more. Declare it without, and bind to keys that "
                "do not change, a UUID for one; or name other attributes that identify the row and its tenant"
            )

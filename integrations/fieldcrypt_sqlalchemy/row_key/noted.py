"""Notes on tables which decorated models have rows in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.sql.selectable import AliasedReturnsRows

if TYPE_CHECKING:
    from fieldcrypt_sqlalchemy.row_key.row_key import RowKey

__all__ = [
    "ROW_KEYS",
    "binding_columns",
    "compound_columns",
    "compounds_behind",
    "note_row_key",
    "row_keys_behind",
    "row_keys_of",
]

ROW_KEYS = "fieldcrypt_row_keys"  # an attribute of tables; migrations show `info`


def note_row_key(table: Any, key: RowKey) -> None:
    """Note that a table has rows of a decorated model: its key, its tenant, or protected values."""
    keys = table.__dict__.setdefault(ROW_KEYS, [])
    keys[:] = [each for each in keys if each.mapper is not key.mapper] + [key]


def row_keys_of(table: Any) -> Sequence[RowKey]:
    """Return what tells the rows of the decorated models that a table has rows of."""
    keys: Sequence[RowKey] = getattr(table, ROW_KEYS, ())
    return keys


def row_keys_behind(table: Any) -> Sequence[RowKey]:
    """Return what tells the rows of the models that an alias, or a copy, of their table stands for."""
    base = table
    while isinstance(base, AliasedReturnsRows):
        base = base.element
    of_types = [column.type.row_key for column in table.c if hasattr(column.type, "row_key")]
    return [*row_keys_of(base), *of_types]


def binding_columns(table: Any) -> set[str]:
    """Return the keys of the columns of a table, or of an alias, that values of decorated models are bound to."""
    names = ((key, name) for key in row_keys_behind(table) for name in key.binding_names)
    return {column.key for key, name in names for column in key.columns_of(name)} & set(table.c.keys())


def compound_columns(table: Any) -> set[str]:
    """Return the keys of the members and companions of a table's compound indexes."""
    compounds = compounds_behind(table)
    return {each.key for compound in compounds for each in (compound.companion, *compound.columns.values())}


def compounds_behind(table: Any) -> list[Any]:
    """Return the compound indexes of a table, or of what an alias or a copy of it stands for: one for each companion.

    Classes that inherit share those of their table.
    """
    keys = [key for key in row_keys_of(table) or row_keys_behind(table) if key.compounds]
    known = {column.key for column in table.c if getattr(column.type, "compound", None) is not None} if keys else ()
    found = {each.companion.key: each for key in keys for each in key.compounds}
    return [compound for key, compound in found.items() if key in known]

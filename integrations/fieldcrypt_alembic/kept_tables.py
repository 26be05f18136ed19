"""Recognises the tables that hold data keys and checkpoints of migrations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.types import TypeEngine

from fieldcrypt_sqlalchemy.key_store import SqlKeyStore
from fieldcrypt_sqlalchemy.key_store.claims import Claims
from fieldcrypt_sqlalchemy.migration.journal.checkpoint_tables import ranges, runs

__all__ = ["content_of"]

_KEPT = {
    Claims.define(MetaData(), "data_keys", None): "claims of first data keys, without which processes make one each",
    SqlKeyStore.define(MetaData()): "data keys, without which nothing that is encrypted under them can be read",
    runs: "how far migrations of fieldcrypt are",
    ranges: "how far migrations of fieldcrypt are",
}
_TELLING = (str, bytes)  # databases do not agree on the types of numbers and booleans


def content_of(columns: Iterable[tuple[str, TypeEngine[Any]]]) -> str | None:
    """Return what a table holds for fieldcrypt, or None for any other table.

    Told by its columns, because a key store's table can have any name. It may have more columns than fieldcrypt made,
    and text and binary of any length: a database administrator may have written it by hand.

    Args:
        columns: names and types, of the database or of a declaration.
    """
    found = {name.lower(): _python_type(type_) for name, type_ in columns}
    for table, content in _KEPT.items():
        wanted = {column.name: _python_type(column.type) for column in table.columns}
        if all(name in found and (of not in _TELLING or found[name] is of) for name, of in wanted.items()):
            return content
    return None


def _python_type(type_: TypeEngine[Any]) -> type[Any] | None:
    try:
        return type_.python_type
    except NotImplementedError:
        return None

"""Tracks changes within encrypted values, if their type was declared to be mutable."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from sqlalchemy import Column
from sqlalchemy.ext.mutable import Mutable
from sqlalchemy.orm import Mapper

from fieldcrypt_sqlalchemy.column.type import Encrypted

__all__: list[str] = []

_NOTE = "_ext_mutable_orig_type"  # of a column whose values are tracked, as SQLAlchemy makes it for `as_mutable`


def _looks(method: str) -> CodeType:
    """Return the function in a method of Mutable that looks at mapped columns, and would not look into an Encrypted.

    Without a default: a SQLAlchemy that has another one stops the import, and loses no changes.
    """
    parts = vars(Mutable)[method].__func__.__code__.co_consts
    return next(part for part in parts if isinstance(part, CodeType) and part.co_name == "listen_for_type")


_LOOKS = frozenset({_looks("associate_with"), _looks("as_mutable")})


def track_types_inside(mapper: Mapper[Any], cls: Any) -> None:
    """Do for `Encrypted(JSON)` what `MutableDict.associate_with(JSON)` does for JSON.

    And for `Encrypted(MutableDict.as_mutable(JSON))` what is meant by it.
    """
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        if not isinstance(column, Column) or not isinstance(column.type, Encrypted):
            continue
        inner = column.type.type_
        for mutable, meant in _associations(mapper):
            if isinstance(inner, meant) if isinstance(meant, type) else inner is meant:
                column.info.setdefault(_NOTE, column.type)  # decorated models open such values when they are loaded
                mutable.associate_with_attribute(getattr(cls, attribute.key))


def _associations(mapper: Mapper[Any]) -> Iterator[tuple[type[Mutable], Any]]:
    """Yield what `associate_with` was called on, and with, so far; likewise `as_mutable`, with the type it returned."""
    for listener in mapper.dispatch.mapper_configured:
        for function in (listener, _enclosed(listener, "fn")):  # SQLAlchemy puts a function around what listens
            if isinstance(function, FunctionType) and function.__code__ in _LOOKS:
                yield _enclosed(function, "cls"), _enclosed(function, "sqltype")


def _enclosed(function: Any, name: str) -> Any:
    """Return a variable that a function has from the function around it, or None."""
    if not isinstance(function, FunctionType) or name not in function.__code__.co_freevars:
        return None
    return (function.__closure__ or ())[function.__code__.co_freevars.index(name)].cell_contents

"""Companions in a migration: those whose values are in other columns, or that are erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, or_, type_coerce
from sqlalchemy.types import LargeBinary, NullType, TypeEngine

from fieldcrypt.spi.migration import Cell, ErasedTags, ProtectedField, Which
from fieldcrypt_sqlalchemy.migration.row.stored_form import as_told

__all__ = ["ErasedColumns", "TaggedColumns", "tag_type", "tags_as_told"]


class TaggedColumns(ProtectedField, Protocol):
    """A field of a row that has companions, and no column of its own.

    Attributes:
        companions: the columns with the tags.
        names: of the columns that are written, in the order in which they are read last.
    """

    companions: tuple[Column[Any], ...]
    names: Sequence[str]

    def selected(self) -> list[Any]:
        """Return what of it is read in a row."""
        ...

    def cell(self, values: Iterator[Any]) -> Cell:
        """Take the next values of a row."""
        ...

    def is_of(self, which: Which, at: Callable[[Any], Any]) -> Any:
        """See `MigratedColumn.is_of`."""
        ...

    def declared(self) -> Iterator[str]:
        """See `MigratedColumn.declared`."""
        ...


class ErasedColumns(ErasedTags, TaggedColumns):
    """Companions whose tags are all to go."""

    def __init__(self, companions: Sequence[Column[Any]]) -> None:
        super().__init__(tuple(each.name for each in companions))
        self.companions, self.names = tuple(companions), self.tag_names

    def selected(self) -> list[Any]:
        return [type_coerce(each, NullType()) for each in self.companions]

    def cell(self, values: Iterator[Any]) -> Cell:
        return Cell(None, {name: tags_as_told(next(values)) for name in self.tag_names})

    def is_of(self, which: Which, at: Callable[[Any], Any]) -> Any:
        return or_(*(at(each).is_not(None) for each in self.companions))

    def declared(self) -> Iterator[str]:
        yield from self.tag_names


def tag_type(companion: Column[Any]) -> TypeEngine[Any]:
    """Return the type to read and write a companion with, past what guards it."""
    found: Any = companion.type
    return found.impl if found.array else LargeBinary()


def tags_as_told(stored: Any) -> Any:
    """Return the tag, or the tags of an array, that were read from a companion."""
    return [as_told(each) for each in stored] if isinstance(stored, list) else as_told(stored)

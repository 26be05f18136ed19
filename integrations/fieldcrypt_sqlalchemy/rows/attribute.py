"""An attribute of a mapped class with an encrypted column."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Column
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import set_attribute

from fieldcrypt_sqlalchemy.column.tagger import StoredTags, Tagger
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.defaults import by_column, python_default
from fieldcrypt_sqlalchemy.rows.sealed_field import SealedField

__all__ = ["ProtectedAttribute"]

_MUTABLE = frozenset({"_ext_mutable_orig_type", "ext_mutable_orig_type"})  # noted by sqlalchemy.ext.mutable


class ProtectedAttribute:
    """An attribute with an encrypted column."""

    def __init__(self, key: str, column: Column[Any], mapper: Mapper[Any]) -> None:
        self.key = key
        self.column = column
        self.type: Encrypted = column.type  # type: ignore[assignment]
        self.searchable = bool(self.type.indexes)  # it has companions
        self._mapper = mapper

    @cached_property
    def field(self) -> SealedField:
        """What seals the column's values."""
        return SealedField(self.type)

    @cached_property
    def tagger(self) -> Tagger:
        """What makes the column's tags."""
        return self.type.tagger

    @cached_property
    def tag_keys(self) -> dict[str, str]:
        """The attributes of the companion columns, by their names in the declaration."""
        found = self.tagger.companions(self.column).items() if self.searchable else ()
        return {name: self._mapper.get_property_by_column(column).key for name, column in found}

    @property
    def is_read_past(self) -> bool:
        """Whether something reads the value past the attribute; known once the mapper is configured.

        Pydantic does, and so do SQLAlchemy's composite values, and its tracking of changes within values.
        """
        return (
            hasattr(self._mapper.class_, "__pydantic_fields__")
            or not _MUTABLE.isdisjoint(self.column.info)
            or any(self.key == part.key for composite in self._mapper.composites for part in composite.props)
        )

    def put_tags(self, values: dict[str, Any], value: Any, row: BoundRow) -> StoredTags:
        """Put the tags that a value has in a row into the row's values, and return them by companion."""
        tags = self.tagger.stored_tags(value, row.tenant, row.context)
        for name, key in self.tag_keys.items():
            values[key] = tags[name]
        return tags

    def set_tags(self, instance: Any, tags: StoredTags) -> None:
        """Set the tags of an object, for SQLAlchemy to write them."""
        for name, key in self.tag_keys.items():
            set_attribute(instance, key, tags[name])

    def default(self, values: Mapping[str, Any]) -> Any:
        """Return the Python-side default for a new row of these values, or None."""
        return python_default(self.column, lambda: by_column(self._mapper, values))

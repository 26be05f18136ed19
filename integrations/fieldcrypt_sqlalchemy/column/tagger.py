"""Makes the tags of a searchable column, and knows its companions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, PrimaryKeyConstraint, Table, TableClause, UniqueConstraint, types
from sqlalchemy.types import TypeEngine

from fieldcrypt import ConfigurationError, Encryptor, FieldcryptError, IndexedBy, Protection
from fieldcrypt.spi import MIN_MEMBERS, FieldIndexes, located
from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag, Tag, Tags
from fieldcrypt_sqlalchemy.errors import column_error
from fieldcrypt_sqlalchemy.internals.column import proxied
from fieldcrypt_sqlalchemy.offload import in_thread
from fieldcrypt_sqlalchemy.value.conversion import conversion

__all__ = ["MOST_TAGS", "Companions", "StoredTags", "Tagger", "as_tags", "check_index"]

MOST_TAGS = 1_000  # of one question: they are parameters of a statement

StoredTags = dict[str, Tag | Tags | None]  # by companion


def check_index(type_: TypeEngine[Any], protection: Protection) -> None:
    """Raise what is wrong with the declaration of a searchable column.

    Raises:
        ConfigurationError: the type has so few values that the tags' frequencies tell them.
        TypeError, ValueError: as for `Encryptor.blind_index`.
    """
    _field_indexes(type_, protection, Encryptor(), "declared").check_most(MOST_TAGS)


def _field_indexes(type_: TypeEngine[Any], protection: Protection, encryptor: Encryptor, name: str) -> FieldIndexes:
    few = isinstance(type_, types.Enum) and protection.type is str and len(type_.enums) < MIN_MEMBERS
    if few and not all(index.accept_low_cardinality for index in protection.indexes):
        raise ConfigurationError(
            "an Enum has so few values that the tags' frequencies reveal which is which: search by something else, or "
            "if that is acceptable say accept_low_cardinality=True"
        )
    for index in protection.indexes:
        index.check_plain_tags()
    return protection.field_indexes(encryptor, name, protection.type, in_thread)


def _is_unique(column: Any) -> bool:
    if not isinstance(column.table, Table):
        return False  # a description in few words does not say
    constraints = (
        constraint
        for constraint in column.table.constraints
        if isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint))
    )
    indexes = (index for index in column.table.indexes if index.unique)
    return column.unique or any(column in constraint.columns.values() for constraint in (*constraints, *indexes))


class Companions:
    """The columns that hold the tags of some indexes.

    Args:
        described: what is indexed, for messages.
        indexes: their declarations.
    """

    def __init__(self, described: str, indexes: Sequence[IndexedBy]) -> None:
        self._described = described
        self._declared = {name: how for how in indexes for name in how.companions}

    def find(self, table: Any, name: str) -> Column[Any]:
        """Return a companion in the table that has the values.

        Raises:
            ConfigurationError: there is none, or the two do not fit.
        """
        found, how = table.c.get(name), self._declared[name]
        declare = f"{name} = blind_index({'array=True' if how.one_companion else ''})"
        if found is None:
            raise self.missing_error(table, name, f"declare it, {declare}, or mend the name in index=")
        if not isinstance(found.type, BlindIndexTag) or found.type.array != how.one_companion:
            raise ConfigurationError(
                f"{self._described} is indexed by {name!r}, which is not a blind index column: declare it by {declare}"
            )
        if (how.hides or found.type.array) and _is_unique(found):
            raise ConfigurationError(
                f"{name!r} cannot be unique with tags shorter than 16 bytes or partitions, nor as an array: other "
                "values have the same, or equal ones have others"
            )
        if how.of is not None and how.of.needs_leakage and _is_unique(found):
            raise ConfigurationError(
                f"{name!r} cannot be unique: it is a level of {type(how.of).__name__}, where different values share a "
                'tag. To keep values unique, make the companion of an index without of= unique, IndexedBy("…"), or '
                "that of a CompoundIndex"
            )
        return found  # type: ignore[no-any-return]

    def missing_error(self, table: Any, name: str, instead: str) -> ConfigurationError:
        """Return the error of a table, alias or subquery without a companion."""
        return ConfigurationError(
            f"{self._described} is indexed by {name!r}, but {table} has no such column: {instead}"
        )


class Tagger:
    """Makes the tags of one searchable column; safe to use from many threads.

    Args:
        protection: of the column; it has a name.
        type_: of the values.
        encryptor: where keys come from.
        writes: False while plaintext is written, which has no tags.

    Attributes:
        indexes: of the column's field, whose values they take: those of the column after `to_field`.
    """

    def __init__(self, protection: Protection, type_: TypeEngine[Any], encryptor: Encryptor, writes: bool) -> None:
        self.name = protection.name or ""
        self.described = f"the encrypted column {self.name}"
        self._writes = writes
        self.to_field = conversion(type_).to_field
        self.indexes = _field_indexes(type_, protection, encryptor, self.name)
        self.per_tenant, self.needs_row = self.indexes.is_per_tenant, self.indexes.needs_row
        self._companions = Companions(self.described, protection.indexes)

    def stored_tags(self, value: Any, tenant: str | None, row: Mapping[str, str] | None = None) -> StoredTags:
        """Return what each companion holds next to a value that is stored; None where it is stored without tags.

        Args:
            value: as the application has it.
            tenant, row: of the row, as a decorated model knows them.

        Raises:
            ProtectedColumnError: tags are per tenant, or depend on the row, and it is not known.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tag`.
        """
        try:
            return self.stored_tags_of_field(self.converted(value), tenant, row)
        except (TypeError, ValueError, FieldcryptError) as error:
            raise located(error, field=self.name, tenant=tenant) from error.__cause__

    def stored_tags_of_field(self, value: Any, tenant: str | None, row: Mapping[str, str] | None = None) -> StoredTags:
        """Return the same of a value as the column's Field has it.

        Raises:
            As `stored_tags`.
        """
        if value is None or not self._writes:
            # plaintext has none: writers that know of no tags would leave those of its former values next to it
            return dict.fromkeys(self.indexes.companions)
        if self.per_tenant and tenant is None:
            raise column_error(
                self, "has tags per tenant, which only a model that is decorated with @encrypted(…, tenant=…) knows"
            )
        if self.needs_row and row is None:
            raise column_error(
                self, "has tags that depend on the row, which only a model that is decorated with @encrypted(…) knows"
            )
        return as_tags(self.indexes.tags(value, tenant=tenant, row=row))

    def companions(self, column: Any) -> dict[str, Column[Any]]:
        """Return all companions, by their names in the declaration, next to a searchable column.

        Raises:
            ConfigurationError: one is missing, or does not fit.
        """
        return {name: self.companion(column, name) for name in self.indexes.companions}

    def companion(self, column: Any, name: str) -> Column[Any]:
        """Return a companion in the table, alias or subquery that a searchable column is of.

        Args:
            column: the searchable column.
            name: the companion's.

        Raises:
            ConfigurationError: there is none, or the two do not fit.
        """
        table = column.table
        if isinstance(table, TableClause):
            return self._companions.find(table, name)
        # Through what the column was copied from, because two tables within a subquery may have a column of this name.
        stands_for = proxied(column)
        found = table.corresponding_column(self.companion(stands_for[0], name)) if stands_for else None
        if found is None:
            raise self._companions.missing_error(table, name, f"select {name} there as well")
        return found  # type: ignore[no-any-return]

    def converted(self, value: Any) -> Any:
        """Return a value of the application's as the column's field has it."""
        return value if value is None or self.to_field is None else self.to_field(value)


def as_tags(stored: Mapping[str, Any]) -> StoredTags:
    """Return tags as companions take them."""
    found: StoredTags = {}
    for name, tags in stored.items():  # a loop, because in Python 3.11 a comprehension is a call
        found[name] = Tag(tags) if tags.__class__ is bytes else None if tags is None else Tags(map(Tag, tags))
    return found

"""Makes the tags of a searchable column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, PrimaryKeyConstraint, Table, TableClause, UniqueConstraint, types
from sqlalchemy.types import TypeEngine

from fieldcrypt import BlindIndex, ConfigurationError, Encryptor, FieldcryptError, Protection
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.spi import MIN_MEMBERS, located
from fieldcrypt_sqlalchemy.column.companion import NO_TAG, BlindIndexTag, Tag
from fieldcrypt_sqlalchemy.errors import column_error
from fieldcrypt_sqlalchemy.internals.column import proxied
from fieldcrypt_sqlalchemy.offload import in_thread
from fieldcrypt_sqlalchemy.value.conversion import conversion

__all__ = ["Tagger", "check_index"]


def check_index(type_: TypeEngine[Any], protection: Protection) -> None:
    """Raise what is wrong with the declaration of a searchable column.

    Raises:
        ConfigurationError: the type has so few values that the tags' frequencies tell them.
        TypeError, ValueError: as for `Encryptor.blind_index`.
    """
    _blind_index(type_, protection, Encryptor(), "declared")


def _blind_index(type_: TypeEngine[Any], protection: Protection, encryptor: Encryptor, name: str) -> BlindIndex[Any]:
    few = isinstance(type_, types.Enum) and protection.type is str and len(type_.enums) < MIN_MEMBERS
    if few and not all(index.accept_low_cardinality for index in protection.indexes):
        raise ConfigurationError(
            "an Enum has so few values that the tags' frequencies reveal which is which: search by something else, or "
            "if that is acceptable say accept_low_cardinality=True"
        )
    for index in protection.indexes:
        index.check_plain_tags()
    return protection.blind_indexes(encryptor, name, in_thread)[0]


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


class Tagger:
    """Makes the tags of one searchable column; safe to use from many threads.

    Args:
        protection: of the column; it has a name.
        type_: of the values.
        encryptor: where keys come from.
        writes: False while plaintext is written, which has no tags.
    """

    def __init__(self, protection: Protection, type_: TypeEngine[Any], encryptor: Encryptor, writes: bool) -> None:
        index = protection.indexes[0]
        self.name = protection.name or ""
        self.described = f"the encrypted column {self.name}"
        self._column = index.companion
        self.per_tenant = index.per_tenant
        self._writes = writes
        self._to_field = conversion(type_).to_field
        self._index = _blind_index(type_, protection, encryptor, self.name)
        self.truncated = self._index.truncated

    def check(self, value: Any) -> None:
        """Raise what searching for a value would raise, apart from what has to do with keys.

        Raises:
            TypeError, ValueError: it is not a value of the column's, or is one that has no tag.
        """
        try:
            converted = self._converted(value)
            if converted is not None:
                self._index.normalise(converted)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            refused = kind(f"{self.described} cannot be searched for that: {error}")
        else:
            return
        raise located(refused, field=self.name)

    def tag(self, value: Any, tenant: str | None) -> Tag | None:
        """Return the tag of a value that is stored; None if it is stored without one.

        Raises:
            ProtectedColumnError: tags are per tenant, and it is not known.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tag`.
        """
        try:
            return self.tag_of_field(self._converted(value), tenant)
        except (TypeError, ValueError, FieldcryptError) as error:
            raise located(error, field=self._index.name, tenant=tenant) from error.__cause__

    def tag_of_field(self, value: Any, tenant: str | None) -> Tag | None:
        """Return the tag of a value as the column's Field has it.

        Raises:
            As `tag`.
        """
        if value is None or not self._writes:
            return None  # of plaintext, beside which others that know of no tags would leave those of its former values
        if self.per_tenant and tenant is None:
            raise column_error(
                self, "has tags per tenant, which only a model that is decorated with @encrypted(…, tenant=…) knows"
            )
        try:
            return Tag(self._index.tag(value, tenant=tenant))
        except NothingToTagError:
            return None

    def tags(self, values: Sequence[Any], tenant: str | None) -> list[Tag | None]:
        """Return all tags that stored values may have that are equal to one of these; `NO_TAG` if there can be none.

        For what the column's type makes NULL it is None, so that the database answers as it does of NULL.

        Raises:
            As `tag`.
        """
        found: list[Tag | None] = []
        for value in map(self._converted, values):
            found += [None] if value is None else map(Tag, self._index.tags(value, tenant=tenant))
        return list(dict.fromkeys(found)) or ([NO_TAG] if values else [])

    def matches(self, stored: Any, value: Any) -> bool:
        """Return True if a stored value, decrypted, is equal to one that was searched for."""
        one, other = self._converted(stored), self._converted(value)
        if one is None or other is None:
            return False
        try:
            return self._index.matches(one, other)
        except NothingToTagError:  # of the stored one, whose tag was copied
            return False

    def companion(self, column: Any) -> Column[Any]:
        """Return the companion column, in the table, alias or subquery that a searchable column is of.

        Raises:
            ConfigurationError: there is none, or the two do not fit.
        """
        table = column.table
        if isinstance(table, TableClause):
            found = table.c.get(self._column)
            if found is not None:
                self._check_pair(column, found)
        else:
            # By way of what the column was copied from: two tables within a subquery may have a column of this name.
            stands_for = proxied(column)
            found = table.corresponding_column(self.companion(stands_for[0])) if stands_for else None
        if found is None:
            instead = (
                f"declare it, {self._column} = blind_index(), or mend the name in index="
                if isinstance(table, TableClause)
                else f"select {self._column} there as well"
            )
            raise ConfigurationError(
                f"{self.described} is indexed by {self._column!r}, but {table} has no such column: {instead}"
            )
        return found  # type: ignore[no-any-return]

    def _check_pair(self, column: Any, companion: Any) -> None:
        if not isinstance(companion.type, BlindIndexTag):
            raise ConfigurationError(
                f"{self.described} is indexed by {self._column!r}, which is not a blind index column: declare "
                f"it by {self._column} = blind_index()"
            )
        if self.truncated and _is_unique(companion):
            raise ConfigurationError(
                f"{self._column!r} cannot be unique with tags shorter than 16 bytes: other values have the same"
            )

    def _converted(self, value: Any) -> Any:
        return value if value is None or self._to_field is None else self._to_field(value)

"""A compound index of a decorated model: the column of its tags, and the members that they are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Column
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import ColumnElement

from fieldcrypt import CompoundIndex, ConfigurationError, Encryptor, FieldcryptError
from fieldcrypt.spi import FieldIndexes, located
from fieldcrypt_sqlalchemy.column.companion import Tag
from fieldcrypt_sqlalchemy.column.tagger import MOST_TAGS, Companions, as_tags
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, parameterless_error
from fieldcrypt_sqlalchemy.offload import in_thread
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.columns import RowSpec
from fieldcrypt_sqlalchemy.row_key.key_column import check_member_column
from fieldcrypt_sqlalchemy.row_key.key_part import as_stored
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.search.condition import search_together
from fieldcrypt_sqlalchemy.value.conversion import conversion

__all__ = ["Compound"]


class Compound:
    """A compound index of a decorated model.

    Args:
        how: its declaration.
        mapper: the model's.
        spec: how the model is decorated.

    Attributes:
        how: as given.
        described: what it is called in messages.
        name: the logical name of the record.
        columns: of its members, by attribute, all in one table.
        protected: the attributes of those that are encrypted.
        companion: the column of its tags; its type has this as `compound`.
        types: of the members' values, as fields have them.

    Raises:
        ConfigurationError: a member or the companion is missing, is in another table, or is a column that the database
            fills or changes; or the declaration needs a tenant, and there is none.
    """

    def __init__(self, how: CompoundIndex, mapper: Mapper[Any], spec: RowSpec) -> None:
        model = mapper.class_.__name__
        self.how = how
        self.described = f"the compound index {model}.{how.companion}"
        table, self.columns = self._found(mapper)
        self.protected = frozenset(key for key, each in self.columns.items() if isinstance(each.type, Encrypted))
        if not self.protected:
            raise ConfigurationError(
                f"{self.described} has no encrypted member, so its tags would hide nothing: let the database index the "
                "columns themselves"
            )
        if how.per_tenant and spec.tenant is None:
            raise ConfigurationError(
                f"{self.described} has tags per tenant, but nothing says whose the row is: @encrypted(…, tenant=…) does"
            )
        own = {self.columns[key].type.encryptor for key in self.protected}  # type: ignore[attr-defined]
        self._encryptor: Encryptor | None = spec.encryptor or (own.pop() if len(own) == 1 else None)
        if self._encryptor is None:
            raise ConfigurationError(f"{self.described}: name its Encryptor, @encrypted(encryptor, …)")
        self._writes = all(self.columns[key].type.write for key in self.protected)  # type: ignore[attr-defined]
        self.name = spec.logical_name(table)
        self.types: dict[str, Any] = {}
        self._to_field: dict[str, tuple[Callable[[Any], Any], ...]] = {}
        for key, column in self.columns.items():
            self._add(f"{model}.{key}", key, column)
        self._check(table)

    def _found(self, mapper: Mapper[Any]) -> tuple[Any, dict[str, Column[Any]]]:
        """Return the table of the companion, and the columns of the members in it."""
        for key in self.how.of:
            if key not in mapper.columns:
                known = ", ".join(mapper.columns.keys())
                raise ConfigurationError(f"{self.described} is of {key!r}, which is no attribute of it. It has {known}")
        first = next(iter(self.how.of))
        for table in mapper.tables:
            columns = {key: mapper.get_property_by_column(mapper.columns[key]).columns for key in self.how.of}
            found = {key: next((each for each in of if each.table is table), None) for key, of in columns.items()}
            if found[first] is not None and all(each is not None for each in found.values()):
                return table, found  # type: ignore[return-value]
        raise ConfigurationError(
            f"{self.described}: its members are in several tables, which one statement does not write together. "
            "Declare it of columns of one table"
        )

    def _add(self, name: str, key: str, column: Column[Any]) -> None:
        """Note what turns a member's values into those of fields: a plain one's by way of what the database returns."""
        inner: Any = column.type
        steps = []
        if isinstance(inner, Encrypted):
            inner = inner.type_
        else:
            check_member_column(name, column)
            try:
                steps.append(as_stored(name, inner))
            except ConfigurationError as error:
                raise ConfigurationError(f"{self.described}: {error}") from None
        self.types[key], to_field, _, _ = conversion(inner)
        self._to_field[key] = tuple(each for each in (*steps, to_field) if each is not None)

    def _check(self, table: Any) -> None:
        how = self.how.indexed_by(self.types)
        how.check_plain_tags()
        indexes = self.how.indexes(Encryptor(), "declared", self.types)
        indexes.check_most(MOST_TAGS)
        self.companion = Companions(self.described, (how,)).find(table, self.how.companion)
        self.companion.type.compound = self  # type: ignore[attr-defined]

    @cached_property
    def indexes(self) -> FieldIndexes:
        """Makes its tags, and answers `AllEqual`, for mappings that `converted` returns."""
        encryptor: Any = self._encryptor
        return self.how.indexes(encryptor, self.name, self.types, in_thread)

    def converted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of members as fields have them; None for one that is missing.

        Args:
            values: by attribute, as the application has them.

        Raises:
            TypeError, ValueError: one is not a value of its column's.
        """
        found = {}
        for key, steps in self._to_field.items():
            value = values.get(key)
            for step in steps:
                value = value if value is None else step(value)
            found[key] = value
        return found

    def tag(self, values: Mapping[str, Any], row: BoundRow | None) -> Tag | None:
        """Return the tag of a row's members; None if one of them is missing, or still written as plaintext.

        Args:
            values: of all members, by attribute, in plaintext.
            row: the row that they are in.

        Raises:
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tag`, in a form that SQLAlchemy
                does not wrap with the statement's parameters.
        """
        if row is None or not self._writes or any(values.get(key) is None for key in self.columns):
            return None
        try:
            made = as_tags(self.indexes.tags(self.converted(values), tenant=row.tenant, row=row.context))
            return made[self.how.companion]  # type: ignore[return-value]  # it has one level
        except (TypeError, ValueError, FieldcryptError) as error:
            refused = parameterless_error(located(error, field=self.name, tenant=row.tenant))
        raise refused

    # Asking: in the place of a Tagger

    @property
    def members(self) -> tuple[str, ...]:
        """The attributes that it is of."""
        return tuple(self.columns)

    def equals(self, column: Any, values: dict[str, Any], tenant: str | None = None) -> ColumnElement[bool]:
        """Return the condition that all members have these values.

        Args:
            column: the companion, of a table, an alias or a subquery.
            values: by attribute.
            tenant: whose tags are meant, if they are per tenant.

        Raises:
            ProtectedColumnError, TypeError, ValueError: as for `search`.
        """
        return search_together(column, self, values, tenant)

    def tenant_text(self, tenant: Any) -> str:
        """Return the text of a tenant, as of the model's tenant attribute."""
        return self._row_key.tenant_text(tenant)

    def tenant_of(self, instance: Any) -> str:
        """Return the same of an object."""
        return self._row_key.tenant_of(instance)

    @property
    def _row_key(self) -> RowKey:
        return self.columns[min(self.protected)].type.row_key  # type: ignore[attr-defined, no-any-return]

    def refused_error(self, why: str) -> ProtectedColumnError:
        """Return the error of a statement that would leave a wrong tag."""
        return ProtectedColumnError(f"{self.described} is of {', '.join(self.columns)}: {why}", field=self.name)

"""The columns that hold what the values of a decorated model are bound to: a row's key and its tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_
from sqlalchemy.orm import Mapper

from fieldcrypt import CompoundIndex, Encryptor
from fieldcrypt_sqlalchemy.column.logical_name import logical_name
from fieldcrypt_sqlalchemy.row_key.key_part import as_stored
from fieldcrypt_sqlalchemy.row_key.previous_columns import PreviousColumns

__all__ = ["KeyColumns", "RowSpec"]


@dataclass(frozen=True)
class RowSpec:
    """The arguments of `encrypted`.

    Attributes:
        encryptor: for columns that have none of their own; None: each has one.
        row: the attributes that together are the row's key.
        tenant: the attribute that says whose data keys to use, or None.
        fields: the name from which fields take theirs, or None for that of the table.
        same_place: True if values may be moved between this table and others of the logical name.
        indexes: of several members of the model.
    """

    encryptor: Encryptor | None
    row: tuple[str, ...]
    tenant: str | None
    fields: str | None = None
    same_place: bool = False
    indexes: tuple[CompoundIndex, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All attributes that a value is bound to."""
        return self.row if self.tenant is None else (*self.row, self.tenant)

    def field_name(self, column: Any) -> str:
        """Return the name of the field of a column that was declared without one."""
        return f"{self.logical_name(column.table)}.{column.name}"

    def logical_name(self, table: Any) -> str:
        """Return the name from which the fields of a table take theirs."""
        return self.fields or logical_name(table)


class KeyColumns:
    """The key and the tenant of a model, in each of its tables.

    Args:
        spec: the attributes.
        mapper: the class's.

    Attributes:
        names: the attributes of the key, the tenant's last if there is one.
        previous: what values of former declarations are bound to.
        binding_names: all attributes that are never written without the protected ones.
        compounds: the compound indexes of the model (`rows.compound`).
    """

    compounds: tuple[Any, ...] = ()

    def __init__(self, spec: RowSpec, mapper: Mapper[Any]) -> None:
        self.spec = spec
        self.names = spec.keys
        self._mapper = mapper
        columns = {name: mapper.columns[name] for name in self.names}
        self._as_stored = [as_stored(f"{mapper.class_.__name__}.{name}", columns[name].type) for name in self.names]
        self._has_tenant = spec.tenant is not None
        self.previous = PreviousColumns(mapper.class_.__name__, dict(mapper.columns.items()), mapper.columns)
        self.binding_names = tuple(dict.fromkeys((*self.names, *self.previous.columns)))
        self._in_table: dict[Any, tuple[Any, ...]] = {}
        self._elsewhere: dict[Any, list[Any]] = {}

    def described(self) -> tuple[str, ...]:
        """Return, for checkpoints, what values are bound to: the same texts in every process."""
        return (*self.names, "with a tenant" if self._has_tenant else "without a tenant")

    def columns_in(self, table: Any) -> tuple[Any, ...]:
        """Return the columns of a table that hold the parts of a row's key; None for those that another table has."""
        columns = self._in_table.get(table)
        if columns is None:
            columns = self._in_table[table] = tuple(
                next((column for column in self.columns_of(name) if hash(column.table) == hash(table)), None)
                for name in self.names
            )
        return columns

    def columns_of(self, name: str) -> Sequence[Any]:
        """Return the columns of an attribute: several where the tables of classes that inherit are joined."""
        return self._columns_with(self._mapper.columns[name])

    def primary_key_in(self, table: Any) -> list[Any]:
        """Return the columns of a table that hold the parts of the model's primary key; None for missing ones."""
        return [
            next((each for each in self._columns_with(column) if hash(each.table) == hash(table)), None)
            for column in self._mapper.primary_key
        ]

    def _columns_with(self, column: Any) -> Sequence[Any]:
        return self._mapper.get_property_by_column(column).columns  # type: ignore[no-any-return]

    def bound_in(self, table: Any) -> list[str]:
        """Return the keys of the columns of a table that are protected in the model."""
        return [
            column.key
            for column in self._mapper.columns
            if hasattr(column.type, "row_key") and hash(column.table) == hash(table)
        ]

    def bound_elsewhere(self, table: Any) -> list[Any]:
        """Return the protected columns of the model that are in another table than this."""
        columns = self._elsewhere.get(table)
        if columns is None:
            columns = self._elsewhere[table] = [
                column
                for column in self._mapper.columns
                if hasattr(column.type, "row_key") and hash(column.table) != hash(table)
            ]
        return columns

    def link(self, table: Any, other: Any) -> Any:
        """Return the condition that rows of two of the model's tables are of one object."""
        classes = list(self._mapper.iterate_to_root())
        tables = [cls.local_table for cls in classes]
        first, last = sorted((tables.index(table), tables.index(other)))
        return and_(*(each.inherit_condition for each in classes[first:last]))  # type: ignore[arg-type]

    @property
    def mapper(self) -> Mapper[Any]:
        """Of the model."""
        return self._mapper

    def is_part(self, index: int, one: Any, other: Any) -> bool:
        """Return True if two values of an attribute are the same part of a key to the database."""
        if one is other:
            return True
        find = self._as_stored[index]
        try:
            return bool(one == other if find is None else find(one) == find(other))
        except TypeError:
            return False

"""What the values of a row are bound to: its key and its tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, and_
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.base import NO_VALUE

from fieldcrypt import Encryptor, RowContext, key_text, row_context
from fieldcrypt.spi import PartOf
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow, Parts
from fieldcrypt_sqlalchemy.row_key.former_columns import FormerColumns
from fieldcrypt_sqlalchemy.row_key.key_part import as_stored

__all__ = ["Parameters", "Row", "RowKey", "RowSpec", "by_column", "python_default"]

_NO_PART = object()  # which is no part of any key

Row = tuple[RowContext, str | None]  # the context that values are bound to, and whose data keys they use


@dataclass(frozen=True)
class RowSpec:
    """What `encrypted` was told.

    Attributes:
        encryptor: for columns that have none of their own.
        row: the attributes that together are the row's key.
        tenant: the attribute that says whose data keys to use, or None.
    """

    encryptor: Encryptor
    row: tuple[str, ...]
    tenant: str | None

    @property
    def keys(self) -> tuple[str, ...]:
        """All attributes that a value is bound to."""
        return self.row if self.tenant is None else (*self.row, self.tenant)


class Parameters:
    """What a default of Python's gets to see: the other values of its row."""

    def __init__(self, values: Callable[[], Mapping[str, Any]]) -> None:
        self._values = values

    @property
    def current_parameters(self) -> Mapping[str, Any]:
        return self._values()

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> Mapping[str, Any]:
        return self._values()


def python_default(column: Column[Any], values: Callable[[], Mapping[str, Any]]) -> Any:
    """Return what SQLAlchemy would put into a column of a new row, or None if the database does.

    Args:
        column: the column.
        values: returns the row's other values by the keys of their columns.
    """
    default: Any = column.default
    if default is None or default.is_clause_element or default.is_sequence:
        return None
    return default.arg(Parameters(values)) if default.is_callable else default.arg


def by_column(mapper: Mapper[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a mapped class's attributes by the keys of their columns."""
    return {column.key: values[name] for name, column in mapper.columns.items() if name in values}


class RowKey:
    """Tells the row of an object of a decorated class.

    Args:
        spec: the attributes.
        mapper: the class's.

    Attributes:
        formers: what values of former declarations are bound to.
        guarded: all attributes that are never written without the protected ones.
    """

    def __init__(self, spec: RowSpec, mapper: Mapper[Any]) -> None:
        self.spec = spec
        self.names = spec.keys
        self._mapper = mapper
        columns = {name: mapper.columns[name] for name in self.names}
        self._as_stored = [as_stored(f"{mapper.class_.__name__}.{name}", columns[name].type) for name in self.names]
        self._has_tenant = spec.tenant is not None
        self.formers = FormerColumns(mapper.class_.__name__, dict(mapper.columns.items()), mapper.columns)
        self.guarded = tuple(dict.fromkeys((*self.names, *self.formers.columns)))
        self._in_table: dict[Any, tuple[Any, ...]] = {}
        self._elsewhere: dict[Any, list[Any]] = {}
        # The last row, which is asked for once for each of its attributes, and the first and last part of its key, by
        # which it is known: the usual key and tenant. One tuple, because threads share it.
        self.first_name, self.last_name = self.names[0], self.names[-1]
        self._remembers = len(self.names) <= 2
        self.recent: tuple[Any, Any, Row] = (_NO_PART, _NO_PART, (RowContext(("",)), None))
        self._defaults = [(name, column) for name, column in columns.items() if column.default is not None]

    def described(self) -> tuple[str, ...]:
        """Return, for checkpoints, what values are bound to: the same texts in every process."""
        return (*self.names, "with a tenant" if self._has_tenant else "without a tenant")

    def complete(self, values: dict[str, Any]) -> list[str]:
        """Give a new row the key and the tenant that SQLAlchemy would give it only when it is sent.

        Returns:
            The attributes that were given a value.
        """
        completed = []
        for name, column in self._defaults:
            if values.get(name) is None:
                made = python_default(column, lambda: by_column(self._mapper, values))
                if made is not None:
                    values[name] = made
                    completed.append(name)
        return completed

    def columns_in(self, table: Any) -> tuple[Any, ...]:
        """Return the columns of a table that hold the parts of a row's key; None for those that another table has."""
        found = self._in_table.get(table)
        if found is None:
            found = self._in_table[table] = tuple(
                next((column for column in self.columns_of(name) if hash(column.table) == hash(table)), None)
                for name in self.names
            )
        return found

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
        found = self._elsewhere.get(table)
        if found is None:
            found = self._elsewhere[table] = [
                column
                for column in self._mapper.columns
                if hasattr(column.type, "row_key") and hash(column.table) != hash(table)
            ]
        return found

    def link(self, table: Any, other: Any) -> Any:
        """Return the condition that rows of two of the model's tables are of one object."""
        classes = list(self._mapper.iterate_to_root())
        tables = [each.local_table for each in classes]
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

    def named(self, row: tuple[Any, ...], tenant: Any) -> Row:
        """Return the row that an application names by its key, and by its tenant if it has one.

        Raises:
            TypeError: the key has another number of parts, or a part is of another type.
        """
        parts = [*row, tenant] if self._has_tenant else [*row]
        if len(parts) != len(self.names) or any(part is None for part in parts):
            raise TypeError(f"a row is named by {', '.join(self.names)}")
        return self._made(parts)

    def tenant_text(self, tenant: Any) -> str:
        """Return a tenant, given as the model's attribute has it, as the text that its keys are under.

        Raises:
            ProtectedColumnError: the model has no tenant.
            TypeError: the value is of another type than the attribute.
        """
        if not self._has_tenant:
            raise ProtectedColumnError(f"{self._mapper.class_.__name__} has no tenant: @encrypted(…, tenant=…)")
        find = self._as_stored[-1]
        return key_text(tenant if find is None else find(tenant))

    def of(self, values: dict[str, Any]) -> Row:
        """Return what the values of a row that belongs to no object are bound to."""
        return self._row(self._parts(values.get, None))

    def bound(self, values: dict[str, Any]) -> BoundRow:
        """Return the row of values that belong to no object."""
        parts = []
        for name in self.names:
            part = values.get(name)
            if part is None:
                model = self._mapper.class_.__name__
                raise ProtectedColumnError(
                    f"the values for seal({model}, …) have no {name!r}, which the protected values are bound to"
                )
            parts.append(part)
        return self._bound(tuple(parts))

    def current(self, state: Any, left: Parts | None = None) -> BoundRow:
        """Return what an object's row will be after the flush.

        Args:
            state: the object's.
            left: the parts of its key until then, if it moves.
        """
        return self._bound(self._parts(state.dict.get, state), left, by_flush=True)

    def is_complete(self, values: Mapping[str, Any]) -> bool:
        """Return True if values have all parts of a key, and the tenant."""
        return all(values.get(name) is not None for name in self.names)

    def left(self, state: Any) -> Parts:
        """Return the parts of the key of the row that an object has in the database, and is about to leave."""
        changed = state.committed_state

        def stored(name: str) -> Any:
            old = changed.get(name, NO_VALUE)
            return state.dict.get(name) if old is NO_VALUE else old

        return tuple(stored(name) for name in self.names)

    def committed(self, state: Any, values: dict[str, Any]) -> Row:
        """Return what an object's row is in the database.

        Args:
            state, values: the object's, as SQLAlchemy has them.
        """
        changed = state.committed_state
        if not changed:
            first, last, row = self.recent
            if values.get(self.first_name) is first and values.get(self.last_name) is last:
                return row
            return self._row(self._parts(values.get, state))

        def stored(name: str) -> Any:
            old = changed.get(name, NO_VALUE)
            if old is not NO_VALUE:
                return old
            # What was set before it was known what it had been: of a new object, or of one whose key tells.
            return values.get(name) if state.key is None or name not in changed else None

        return self._row(self._parts(stored, state))

    def place(self, state: Any, values: dict[str, Any]) -> tuple[RowContext, str | None, PartOf | None]:
        """Return what the values of an object's row are bound to in the database, and may have been bound to before."""

        def stored(name: str) -> Any:
            old = state.committed_state.get(name, NO_VALUE)
            if old is not NO_VALUE:
                return old
            return getattr(state.obj(), name) if name not in values and state.key is not None else values.get(name)

        return *self.committed(state, values), self.formers.part(stored)

    def has_moved(self, state: Any) -> bool:
        """Say whether an object's key or tenant, also one of a former declaration, changes with this flush."""
        changed, values = state.committed_state, state.dict
        return any(
            name in changed and changed[name] is not NO_VALUE and changed[name] != values.get(name)
            for name in self.guarded
        )

    # Loops, for in Python 3.11 a comprehension is a call.

    def _parts(self, find: Callable[[str], Any], state: Any) -> Parts:
        """Return the parts that `find` finds, or that can be loaded."""
        parts = []
        for name in self.names:
            part = find(name)
            parts.append(part if part is not None else self._loaded(state, name))
        return tuple(parts)

    def _row(self, parts: Parts) -> Row:
        row = self._made(parts)
        if self._remembers:
            self.recent = parts[0], parts[-1], row
        return row

    def _bound(self, parts: Parts, left: Parts | None = None, by_flush: bool = False) -> BoundRow:
        context, tenant = self._row(parts)
        return BoundRow(self, parts, context, tenant, left, by_flush)

    def _made(self, parts: Sequence[Any]) -> Row:
        stored = []
        for find, part in zip(self._as_stored, parts):  # noqa: B905 (there are as many; to say so takes time)
            stored.append(part if find is None else find(part))
        if not self._has_tenant:
            return row_context(*stored), None
        tenant = stored.pop()
        return row_context(*stored), tenant if tenant.__class__ is str else key_text(tenant)

    def _loaded(self, state: Any, name: str) -> Any:
        """Return an attribute that is not at hand: expired or deferred, or missing."""
        value = None
        if state is not None and state.key is not None:
            column = self._mapper.columns[name]
            if column in self._mapper.primary_key:
                value = state.key[1][self._mapper.primary_key.index(column)]
            elif name not in state.dict:
                value = getattr(state.obj(), name)
        if value is None:
            raise ProtectedColumnError(
                f"{self._mapper.class_.__name__}.{name} is None, but the protected values of the row are bound to it: "
                "give it a value before the object is flushed"
            )
        return value

"""What the values of a row are bound to: its key and its tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.base import NO_VALUE

from fieldcrypt import Encryptor, RowContext, key_text, row_context
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.key_part import as_stored

__all__ = ["Row", "RowKey", "RowSpec", "by_column", "python_default"]

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


class _Parameters:
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
    return default.arg(_Parameters(values)) if default.is_callable else default.arg


def by_column(mapper: Mapper[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a mapped class's attributes by the keys of their columns."""
    return {column.key: values[name] for name, column in mapper.columns.items() if name in values}


class RowKey:
    """Tells the row of an object of a decorated class.

    Args:
        spec: the attributes.
        mapper: the class's.
    """

    def __init__(self, spec: RowSpec, mapper: Mapper[Any]) -> None:
        self.spec = spec
        self.names = spec.keys
        self._mapper = mapper
        columns = {name: mapper.columns[name] for name in self.names}
        self._as_stored = [as_stored(f"{mapper.class_.__name__}.{name}", columns[name].type) for name in self.names]
        self._has_tenant = spec.tenant is not None
        self.columns = frozenset(column.key for column in columns.values())
        # The last row, which is asked for once for each of its attributes, and the first and last part of its key, by
        # which it is known: the usual key and tenant. One tuple, because threads share it.
        self.first_name, self.last_name = self.names[0], self.names[-1]
        self._remembers = len(self.names) <= 2
        self.recent: tuple[Any, Any, Row] = (_NO_PART, _NO_PART, (RowContext((), b""), None))
        self._defaults = [(name, column) for name, column in columns.items() if column.default is not None]

    def complete(self, values: dict[str, Any]) -> None:
        """Give a new row the key and the tenant that SQLAlchemy would give it only when it is sent."""
        for name, column in self._defaults:
            if values.get(name) is None:
                made = python_default(column, lambda: by_column(self._mapper, values))
                if made is not None:
                    values[name] = made

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
        """Return the row of values that belong to no object."""
        return self._find(values.get, None)

    def current(self, state: Any) -> Row:
        """Return what an object's row will be after the flush."""
        return self._find(state.dict.get, state)

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
            return self._find(values.get, state)

        def stored(name: str) -> Any:
            old = changed.get(name, NO_VALUE)
            if old is not NO_VALUE:
                return old
            # What was set before it was known what it had been: of a new object, or of one whose key tells.
            return values.get(name) if state.key is None or name not in changed else None

        return self._find(stored, state)

    def has_moved(self, state: Any) -> bool:
        """Say whether an object's key or tenant changes with this flush."""
        changed, values = state.committed_state, state.dict
        return any(
            name in changed and changed[name] is not NO_VALUE and changed[name] != values.get(name)
            for name in self.names
        )

    # Loops, for in Python 3.11 a comprehension is a call.

    def _find(self, find: Callable[[str], Any], state: Any) -> Row:
        """Return the row of the values that `find` finds."""
        parts = []
        for name in self.names:
            part = find(name)
            parts.append(part if part is not None else self._loaded(state, name))
        row = self._made(parts)
        if self._remembers:
            self.recent = parts[0], parts[-1], row
        return row

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

"""What the values of a row are bound to: its key and its tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Mapper
from sqlalchemy.orm.base import NO_VALUE

from fieldcrypt import RowContext, key_text
from fieldcrypt.spi import PartOf
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow, Parts
from fieldcrypt_sqlalchemy.row_key.columns import KeyColumns, RowSpec
from fieldcrypt_sqlalchemy.row_key.defaults import by_column, python_default

__all__ = ["Row", "RowKey"]

_NO_PART = object()  # which is no part of any key

Row = tuple[RowContext, str | None]  # the context that values are bound to, and whose data keys they use


class RowKey(KeyColumns):
    """Tells the row of an object of a decorated class."""

    def __init__(self, spec: RowSpec, mapper: Mapper[Any]) -> None:
        super().__init__(spec, mapper)
        # The last row, which is asked for once for each of its attributes, and the first and last part of its key, by
        # which it is known: the usual key and tenant. One tuple, because threads share it.
        self.first_name, self.last_name = self.names[0], self.names[-1]
        self._remembers = len(self.names) <= 2
        self._is_usual = len(self.names) == 2 and self._has_tenant  # one part, and a tenant: without a loop
        self.recent: tuple[Any, Any, Row] = (_NO_PART, _NO_PART, (RowContext(("",)), None))
        columns = ((name, mapper.columns[name]) for name in self.names)
        self._defaults = [(name, column) for name, column in columns if column.default is not None]

    def complete(self, values: dict[str, Any]) -> list[str]:
        """Give a new row the key and the tenant that SQLAlchemy would give it only when it is sent.

        Returns:
            The attributes that were given a value.
        """
        completed = []
        for name, column in self._defaults:
            if values.get(name) is None:
                default = python_default(column, lambda: by_column(self._mapper, values))
                if default is not None:
                    values[name] = default
                    completed.append(name)
        return completed

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

    def tenant_of(self, instance: Any) -> str:
        """Return the tenant of an object, as `tenant_text` does."""
        return self.tenant_text(getattr(instance, self.last_name))

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

    def current(self, state: Any, values: dict[str, Any], left: Parts | None = None) -> BoundRow:
        """Return what an object's row will be after the flush.

        Args:
            state, values: the object's, as SQLAlchemy has them.
            left: the parts of its key until then, if it moves.
        """
        return self._bound(self._parts(values.get, state), left, by_flush=True)

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
            part, tenant = values.get(self.first_name), values.get(self.last_name)
            if part is first and tenant is last:
                return row
            if not self._is_usual or part is None or tenant is None:
                return self._row(self._parts(values.get, state))
            row = self._made((part, tenant))
            self.recent = part, tenant, row
            return row

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

        return *self.committed(state, values), self.previous.part(stored)

    def has_moved(self, state: Any) -> bool:
        """Return True if an object's key or tenant changes with this flush, also one of a previous declaration."""
        changed, values = state.committed_state, state.dict
        return any(
            name in changed and changed[name] is not NO_VALUE and changed[name] != values.get(name)
            for name in self.binding_names
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
        if self._is_usual:
            part, tenant = parts
            find, find_tenant = self._as_stored
            part = part if find is None else find(part)
            tenant = tenant if find_tenant is None else find_tenant(tenant)
            return RowContext((key_text(part),)), tenant if tenant.__class__ is str else key_text(tenant)
        texts = []
        for find, part in zip(self._as_stored, parts):  # noqa: B905 (there are as many; to say so takes time)
            texts.append(key_text(part if find is None else find(part)))
        tenant = texts.pop() if self._has_tenant else None
        return RowContext(tuple(texts)), tenant

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

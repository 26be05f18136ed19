"""Tags several members of objects together when a session flushes them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm.attributes import get_history, set_attribute
from sqlalchemy.orm.base import NO_VALUE, PASSIVE_NO_INITIALIZE
from sqlalchemy.sql.elements import ClauseElement

from fieldcrypt_sqlalchemy.flush.stored_values import noted_value
from fieldcrypt_sqlalchemy.internals.results import expire
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.rows.compound import Compound
from fieldcrypt_sqlalchemy.rows.compound_tag import CompoundTag
from fieldcrypt_sqlalchemy.rows.plan import Plan
from fieldcrypt_sqlalchemy.rows.sealed import UNOPENED, Sealed

__all__ = ["CompoundTagging"]


class CompoundTagging:
    """Puts the tags of compound indexes into objects of a decorated class, once its protected values are sealed.

    An UPDATE that writes one member depends on the others, because somebody else may write those meanwhile.
    """

    def __init__(self, plan: Plan, row: RowKey) -> None:
        self._plan = plan
        self._row = row

    def tag_new(self, state: Any, row: BoundRow | None, takes_place: bool) -> None:
        """Tag an object that is to be inserted.

        Args:
            state: the object's.
            row: the row that its protected values are sealed for; None if it has none.
            takes_place: whether the ORM makes an UPDATE of it, which sets what the object lacks to NULL.
        """
        values = state.dict
        for compound, tag_key in self._plan.compound_keys:
            for name, column in compound.columns.items():
                if values.get(name) is None and name not in compound.protected:
                    default: Any = column.default
                    if default is not None and default.is_scalar:
                        values[name] = default.arg
                    elif takes_place:
                        values[name] = None
                    if name in values:
                        state.committed_state.setdefault(name, NO_VALUE)
            values[tag_key] = self._made(compound, state, row)
            state.committed_state.setdefault(tag_key, NO_VALUE)

    def tag_changed(self, state: Any, sealed: Collection[str], row: BoundRow | None, moved: bool) -> None:
        """Tag an object that is to be updated, if members of an index are.

        Args:
            state: the object's.
            sealed: the protected attributes that are written.
            row: the row that they are sealed for.
            moved: whether the object's key or tenant changes.
        """
        for compound, tag_key in self._plan.compound_keys:
            if moved or not compound.protected.isdisjoint(sealed) or self._has_changed(compound, state):
                row = row or self._row.current(state, state.dict, self._row.left(state) if moved else None)
                set_attribute(state.obj(), tag_key, self._made(compound, state, row))

    def settle(self, state: Any) -> None:
        """Leave of each `CompoundTag` in an object only the tag, once it is flushed or that has failed."""
        for _, tag_key in self._plan.compound_keys:
            value = state.dict.get(tag_key)
            if value.__class__ is CompoundTag:
                state.dict[tag_key] = value.tag

    def _has_changed(self, compound: Compound, state: Any) -> bool:
        """Return True if a plain member is to be written."""
        changed = compound.columns.keys() & state.committed_state.keys() - compound.protected
        return any(get_history(state.obj(), name, PASSIVE_NO_INITIALIZE).has_changes() for name in changed)

    def _made(self, compound: Compound, state: Any, row: BoundRow | None) -> CompoundTag:
        members = {name: self._member(compound, state, name) for name in compound.columns}
        for name, value in members.items():
            if isinstance(value, ClauseElement):
                raise compound.refused_error(f"{name} takes a plain value, and no SQL expression")
        plain = {
            name: self._opened(state, name, value) if value.__class__ is Sealed else value
            for name, value in members.items()
        }
        return CompoundTag(compound.tag(plain, row), row, compound.columns, members)

    def _member(self, compound: Compound, state: Any, name: str) -> Any:
        """Return a member as it is written, or as the row has it, loading it if it is not at hand."""
        if name not in state.dict and state.key is not None:
            getattr(state.obj(), name)
        value = state.dict.get(name)
        if name not in compound.protected or value is None or value.__class__ is Sealed:
            return value
        return self._stored(state, name)

    def _stored(self, state: Any, name: str) -> Any:
        """Return the sealed form of a value of the row that the object has in plaintext."""
        stored = state.committed_state.get(name)  # it was set to the value that it had
        if stored.__class__ is not Sealed:
            stored = noted_value(state, name)
        if stored is None:  # the value came from another object
            expire(state, [name])
            getattr(state.obj(), name)
            stored = state.dict.get(name)
        return stored if stored.__class__ is Sealed else noted_value(state, name)

    def _opened(self, state: Any, name: str, sealed: Sealed) -> Any:
        if sealed._opened is not UNOPENED:
            return sealed._opened
        return self._plan.attributes[name].field.open(sealed, *self._row.place(state, state.dict))

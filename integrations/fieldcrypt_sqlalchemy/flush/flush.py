"""Seals and tags the values of objects of decorated classes when a session flushes them.

Values are sealed with the key of their row before SQLAlchemy collects what it will send. Only what has changed is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.base import NEVER_SET, NO_VALUE
from sqlalchemy.orm.interfaces import EXT_CONTINUE
from sqlalchemy.sql.elements import ClauseElement

from fieldcrypt import ConfigurationError, FieldcryptError
from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.flush.compounds import CompoundTagging
from fieldcrypt_sqlalchemy.flush.moves import expect_whole_row
from fieldcrypt_sqlalchemy.flush.stored_values import note_stored, noted_value
from fieldcrypt_sqlalchemy.internals.orm import deletes, listen_last
from fieldcrypt_sqlalchemy.internals.results import expire
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.rows.attribute import ProtectedAttribute
from fieldcrypt_sqlalchemy.rows.pickles import seal_pickles
from fieldcrypt_sqlalchemy.rows.plan import Plan
from fieldcrypt_sqlalchemy.rows.sealed import Sealed

__all__ = ["Sealing", "restore_flushed"]

_SAME = object()  # stands for the value of an attribute that is not to be written
_FLUSHED = "fieldcrypt_flushed"  # noted in the info of a session: objects that are flushed


def restore_flushed(session: Any, *_: Any) -> None:
    """Restore what objects that were to be written had: open values, where they are read past their attributes."""
    for state, restore in session.info.pop(_FLUSHED, ()):
        with suppress(FieldcryptError):
            restore(state)


class Sealing:
    """Seals the values of objects of a decorated class with their row, and tags them.

    It comes after everybody else's listeners (`listen_last`): they see and set plaintext, and what they set is sealed.
    """

    def __init__(self, plan: Plan, row: RowKey) -> None:
        self._plan = plan
        self._row = row
        self._attributes = plan.attributes
        self._compounds = CompoundTagging(plan, row) if plan.compounds else None
        self._columns = len(plan.mapper.columns)
        self._eager: list[ProtectedAttribute] = []
        self._restores: list[Callable[[Any], None]] = [] if self._compounds is None else [self._compounds.settle]
        listen_last(plan.mapper, "before_insert", self._before_insert)
        listen_last(plan.mapper, "before_update", self._before_update)
        event.listen(plan.mapper, "mapper_configured", self._mapper_configured)
        event.listen(plan.mapper, "refresh", self._refreshed, raw=True)

    def _mapper_configured(self, mapper: Any, cls: type) -> None:
        """Listen to pickling, and to loads, before others do, if there are values that are read past attributes."""
        seal_pickles(self._plan)
        self._eager = [attribute for attribute in self._attributes.values() if attribute.is_read_past]
        if self._eager:
            self._restores.append(self._open_loaded)
            for loaded in ("load", "refresh", "refresh_flush"):
                event.listen(mapper, loaded, self._open_loaded, raw=True, insert=True)
            for flushed in ("after_insert", "after_update"):
                event.listen(mapper, flushed, self._open_flushed, raw=True)

    @discreet(ours_alone=True)
    def _before_insert(self, mapper: Any, connection: Any, state: Any) -> Any:
        if len(mapper.columns) != self._columns:
            self._check_columns(mapper)
        values = state.dict
        is_whole = True
        for key, attribute in self._attributes.items():
            value = values.get(key)
            if value.__class__ is Sealed:
                values[key] = value = attribute.field.open(value, *self._row.place(state, values))
            if value is None:
                is_whole = False
        for key in self._plan.complete(values):
            state.committed_state.setdefault(key, NO_VALUE)  # for an UPDATE: see `_put_null`
        row = self._row.current(state, values) if is_whole or self._put_nulls(state, values) else None
        if row is not None:
            self._plan.put(values, row)
        takes_place = self._takes_place(mapper, state)
        if takes_place:
            expect_whole_row(connection, state, self._row)
        if self._compounds is not None:
            self._compounds.tag_new(state, row, takes_place)
        if self._restores:
            self._note_flushed(state)
        return EXT_CONTINUE

    def _takes_place(self, mapper: Any, state: Any) -> bool:
        """Return True if an object comes in place of a deleted one, so that the ORM makes an UPDATE of both."""
        session = state.session
        if session is None or not deletes(session):
            return False
        replaced = session.identity_map.get(mapper.identity_key_from_instance(state.obj()))
        return replaced is not None and replaced in session.deleted

    def _put_nulls(self, state: Any, values: dict[str, Any]) -> bool:
        """Have NULL written for the attributes that an object lacks; return True if it has others."""
        missing = [attribute for key, attribute in self._attributes.items() if values.get(key) is None]
        for attribute in missing:
            self._put_null(state, attribute)
        return len(missing) < len(self._attributes)

    def _put_null(self, state: Any, attribute: ProtectedAttribute) -> None:
        """Have NULL written also where the ORM makes an UPDATE of it: of an object in place of a deleted one."""
        for key in (attribute.key, *attribute.tag_keys.values()):
            state.dict[key] = None
            state.committed_state.setdefault(key, NO_VALUE)

    @discreet(ours_alone=True)
    def _before_update(self, mapper: Any, connection: Any, state: Any) -> Any:
        if len(mapper.columns) != self._columns:
            self._check_columns(mapper)
        moved = self._row.has_moved(state)
        sealed: tuple[Collection[str], BoundRow | None] = ((), None)
        if moved or not state.committed_state.keys().isdisjoint(self._attributes):
            sealed = self._seal_changes(state, moved)
        if moved:
            expect_whole_row(connection, state, self._row)
        if self._compounds is not None:
            self._compounds.tag_changed(state, *sealed, moved)
        if self._restores:
            self._note_flushed(state)
        return EXT_CONTINUE

    def _seal_changes(self, state: Any, moved: bool) -> tuple[Collection[str], BoundRow | None]:
        """Seal what has changed; if the row moves, all that it has.

        Returns:
            The attributes that are written, and the row that they are sealed for.
        """
        pending = {key: value for key in self._attributes if (value := self._pending(state, key, moved)) is not _SAME}
        row = None
        if not pending:
            return pending, row
        if any(value is not None for value in pending.values()) or self._row.is_complete(state.dict):
            row = self._row.current(state, state.dict, self._row.left(state) if moved else None)
        self._plan.complete_update(state, {**pending})
        for key, value in pending.items():
            if not isinstance(value, ClauseElement):  # refused when the statement is examined
                self._put_change(state, self._attributes[key], value, row, moved)
        return pending, row

    def _pending(self, state: Any, key: str, moved: bool) -> Any:
        """Return the value that an attribute is to be written with, or `_SAME`."""
        changed = key in state.committed_state
        if not changed and not moved:
            return _SAME
        value = self._value(state, self._attributes[key])
        if changed and self._is_unchanged(state, self._attributes[key], value):
            return value if moved else _SAME
        return value

    def _put_change(
        self, state: Any, attribute: ProtectedAttribute, value: Any, row: BoundRow | None, moved: bool
    ) -> None:
        """Put a value into an object as it is written. NULL is written to its own row, too, and to no other."""
        key, tags = attribute.key, None
        replaces = self._carried(state, attribute, value) if moved else None
        if attribute.searchable:
            where = (None, None) if row is None else (row.tenant, row.context)
            tags = attribute.tagger.stored_tags(None if row is None else value, *where)
            attribute.set_tags(state.obj(), tags)
        if moved:
            flag_modified(state.obj(), key)
        if row is not None:
            sealed = None if value is None else attribute.field.seal(value, row, tags, replaces)
            state.dict[key] = attribute.field.null(row, replaces) if sealed is None else sealed

    def _carried(self, state: Any, attribute: ProtectedAttribute, value: Any) -> Sealed | None:
        """Return what is in the row now, if the application has not changed it: another one may, meanwhile."""
        key = attribute.key
        if key in state.committed_state and not self._is_unchanged(state, attribute, value):
            return None
        if value is None:
            return Sealed(None, attribute.field, None)
        stored = state.committed_state.get(key)
        if stored.__class__ is not Sealed:
            stored = state.dict.get(key)
        return stored if stored.__class__ is Sealed else noted_value(state, key)

    def _check_columns(self, mapper: Any) -> None:
        """Refuse a protected attribute that was added to the class after it was decorated: it is not bound."""
        for key, column in mapper.columns.items():
            if isinstance(column.type, Encrypted) and key not in self._attributes:
                raise ConfigurationError(
                    f"{mapper.class_.__name__}.{key} was added after the class was decorated: declare it in the class"
                )
        self._columns = len(mapper.columns)

    def _value(self, state: Any, attribute: ProtectedAttribute) -> Any:
        """Return the plaintext that an attribute has, as it would be read."""
        value = state.dict.get(attribute.key, NO_VALUE)
        if value is NO_VALUE:
            return getattr(state.obj(), attribute.key)  # deferred or expired
        if value.__class__ is Sealed:
            return attribute.field.open(value, *self._row.place(state, state.dict))
        return value

    def _is_unchanged(self, state: Any, attribute: ProtectedAttribute, value: Any) -> bool:
        """Return True if an attribute was set to what it was, so that nothing is written."""
        old = state.committed_state[attribute.key]
        if old.__class__ is Sealed:
            try:
                old = attribute.field.open(old, *self._row.place(state, state.dict))
            except FieldcryptError:
                return False  # unknown; and so what does not decrypt can be repaired
        if old is NO_VALUE or old is NEVER_SET:
            return False
        return attribute.type.compare_values(value, old)

    @discreet(ours_alone=True)
    def _open_loaded(self, state: Any, *_: Any) -> None:
        """Open what is read past the attributes, and keep what was opened."""
        values = state.dict
        for attribute in self._eager:
            sealed = values.get(attribute.key)
            if sealed.__class__ is Sealed:
                values[attribute.key] = attribute.field.open(sealed, *self._row.place(state, state.dict))
                note_stored(state, attribute.key, sealed)

    @discreet(ours_alone=True)
    def _open_flushed(self, mapper: Any, connection: Any, state: Any) -> None:
        self._open_loaded(state)

    def _note_flushed(self, state: Any) -> None:
        """Note an object whose values differ while they are written, to restore it when that is done, or fails."""
        if state.session is not None:
            state.session.info.setdefault(_FLUSHED, []).extend((state, each) for each in self._restores)

    @discreet(ours_alone=True)
    def _refreshed(self, state: Any, context: Any, keys: Any) -> None:
        """Forget what an UPDATE statement has put into an object, if it is sealed for another row.

        The ORM evaluates in Python which objects a statement meets, without the row that each value brings.
        """
        for key in self._attributes.keys() & set(keys or ()) if context is None else ():
            value = state.dict.get(key)
            if value.__class__ is Sealed and value._origin is not None:
                context_, tenant = self._row.committed(state, state.dict)
                row = value._origin.row
                if row.context.encoded != context_.encoded or row.tenant != tenant:
                    expire(state, [key])

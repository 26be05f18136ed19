"""What objects of mapped classes with protected columns do when they are written.

Values get their tags, and on a decorated class are sealed with the key of their row, before SQLAlchemy collects what
it will send. Only what has changed is sealed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm.attributes import flag_modified, set_attribute
from sqlalchemy.orm.base import NEVER_SET, NO_VALUE
from sqlalchemy.sql.elements import ClauseElement

from fieldcrypt import ConfigurationError, FieldcryptError
from fieldcrypt_sqlalchemy.attribute import ProtectedAttribute
from fieldcrypt_sqlalchemy.plan import Plan
from fieldcrypt_sqlalchemy.row_key import RowKey
from fieldcrypt_sqlalchemy.sealed import Sealed
from fieldcrypt_sqlalchemy.types import Encrypted

__all__ = ["Sealing", "Tagging"]


class Tagging:
    """Puts the tags of searchable attributes into objects of a class that is not decorated."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._searchable = [attribute for attribute in plan.attributes.values() if attribute.searchable]
        if self._searchable:
            event.listen(plan.mapper, "before_insert", self._before_insert, raw=True)
            event.listen(plan.mapper, "before_update", self._before_update, raw=True)

    def stop(self) -> None:
        """Leave it to `Sealing`: a class is mapped first, and then decorated."""
        if self._searchable:
            event.remove(self._plan.mapper, "before_insert", self._before_insert)
            event.remove(self._plan.mapper, "before_update", self._before_update)

    def _before_insert(self, mapper: Any, connection: Any, state: Any) -> None:
        values = state.dict
        for attribute in self._searchable:
            value = values.get(attribute.key)
            if value is None:  # for which SQLAlchemy, too, takes the default
                value = attribute.default(values)
            if value is not None and not isinstance(value, ClauseElement):
                self._plan.put(values, attribute, value)

    def _before_update(self, mapper: Any, connection: Any, state: Any) -> None:
        for attribute in self._searchable:
            if attribute.key not in state.committed_state:
                continue
            value, old = state.dict.get(attribute.key), state.committed_state[attribute.key]
            if isinstance(value, ClauseElement):  # refused when the statement is examined
                continue
            if old is NO_VALUE or not attribute.type.compare_values(value, old):
                set_attribute(state.obj(), attribute.tag_key, attribute.tagger.tag(value, None))


class Sealing:
    """Seals the values of objects of a decorated class with their row, and tags them."""

    def __init__(self, plan: Plan, row: RowKey) -> None:
        self._plan = plan
        self._row = row
        self._attributes = plan.attributes
        self._columns = len(plan.mapper.columns)
        self._eager: list[ProtectedAttribute] = []
        event.listen(plan.mapper, "before_insert", self._before_insert, raw=True)
        event.listen(plan.mapper, "before_update", self._before_update, raw=True)
        event.listen(plan.mapper, "mapper_configured", self._mapper_configured)

    def _mapper_configured(self, mapper: Any, cls: type) -> None:
        """Listen to loads, before others do, if there are values that are read past their attributes."""
        self._eager = [attribute for attribute in self._attributes.values() if attribute.is_read_past]
        if self._eager:
            for loaded in ("load", "refresh", "refresh_flush"):
                event.listen(mapper, loaded, self._open_loaded, raw=True, insert=True)
            for flushed in ("after_insert", "after_update"):
                event.listen(mapper, flushed, self._open_flushed, raw=True)

    def _before_insert(self, mapper: Any, connection: Any, state: Any) -> None:
        values = state.dict
        self._check_columns(mapper)
        self._row.complete(values)
        row = self._row.current(state)
        for key, attribute in self._attributes.items():
            value = values.get(key)
            if value is None:  # for which SQLAlchemy, too, takes the default
                value = attribute.default(values)
            if value is None or isinstance(value, ClauseElement):
                continue
            if value.__class__ is Sealed:
                value = attribute.field.open(value, *self._row.committed(state, state.dict))
            self._plan.put(values, attribute, value, row)

    def _before_update(self, mapper: Any, connection: Any, state: Any) -> None:
        self._check_columns(mapper)
        changed = state.committed_state
        moved = self._row.has_moved(state)
        if not moved and changed.keys().isdisjoint(self._attributes):
            return
        context, tenant = self._row.current(state)
        for key, attribute in self._attributes.items():
            if key not in changed and not moved:
                continue
            value = self._value(state, attribute)
            if isinstance(value, ClauseElement) or (value is None and key not in changed):
                continue
            unchanged = key in changed and self._is_unchanged(state, attribute, value)
            if unchanged and (value is None or not moved):
                continue
            tag = None
            if attribute.searchable:
                tag = attribute.tagger.tag(value, tenant)
                set_attribute(state.obj(), attribute.tag_key, tag)
            if value is not None:
                if moved:
                    flag_modified(state.obj(), key)
                state.dict[key] = attribute.field.seal(value, context, tenant, tag)

    def _check_columns(self, mapper: Any) -> None:
        """Refuse a protected attribute that was added to the class after it was decorated: it is not bound."""
        if len(mapper.columns) == self._columns:
            return
        for key, column in mapper.columns.items():
            if isinstance(column.type, Encrypted) and key not in self._attributes:
                raise ConfigurationError(
                    f"{mapper.class_.__name__}.{key} was added after the class was decorated: declare it in the class"
                )
        self._columns = len(mapper.columns)

    def _value(self, state: Any, attribute: ProtectedAttribute) -> Any:
        """Return the plaintext that an attribute has, as it would be read."""
        key = attribute.key
        if key not in state.dict:
            return getattr(state.obj(), key)  # deferred or expired
        value = state.dict[key]
        if value.__class__ is Sealed:
            value = state.dict[key] = attribute.field.open(value, *self._row.committed(state, state.dict))
        return value

    def _is_unchanged(self, state: Any, attribute: ProtectedAttribute, value: Any) -> bool:
        """Say whether an attribute was set to what it was, so that nothing is written."""
        old = state.committed_state[attribute.key]
        if old.__class__ is Sealed:
            try:
                old = attribute.field.open(old, *self._row.committed(state, state.dict))
            except FieldcryptError:
                return False  # nobody can tell; and what does not decrypt can be repaired so
            state.committed_state[attribute.key] = old
        if old is NO_VALUE or old is NEVER_SET:
            return False
        return attribute.type.compare_values(value, old)

    def _open_loaded(self, state: Any, *_: Any) -> None:
        """Open what is read past the attributes."""
        values = state.dict
        for attribute in self._eager:
            sealed = values.get(attribute.key)
            if sealed.__class__ is Sealed:
                values[attribute.key] = attribute.field.open(sealed, *self._row.committed(state, state.dict))

    def _open_flushed(self, mapper: Any, connection: Any, state: Any) -> None:
        self._open_loaded(state)

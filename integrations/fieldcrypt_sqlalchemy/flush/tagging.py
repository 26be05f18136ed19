"""Tags the values of objects of other classes when a session flushes them, before SQLAlchemy collects what to send."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm.base import NO_VALUE
from sqlalchemy.sql.elements import ClauseElement

from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.rows.plan import Plan

__all__ = ["Tagging"]


class Tagging:
    """Puts the tags of searchable attributes into objects of a class that is not decorated."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._searchable = [attribute for attribute in plan.attributes.values() if attribute.searchable]
        if self._searchable:
            event.listen(plan.mapper, "before_insert", self._before_insert, raw=True)
            event.listen(plan.mapper, "before_update", self._before_update, raw=True)

    def stop(self) -> None:
        """Leave it to `Sealing`, because a class is mapped first, and then decorated."""
        if self._searchable:
            event.remove(self._plan.mapper, "before_insert", self._before_insert)
            event.remove(self._plan.mapper, "before_update", self._before_update)

    @discreet(ours_alone=True)
    def _before_insert(self, mapper: Any, connection: Any, state: Any) -> None:
        values = state.dict
        for attribute in self._searchable:
            value = values.get(attribute.key)
            if value is None:  # SQLAlchemy, too, takes the default for it
                value = attribute.default(values)
            if value is not None and not isinstance(value, ClauseElement):
                values[attribute.key] = value
                tags = attribute.tagger.stored_tags(value, None)
                values.update((key, tags[name]) for name, key in attribute.tag_keys.items())

    @discreet(ours_alone=True)
    def _before_update(self, mapper: Any, connection: Any, state: Any) -> None:
        for attribute in self._searchable:
            if attribute.key not in state.committed_state:
                continue
            value, old = state.dict.get(attribute.key), state.committed_state[attribute.key]
            if isinstance(value, ClauseElement):  # refused when the statement is examined
                continue
            if old is NO_VALUE or not attribute.type.compare_values(value, old):
                attribute.set_tags(state.obj(), attribute.tagger.stored_tags(value, None))

"""Expires the tags of objects after a statement, or the application, has made them wrong."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Mapper

from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.type import is_searchable
from fieldcrypt_sqlalchemy.internals.results import expire
from fieldcrypt_sqlalchemy.rows.plan import plan_of

__all__ = ["follow_objects"]


def follow_objects(mapper: Mapper[Any], cls: type) -> None:
    """Follow what happens to the tags that objects of a class have, if it is searchable."""
    if any(is_searchable(column) or isinstance(column.type, BlindIndexTag) for column in mapper.columns):
        tags = _AttributesOfTags(mapper)
        event.listen(mapper, "refresh", tags.after_update_statement, raw=True)
        event.listen(mapper, "before_update", tags.before_flush, raw=True, insert=True)


class _AttributesOfTags:
    """The companions of a mapped class's searchable columns, as attributes of its objects."""

    def __init__(self, mapper: Mapper[Any]) -> None:
        self._mapper = mapper

    @cached_property
    def _tags(self) -> dict[str, tuple[str, ...]]:
        """The attributes that they are tags of."""
        found: list[tuple[str, Any]] = [each for each in self._mapper.columns.items() if is_searchable(each[1])]
        tags = {
            self._mapper.get_property_by_column(companion).key: (key,)
            for key, column in found
            for companion in column.type.tagger.companions(column).values()
        }
        plan = plan_of(self._mapper)
        compounds = [] if plan is None else plan.compound_keys
        return {**tags, **{tag_key: tuple(compound.columns) for compound, tag_key in compounds}}

    @discreet(ours_alone=True)
    def after_update_statement(self, state: Any, context: Any, keys: Any) -> None:
        """Forget the tags of an object that got values from an UPDATE statement, for which the ORM has no new tags."""
        if context is None and (keys := set(keys or ())):
            self._forget(state, [tag for tag, of in self._tags.items() if not keys.isdisjoint(of)])

    @discreet(ours_alone=True)
    def before_flush(self, mapper: Any, connection: Any, state: Any) -> None:
        """Forget tags that the application set: merging an object that was made without them sets None."""
        self._forget(state, [tag for tag in self._tags if tag in state.committed_state])

    def _forget(self, state: Any, keys: list[str]) -> None:
        if keys:
            expire(state, keys)

"""What has tags in a migration and no value of its own: an index of several members of a unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from fieldcrypt.declaration.field_indexes import FieldIndexes
from fieldcrypt.declaration.indexed_by import IndexedBy
from fieldcrypt.migration.engine.tags import NOT_YET, described_index, tags_of
from fieldcrypt.migration.engine.unit import Cell, Place, ProtectedField
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus

__all__ = ["CompoundField", "PlainMember", "TagsAlone"]


class PlainMember:
    """A member of a compound that is not protected.

    Args:
        name: where it is stored.
        value: makes the value of what is stored there, as the index has it.
    """

    def __init__(self, name: str, value: Callable[[Any], Any]) -> None:
        self.read_names = (name,)
        self._value = value

    def examine(self, cell: Cell, place: Place) -> ExaminedValue:
        """Return the value as one that needs nothing done to it.

        Raises:
            TypeError, ValueError: it is not one of the declared type.
        """
        if cell.stored is None:
            return ExaminedValue(ValueStatus.NULL)
        return ExaminedValue(ValueStatus.ACTIVE, self._value(cell.stored))


class TagsAlone(ProtectedField):
    """A field that has tags, and no value of its own."""

    is_compound = True

    def accepts_plaintext(self) -> bool:
        return True

    def check_due(self, found: ExaminedValue) -> None:
        return

    def seal(self, value: Any, place: Place) -> Any:
        raise NotImplementedError  # and nobody asks for it

    def as_plaintext(self, value: Any) -> Any:
        raise NotImplementedError


class CompoundField(TagsAlone):
    """A field that has tags alone, of the values of other fields. Its cell holds their cells, by member.

    Args:
        how: the index's declaration.
        members: the fields, in the order of the declaration.
        indexes: which tags it.
        convert: turns the values of members, as their fields have them, into what is indexed.
        stored_as, as_stored: see `tags_of`.
    """

    def __init__(
        self,
        how: IndexedBy,
        members: Mapping[str, ProtectedField | PlainMember],
        indexes: FieldIndexes,
        convert: Callable[[dict[str, Any]], Mapping[str, Any]] = dict,
        stored_as: Mapping[str, str] = MappingProxyType({}),
        as_stored: Callable[[Any], Any] = lambda tags: tags,
    ) -> None:
        self.name = self.stored_name = how.companion
        self.how, self.members = how, members
        self._indexes, self.indexes = indexes, ((convert, indexes),)
        self._convert, self._stored_as, self._as_stored = convert, stored_as, as_stored
        self.tag_names = tuple(stored_as.get(name, name) for name in how.companions)

    @property
    def read_names(self) -> tuple[str, ...]:
        return tuple(name for member in self.members.values() for name in member.read_names)

    def as_it_becomes(self, cell: Cell, values: Mapping[str, Any]) -> Cell:
        becomes = dict(cell.stored)
        for name, member in self.members.items():
            if not isinstance(member, PlainMember) and member.stored_name in values:
                becomes[name] = cell.stored[name]._replace(stored=values[member.stored_name])
        return cell._replace(stored=becomes)

    def examine(self, cell: Cell, place: Place) -> ExaminedValue:
        """Return the values of all members, or the status of one that has none to be tagged yet.

        A member that was destroyed with its key takes the tags of the whole with it.
        """
        found = {name: _value_of(member, cell.stored[name], place) for name, member in self.members.items()}
        statuses = {each.status for each in found.values()}
        for status in (ValueStatus.SHREDDED, *NOT_YET):
            if status in statuses:
                return ExaminedValue(status)
        if any(each.value is None for each in found.values()):
            return ExaminedValue(ValueStatus.NULL)
        return ExaminedValue(ValueStatus.ACTIVE, {name: each.value for name, each in found.items()})

    def tags(self, value: Any, place: Place) -> Mapping[str, Any]:
        indexed = None if value is None else self._convert(value)
        return tags_of((self._indexes,), indexed, place, self._stored_as, self._as_stored)

    def declared(self) -> Iterator[str]:
        """Yield what decides what is written (see `digest.about`)."""
        return described_index(self.how)


def _value_of(member: ProtectedField | PlainMember, cell: Cell, place: Place) -> ExaminedValue:
    if not isinstance(member, PlainMember) and member.plain_name is not None and cell.stored is None:
        found = member.examine_plaintext(cell, place)
        return found if found.status is ValueStatus.NULL else ExaminedValue(ValueStatus.PLAINTEXT)
    return member.examine(cell, place)

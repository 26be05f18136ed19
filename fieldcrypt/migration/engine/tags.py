"""The tags of values in a migration: those that indexes make, and those that are stored and have to be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from fieldcrypt.declaration.field_indexes import FieldIndexes
from fieldcrypt.declaration.indexed_by import IndexedBy
from fieldcrypt.errors import FieldcryptError
from fieldcrypt.migration.engine.digest import name_of
from fieldcrypt.migration.engine.unit import Cell, Place, ProtectedField, UntaggedError
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus
from fieldcrypt.search.kinds.compound import Compound
from fieldcrypt.search.kinds.part import Part

__all__ = ["NOT_YET", "Settling", "described_index", "tags_due", "tags_of"]

# Values that have to be mended, or encrypted, before they can have tags.
NOT_YET = frozenset({ValueStatus.UNREADABLE, ValueStatus.MARKED, ValueStatus.PLAINTEXT, ValueStatus.OTHER_SCHEME})


class Settling:
    """Notes until when writers may use an older index key for what a step looks at: its tags are not final before."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str | None], float | None] = {}

    def note(self, field: ProtectedField, place: Place) -> None:
        """Note a field of a unit; the keys of each tenant are looked at once."""
        for _, indexes in field.indexes:
            which = id(indexes), place.tenant
            if which not in self._known:
                self._known[which] = None
                with suppress(FieldcryptError):  # reported by what needs the keys
                    self._known[which] = indexes.unsettled_until(place.tenant)

    @property
    def until(self) -> float | None:
        return max((at for at in self._known.values() if at is not None), default=None)


def tags_due(field: ProtectedField, cell: Cell, place: Place, found: ExaminedValue) -> dict[str, Any]:
    """Return the tags to write next to a value, by companion, so that all are as declared. What was shredded has none.

    Raises:
        UntaggedError: some cannot be made; it has the others, as far as they are to be written.
        As `BlindIndex.tag`, for what keys raise.
    """
    if not field.tag_names:
        return {}
    if found.status is ValueStatus.SHREDDED:
        return {name: None for name, tag in cell.tags.items() if tag is not None}
    try:
        tags = field.tags(found.value, place)
    except UntaggedError as error:
        raise UntaggedError(str(error), _other(error.tags, cell)) from None
    return _other(tags, cell)


def _other(tags: Any, cell: Cell) -> dict[str, Any]:
    return {name: tag for name, tag in tags.items() if tag != cell.tags.get(name)}


def tags_of(
    indexes: Iterable[FieldIndexes],
    value: Any,
    place: Place,
    stored_as: Mapping[str, str] = MappingProxyType({}),
    as_stored: Callable[[Any], Any] = lambda tags: tags,
) -> dict[str, Any]:
    """Return the tags of a value by each of some indexes (see `ProtectedField.tags`).

    Args:
        indexes: each with one index, so that one that cannot tag a value keeps no other from it.
        stored_as: the names of companions in the store, where they have others in the declaration.
        as_stored: turns the tags of a companion into what a cell has.

    Raises:
        UntaggedError: an index cannot tag the value.
        KeyProviderError, KeyStoreError, ConfigurationError: no index can tag it, for now.
    """
    tags: dict[str, Any] = {}
    failed = []
    for index in indexes:
        try:
            made = index.tags(value, tenant=place.tenant, row=place.context)
        except (TypeError, ValueError) as error:
            failed.append(f"{index.companions[0]}: no tag can be made of the value ({type(error).__name__})")
            made = dict.fromkeys(index.companions)
        tags |= {stored_as.get(name, name): None if each is None else as_stored(each) for name, each in made.items()}
    if failed:
        raise UntaggedError("; ".join(failed), tags)
    return tags


def described_index(how: IndexedBy) -> Iterator[str]:
    """Yield all of an index's declaration that decides which tags it makes (see `digest.about`)."""
    yield from (*how.companions, how.index_name, name_of(how.normaliser), str(how.tag_size), str(how.per_tenant))
    yield from (str(how.partitions), str(how.one_companion), str(how.prefix))
    if isinstance(how.of, Compound):
        for member, part in how.of.of.items():
            yield from (member, how.of.types[member].__name__, *_described_part(part))
    elif how.of is not None:
        yield from (*(level.name for level in how.of.levels()), str(how.of.parameters), *_described_part(how.of))


def _described_part(part: Any) -> Iterator[str]:
    if isinstance(part, Part):
        yield from (part.name, name_of(part.function), str(part.version))
    else:
        yield name_of(part) if part is None or callable(part) or isinstance(part, str) else type(part).__name__

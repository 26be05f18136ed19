"""The indexes of a table: which attribute holds whose tags, and what searches ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fieldcrypt import CompoundIndex, ConfigurationError, Encryptor, IndexedBy
from fieldcrypt.search import Part
from fieldcrypt.spi import FieldIndexes, check_compounds, count_of
from fieldcrypt_dynamodb.aio.steps import waiting

__all__ = ["MOST_TAGS", "Companion", "Indexes", "Tagger", "tagger", "wire_tag"]

MOST_TAGS = 100  # of one question: each is an operand of IN, or a query for one page of an index

Tagger = Callable[[Any, str | None, Mapping[str, str]], dict[str, Any]]


class Companion(NamedTuple):
    """An attribute with tags.

    Attributes:
        attribute: the one whose tags these are; for a compound, the name under which searches ask for it.
        how: the declaration of the index.
    """

    attribute: str
    how: IndexedBy


class Indexes:
    """The indexes of a table.

    Args:
        table: its name, for messages.

    Attributes:
        of: the indexes, by searchable attribute, or name of a compound.
        members: of each compound, the attributes that it is made of.
        companions: the attributes with tags, by name.
        asked: the parts of attributes, by the names under which searches ask for them.
        in_key: the index of each companion in the table's key, alone.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self.of: dict[str, FieldIndexes] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        self.companions: dict[str, Companion] = {}
        self.asked: dict[str, Companion] = {}
        self.in_key: dict[str, FieldIndexes] = {}

    def add(self, attribute: str, declared: tuple[IndexedBy, ...], indexes: FieldIndexes, *, bound: bool) -> None:
        """Add those of an attribute.

        Args:
            bound: values are bound to their items.

        Raises:
            ConfigurationError: two share a companion, or lack what they need; or a question may have too many tags for
                one request.
        """
        if not declared:
            return
        what = f"{self._table}.{attribute}"
        if indexes.needs_row and not bound:
            raise ConfigurationError(f"{what}: some of its tags depend on the item, to which values are not bound")
        indexes.check_most(MOST_TAGS)
        self.of[attribute] = indexes
        for how in declared:
            self._add(what, Companion(attribute, how))

    def add_compounds(
        self, declared: Sequence[Any], types: Mapping[str, Any], encryptor: Encryptor, record: str, *, bound: bool
    ) -> None:
        """Add indexes of several attributes.

        Args:
            declared: each a CompoundIndex.
            types: of the protected attributes; others are texts.
            encryptor, record: as for `CompoundIndex.indexes`.
            bound: as for `add`.

        Raises:
            ConfigurationError: as for `add`; or one is no CompoundIndex, or hides nothing.
        """
        fields = {name: self.of[name].declared if name in self.of else () for name in types}
        for each in declared:
            if not isinstance(each, CompoundIndex):
                raise ConfigurationError(f"{self._table}: indexes=[CompoundIndex(…)], not a {type(each).__name__}")
            name, of = self._asked_by(each), {**dict.fromkeys(each.of, str), **types}
            indexes = each.indexes(encryptor, record, of, waiting)
            self.members[name] = tuple(each.of)
            self.add(name, (each.indexed_by(of),), indexes, bound=bound)
        check_compounds(self._table, fields, {name: count_of(type) for name, type in types.items()}, declared)

    def _add(self, what: str, found: Companion) -> None:
        how = found.how
        for companion in how.companions:
            if companion in self.companions:
                raise ConfigurationError(f"{companion!r} of {self._table} cannot hold the tags of two indexes")
            self.companions[companion] = found
        if how.prefix is not None and (how.one_companion or how.companions != (how.companion,)):
            raise ConfigurationError(f"{what}: the tags of several levels are binary, and have no prefix")
        if isinstance(how.of, Part):
            self.asked[self._asked_by(how)] = found

    def _asked_by(self, how: IndexedBy | CompoundIndex) -> str:
        """Return the name under which searches ask for a part or a compound."""
        if how.prefix is None:
            return how.companion
        if how.name is None:
            raise ConfigurationError(
                f"{self._table}: other texts may be in {how.companion!r} too, so searches need another name for this "
                f'index: {type(how).__name__}("{how.companion}", name="…", prefix="{how.prefix}", …)'
            )
        return how.name

    @property
    def names(self) -> frozenset[str]:
        """The names of attributes with tags, and of all else by which searches ask."""
        return frozenset((*self.companions, *self.asked, *self.members))

    @property
    def asked_by(self) -> set[str]:
        """The names, besides those of attributes, by which searches ask."""
        return {*self.members, *self.asked, *filter(self.is_level, self.companions)}

    def is_level(self, companion: str) -> bool:
        """Return True if an attribute has the tags of one of several levels."""
        return companion in self.companions and len(self.companions[companion].how.companions) > 1

    def named_like(self, name: str) -> Companion | None:
        """Return the index of several levels that a name seems to be of, but is not; None if there is none."""
        declared, _, level = name.rpartition("_") if name[-1:].isdigit() else (name, "", "")
        if name in self.companions or (level and not level.isdigit()):
            return None
        several = (each for each in self.companions.values() if each.how.companions != (each.how.companion,))
        return next((each for each in several if each.how.companion in (name, declared)), None)

    def key_tags(self, key: tuple[str, ...]) -> dict[str, str]:
        """Return the key attributes that hold tags, each with the attribute whose tags those are."""
        return {name: self.companions[name].attribute for name in key if name in self.companions}


def tagger(indexes: FieldIndexes) -> Tagger:
    """Return what makes tags of a value, its tenant and its row: by companion, and as they are stored."""

    def tags(value: Any, tenant: str | None, row: Mapping[str, str]) -> dict[str, Any]:
        found = indexes.tags(value, tenant=tenant, row=row).items()
        return {companion: wire_tag(tag) for companion, tag in found if tag is not None}

    return tags


def wire_tag(tag: Any) -> dict[str, Any]:
    """Return a tag, or the tags of a set, in DynamoDB's own form."""
    if tag.__class__ is bytes:
        return {"B": tag}
    return {"BS": list(dict.fromkeys(tag))} if isinstance(tag, list) else {"S": tag}

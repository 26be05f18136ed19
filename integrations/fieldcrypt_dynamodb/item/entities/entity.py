"""Entities: the kinds of items in one table, and how they are told apart."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

from fieldcrypt import CompoundIndex, ConfigurationError, Protection
from fieldcrypt_dynamodb.item.description import ItemSeal, LegacyItemReader

__all__ = ["Entity", "KeyForm", "can_be_turned", "checked_entities"]

_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class KeyForm(NamedTuple):
    """What a key attribute has: one text, or any text that begins with it.

    Attributes:
        text: the text.
        is_prefix: True if more may follow.
    """

    text: str
    is_prefix: bool

    @classmethod
    def of(cls, declared: str) -> KeyForm:
        """Return the form that is spelled `PROFILE`, or `ORDER#*`."""
        text = str.__str__(declared)
        return cls(text[:-1], True) if text.endswith("*") else cls(text, False)

    def admits(self, text: str | None) -> bool:
        """Return True if a key attribute may have a text; None stands for what is not text."""
        if text is None:
            return False
        return text.startswith(self.text) if self.is_prefix else text == self.text

    def includes(self, other: KeyForm) -> bool:
        """Return True if it admits all that the other one admits."""
        if self.is_prefix:
            return other.text.startswith(self.text)
        return not other.is_prefix and other.text == self.text

    def overlaps(self, other: KeyForm) -> bool:
        """Return True if there is a text that both admit."""
        if self.is_prefix and other.is_prefix:
            return self.text.startswith(other.text) or other.text.startswith(self.text)
        return self.admits(other.text) if self.is_prefix else other.admits(self.text)


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of items in a table: `Entity({"email": str}, key={"SK": "PROFILE"}, tenant="org")`.

    Attributes:
        attributes: its protected attributes, as in `ProtectedTable`; none, if all of it is plain.
        key: what its key attributes have: a text, or with `*` at the end any text that begins with it.
        where: the attribute that tells it from other entities, with its text: `{"type": "product"}`. Anybody who can
            write to the table can change it: prefer the form of the key.
        tenant, plain, bound, seal, accept, accept_until, indexes: as in `ProtectedTable`.

    Raises:
        ConfigurationError: neither key nor where is given, or one of them is not a mapping from names to texts; or
            attributes is not one from names to types.
    """

    attributes: Mapping[str, Any] = field(default_factory=dict)
    _: KW_ONLY
    key: Mapping[str, str] | None = None
    where: Mapping[str, str] | None = None
    tenant: str | None = None
    plain: Collection[str] | None = None
    bound: bool = True
    seal: ItemSeal | None = None
    accept: Sequence[LegacyItemReader] = ()
    accept_until: date | None = None
    indexes: Sequence[CompoundIndex] = ()
    forms: Mapping[str, KeyForm] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.attributes, Mapping):
            raise ConfigurationError('Entity({"name": str, …}, key=…): each protected attribute with its type')
        for name, how in (("key", self.key), ("where", self.where)):
            if how is not None and not (isinstance(how, Mapping) and how and all(map(_is_text, (*how, *how.values())))):
                raise ConfigurationError(f'Entity(…, {name}=…) takes names with texts: {{"SK": "ORDER#*"}}')
        if (self.key is None and self.where is None) or len(self.where or {}) > 1:
            raise ConfigurationError(
                'an entity is told by its key, key={"SK": "ORDER#*"}, or by one attribute, where=…'
            )
        if any("*" in text[:-1] for text in (self.key or {}).values()):
            raise ConfigurationError("in the form of a key, `*` stands for any text, and only at the end")
        object.__setattr__(self, "forms", {name: KeyForm.of(text) for name, text in (self.key or {}).items()})


def can_be_turned(one: Entity, other: Entity) -> bool:
    """Return True if changing an attribute is enough to turn an item of one entity into one of the other."""
    return one.where is not None and other.where is not None and _overlap(one, other)


def _overlap(one: Entity, other: Entity) -> bool:
    """Return True if an item can have the key of both entities."""
    return all(form.overlaps(other.forms[name]) for name, form in one.forms.items() if name in other.forms)


def checked_entities(table: str, key: Sequence[str], entities: Any) -> dict[str, Entity]:
    """Return the entities of a table, by name.

    Raises:
        ConfigurationError: one of them is not an Entity, or two of them cannot be told apart.
    """
    if not isinstance(entities, Mapping) or not entities:
        raise ConfigurationError(f'{table}: entities={{"user": Entity(…), "order": Entity(…)}}')
    entities = {name: _with_tags(table, each, key) for name, each in entities.items()}
    discriminators = frozenset(name for each in entities.values() for name in getattr(each, "where", None) or ())
    for name, each in entities.items():
        if not _is_text(name) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"{table}: an entity's name consists of letters, digits, `_` and `-`: {name!r}")
        if not isinstance(each, Entity):
            raise ConfigurationError(f"{table}: {name!r} is described by an Entity, not by a {type(each).__name__}")
        if not set(key).issuperset(each.forms) or not discriminators.isdisjoint(key):
            raise ConfigurationError(
                f"{table}: key= of {name!r} takes {' and '.join(key)}, and where= other attributes"
            )
        if not discriminators.isdisjoint({*each.attributes, each.tenant}):
            raise ConfigurationError(
                f"{table}: what tells entities apart is neither protected nor the tenant ({name!r})"
            )
    for name, each in entities.items():
        for other_name, other in entities.items():
            if name < other_name and _overlap(each, other) and not _differ(each, other):
                raise ConfigurationError(
                    f"{table}: an item could be both {name!r} and {other_name!r}: give them forms of keys that do not "
                    "overlap, or other texts in where="
                )
    return dict(entities)


def _with_tags(table: str, entity: Any, key: Sequence[str]) -> Any:
    """Return an entity whose key has the prefix of the tags in it as its form."""
    protections = getattr(entity, "attributes", {}).values()
    indexes = [index for each in protections if isinstance(each, Protection) for index in each.indexes]
    for index in indexes:
        if index.companion in key and index.prefix is None:
            raise ConfigurationError(
                f"{table}.{index.companion} has keys of several entities: give the tags of one a prefix, "
                f'IndexedBy("{index.companion}", prefix="EMAIL#", …)'
            )
        if index.companion in key:
            entity = replace(entity, key={**(entity.key or {}), index.companion: f"{index.prefix}*"})
    return entity


def _differ(one: Entity, other: Entity) -> bool:
    """Return True if entities whose keys overlap are told apart by something else.

    An item is refused if its key is that of an entity told by its key alone, while its attribute is that of another. So
    not all keys of the other may be like that.
    """
    if one.where is None or other.where is None:
        alone, told = (one, other) if one.where is None else (other, one)
        inside = all(name in told.forms and form.includes(told.forms[name]) for name, form in alone.forms.items())
        return told.where is not None and not inside
    return any(other.where.get(name, text) != text for name, text in one.where.items())


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)

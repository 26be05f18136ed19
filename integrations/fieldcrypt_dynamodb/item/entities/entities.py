"""The entities of a table: a description of each, one of what they have in common, and which of them an item is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from fieldcrypt import IndexedBy, Protection
from fieldcrypt.spi import Path
from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.entity import Entity, KeyForm, checked_entities
from fieldcrypt_dynamodb.item.entities.guard import Guard
from fieldcrypt_dynamodb.item.forms import Form

__all__ = ["AnyEntity", "Entities", "EntityDescription"]

_Test = tuple[str, KeyForm]  # an attribute, and what it has


class EntityDescription(TableDescription):
    """The description of the items of one entity.

    Attributes:
        told_by: the attributes that tell entities of this table apart, and the key: what is read from every item.
        where: what the discriminators of this entity are.
        guard: what its plain attributes must not have.
    """

    def __init__(self, table: TableDescription, name: str, entity: Entity, discriminators: frozenset[str]) -> None:
        self.told_by = discriminators.union(table.key)
        self.where = entity.where or {}
        super().__init__(
            f"{table.name}.{name}",
            table.encryptor,
            key=table.key,
            attributes=entity.attributes,
            fields=f"{table.fields_name}.{name}",
            tenant=entity.tenant,
            plain=entity.plain,
            bound=entity.bound,
            seal=entity.seal,
            accept=entity.accept,
            accept_until=entity.accept_until,
            indexes=entity.indexes,
        )

    def _declare_name(self, **how: bool) -> None:
        """Leave that to the table: it is one place, with all its entities."""

    @property
    def binding_attributes(self) -> frozenset[str]:
        """The attributes that say where a value is: the key's, the tenant, and those that tell the entity."""
        return super().binding_attributes | self.told_by


class AnyEntity(TableDescription):
    """What the descriptions of all entities have in common, for requests that may find items of any."""

    def __init__(self, table: TableDescription, entities: Mapping[str, Entity], each: Mapping[str, Any]) -> None:
        self.guard = Guard(None, entities, each)
        self.told_by = next(iter(each.values())).told_by
        self._each = tuple(each.values())
        how = Protection(object, literal_name=True)
        protected = dict.fromkeys((name for described in self._each for name in described.tops), how)
        super().__init__(
            table.name,
            table.encryptor,
            key=table.key,
            attributes=protected,
            plain=_plain(entities, protected.keys()),
            fields=f"{table.fields_name}.*",
        )
        for described in self._each:
            self.shape.avoid(described.shape)

    is_any = True

    def _declare_name(self, **how: bool) -> None:
        """Leave that to the table, too."""

    def _all(self, name: str) -> frozenset[str]:
        found: frozenset[str] = frozenset().union(*(getattr(each, name) for each in self._each))
        return found

    @property
    def own(self) -> frozenset[str]:
        """The attributes that fieldcrypt fills, but for those in which other entities can have values of their own."""
        shared: frozenset[str] = self.guard.shared
        return self._all("own") - shared

    def named_like(self, name: str) -> tuple[str, IndexedBy] | None:
        """Return such an index of any entity, unless another one has tags or a key under the name."""
        if name in self.guard.shared or name in self.binding_attributes:
            return None
        return next(filter(None, (each.named_like(name) for each in self._each)), None)

    @property
    def binding_attributes(self) -> frozenset[str]:
        """Those of all entities."""
        return self._all("binding_attributes")

    @property
    def previous_attributes(self) -> frozenset[str]:
        """Those of all entities."""
        return self._all("previous_attributes") - self.binding_attributes

    @property
    def sealed(self) -> frozenset[str]:
        """Those of all entities."""
        return self._all("sealed")

    @property
    def seals(self) -> frozenset[str]:
        """Those of all entities."""
        return self._all("seals")


class Entities:
    """The entities of a table.

    Args:
        table: the description of the table.
        entities: what was declared.

    Attributes:
        each: the description of each, by name.
        any: what they have in common.

    Raises:
        ConfigurationError: one is not an Entity, or contradicts itself; or two cannot be told apart.
    """

    def __init__(self, table: TableDescription, entities: Any) -> None:
        self._entities = checked_entities(table.name, table.key, entities)
        discriminators = frozenset(name for entity in self._entities.values() for name in entity.where or ())
        self.each = {
            name: EntityDescription(table, name, entity, discriminators) for name, entity in self._entities.items()
        }
        for name, described in self.each.items():
            described.guard = Guard(name, self._entities, self.each)
        self.any = AnyEntity(table, self._entities, self.each)
        self._keys: dict[str, tuple[_Test, ...]] = {}
        self._tests: dict[str, tuple[_Test, ...]] = {}
        for name, entity in self._entities.items():
            where = ((attribute, KeyForm(text, False)) for attribute, text in (entity.where or {}).items())
            self._keys[name] = tuple(entity.forms.items())
            self._tests[name] = (*self._keys[name], *where)
        self._tags = {name: described.key_tags for name, described in self.each.items()}

    def fitting(self, item: Mapping[str, Any], form: Form) -> Sequence[str]:
        """Return the entities that an item can be: exactly one, if it is as it should be."""
        texts = {name: form.text_of(item.get(name)) for name in self.any.told_by}
        return [name for name, tests in self._tests.items() if _fits(texts, tests, self._tags[name], item)]

    def possible(self, key: Mapping[str, Any], form: Form) -> Sequence[str]:
        """Return the entities whose form of key a key has."""
        texts = {name: form.text_of(key.get(name)) for name in self.any.key}
        return [name for name, tests in self._keys.items() if _fits(texts, tests, self._tags[name], key)]

    def of_key(self, key: Mapping[str, Any], form: Form) -> Sequence[str]:
        """Return the entities that the item with a key can be: one, if the form of the key tells."""
        possible = self.possible(key, form)
        return [name for name in possible if self._entities[name].where is None] or possible

    def of_forms(self, forms: Mapping[str, KeyForm]) -> str | None:
        """Return the entity, told by its key alone, to which all keys of these forms belong; None if there is none."""
        for name, entity in self._entities.items():
            own = entity.forms.items()
            if entity.where is None and all(key in forms and form.includes(forms[key]) for key, form in own):
                return name
        return None

    def of_searched(self, names: Set[str]) -> str | None:
        """Return the only entity in which one of these attributes is searchable."""
        searched = {name: {*described.indexes.of, *described.indexes.asked_by} for name, described in self.each.items()}
        found = [name for name, own in searched.items() if not names.isdisjoint(own)]
        return found[0] if len(found) == 1 else None

    def mismatch_error(self, found: Sequence[str], only: str | None) -> ProtectedAttributeError:
        """Return the error for an item or a key that is not of the one entity that it should be."""
        names = ", ".join(self._entities)
        if len(found) > 1:
            what = f"could be {' as well as '.join(found)}"
        elif not found:
            by = " and ".join(sorted(self.any.told_by))
            what = (
                f"is none of {names}, judging by {by}: describe it, by Entity(key=…) if all of it is plain; or have "
                "the index that it comes from project these"
            )
        else:
            what = f"is {found[0]}, and not {only}"
        return ProtectedAttributeError(f"an item of {self.any.name} {what}")


def _plain(entities: Mapping[str, Entity], protected: Set[str]) -> Set[str] | None:
    """Return what is plain on purpose in any entity; None if one of them does not say what is."""
    each = [entity.plain for entity in entities.values()]
    if None in each:
        return None
    names = {Path(path).first for plain in each for path in plain or ()} - protected
    return {Path.of_member(name).text for name in names}


def _fits(
    texts: Mapping[str, str | None], tests: Sequence[_Test], tags: Mapping[str, str], item: Mapping[str, Any]
) -> bool:
    """Return True if an item has what tells an entity. In place of tags in its key it may have their values."""
    for name, (expected, is_prefix) in tests:
        text = texts[name]
        if text is None:
            if name in item or tags.get(name) not in item:
                return False
        elif not (text.startswith(expected) if is_prefix else text == expected):
            return False
    return True

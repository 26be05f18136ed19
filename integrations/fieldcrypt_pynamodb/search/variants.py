"""The queries that one query of an index of tags becomes: one for each tag that an item may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pynamodb.attributes import Attribute
from pynamodb.constants import BINARY
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path

from fieldcrypt_pynamodb.attribute.companion import BlindIndexAttribute, Tag
from fieldcrypt_pynamodb.attribute.pending import Asked
from fieldcrypt_pynamodb.errors import ProtectedAttributeError
from fieldcrypt_pynamodb.search.conditions import Sought, rewritten_condition, sought_by
from fieldcrypt_pynamodb.search.expressions import plans

__all__ = ["Variant", "variants"]


class Variant(NamedTuple):
    """One query.

    Attributes:
        hash_key, range_condition: what it asks for.
        tags: by the names that they have in items.
        index_name: the index that has them as its keys.
    """

    hash_key: Any
    range_condition: Condition | None
    tags: dict[str, bytes]
    index_name: str | None = None

    def finds(self, instance: Any) -> bool:
        """Return True if an item has all of the tags, as far as it was read."""
        values = instance.attribute_values
        tags = self.tags.items()
        return all(values.get(instance._dynamo_to_python_attr(name)) == tag for name, tag in tags)


def variants(
    model: Any, hash_key: Any, range_condition: Condition | None, index_name: str | None
) -> tuple[list[Variant], list[Sought]]:
    """Return the queries that together find what is looked for, and what their items are compared with.

    Raises:
        ProtectedAttributeError: DynamoDB cannot answer that, or what is found could not be compared.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tags`.
    """
    by_hash = _sought_by_hash(model, hash_key, index_name)
    by_range = sought_by(range_condition, model) if isinstance(range_condition, Asked) else None
    if by_range is None:
        range_condition = rewritten_condition(range_condition, model)
    searches = [each for each in (by_hash, by_range) if each is not None]
    if not searches:
        return [Variant(hash_key, range_condition, {}, index_name)], []
    found = []
    hash_tags: Sequence[Any] = [None] if by_hash is None else by_hash.tags()
    range_tags: Sequence[Any] = [None] if by_range is None else by_range.tags()
    for one in hash_tags:
        for other in range_tags:
            tags = dict(each for each in (one, other) if each is not None)
            condition = range_condition if other is None else Path([other[0]]) == {BINARY: bytes(other[1])}
            index = _index_with(model, index_name, one and one[0], other and other[0], condition is not None)
            found.append(Variant(hash_key if one is None else Tag(one[1]), condition, tags, index))
    return found, searches


def _index_with(
    model: type[Any], named: str | None, hash_name: str | None, range_name: str | None, has_range: bool
) -> str | None:
    """Return the index with certain keys: the one that was named, or one with the tags of another level."""
    asked = _keys(model, named)
    wanted = (hash_name or asked[0], range_name or asked[1])
    names: tuple[str | None, ...] = (named, *model._indexes)
    for index in names:
        keys = _keys(model, index)
        if keys == wanted or (keys[0] == wanted[0] and not has_range):
            return index
    raise ProtectedAttributeError(
        f"what {named!r} is asked for has tags in {range_name or hash_name!r} as well, which is the key of no index of "
        f"{model.__name__}: declare one, have one level alone, or ask by a filter"
    )


def _keys(model: Any, index_name: str | None) -> tuple[str | None, str | None]:
    found = model.get_attributes() if index_name is None else model._indexes[index_name].Meta.attributes
    attributes: list[Attribute[Any]] = list(found.values())
    hash_name = next((each.attr_name for each in attributes if each.is_hash_key), None)
    return hash_name, next((each.attr_name for each in attributes if each.is_range_key), None)


def _sought_by_hash(model: Any, value: Any, index_name: str | None) -> Sought | None:
    companion = None if not index_name else model._indexes[index_name]._hash_key_attribute()
    if not isinstance(companion, BlindIndexAttribute):
        return None
    for plan in plans(model):
        for tagger in plan.taggers:
            for key, own in tagger.companions.items():
                if own.attr_name != companion.attr_name:
                    continue
                asked = value if isinstance(value, Condition) else tagger.asked_by(value, key)
                if not isinstance(asked, Asked) or plan.tagger_of(asked.attribute) is not tagger:
                    raise ProtectedAttributeError(
                        f"the index {index_name!r} is queried by the attribute that it indexes"
                    )
                return Sought(plan, tagger, asked, key)
    raise ProtectedAttributeError(
        f"the index {index_name!r} is one of {companion.attr_name!r}, which no attribute of {model.__name__} has as "
        "its index="
    )

"""The queries that one query of an index of tags becomes: one for each live index key."""

from __future__ import annotations

from typing import Any, NamedTuple

from pynamodb.constants import BINARY
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path

from fieldcrypt_pynamodb.attribute.companion import BlindIndexAttribute, Tag
from fieldcrypt_pynamodb.errors import ProtectedAttributeError
from fieldcrypt_pynamodb.search.conditions import Search, rewritten_condition, search_of
from fieldcrypt_pynamodb.search.expressions import plans

__all__ = ["Variant", "variants"]


class Variant(NamedTuple):
    """One query.

    Attributes:
        hash_key, range_condition: what it is asked for.
        tags: by the names that they have in items.
    """

    hash_key: Any
    range_condition: Condition | None
    tags: dict[str, Tag]


def variants(
    model: Any, hash_key: Any, range_condition: Condition | None, index_name: str | None
) -> tuple[list[Variant], list[Search]]:
    """Return the queries that together find what is looked for, and what their items are compared with.

    Raises:
        ProtectedAttributeError: DynamoDB cannot answer that, or what is found could not be compared.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tags`.
    """
    by_hash = _hash_search(model, hash_key, index_name)
    by_range = search_of(range_condition, model)
    if by_range is None:
        range_condition = rewritten_condition(range_condition, model)
    hash_keys: list[Any] = [hash_key] if by_hash is None else by_hash.tags()
    ranges: list[Any] = [range_condition] if by_range is None else by_range.tags()
    found = []
    for hash_value in hash_keys:
        for range_value in ranges:
            tags = {}
            if by_hash is not None:
                tags[by_hash.tagger.companion.attr_name] = hash_value
            if by_range is not None:
                name = by_range.tagger.companion.attr_name
                tags[name] = range_value
                found.append(Variant(hash_value, Path([name]) == {BINARY: bytes(range_value)}, tags))
            else:
                found.append(Variant(hash_value, range_value, tags))
    return found, [search for search in (by_hash, by_range) if search is not None]


def _hash_search(model: Any, value: Any, index_name: str | None) -> Search | None:
    companion = None if not index_name else model._indexes[index_name]._hash_key_attribute()
    if not isinstance(companion, BlindIndexAttribute):
        return None
    if isinstance(value, Condition):  # of_tenant(attribute, tenant) == value
        search = search_of(value, model)
        if search is None or search.tagger.companion.attr_name != companion.attr_name:
            raise ProtectedAttributeError(f"the index {index_name!r} is queried by the attribute that it indexes")
        return search
    for plan in plans(model):
        for protected in plan.protected.values():
            if protected.tagger is not None and protected.tagger.companion.attr_name == companion.attr_name:
                return search_of(protected.attribute == value, model)
    raise ProtectedAttributeError(
        f"the index {index_name!r} is one of {companion.attr_name!r}, which no attribute of {model.__name__} has as "
        "its index="
    )

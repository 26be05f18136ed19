"""What has to be read besides what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.constants import ALL, INCLUDE
from pynamodb.expressions.operand import Path

from fieldcrypt_pynamodb.errors import ProtectedAttributeError
from fieldcrypt_pynamodb.search.conditions import Sought
from fieldcrypt_pynamodb.search.expressions import plans

__all__ = ["check_index", "widened"]


def widened(model: Any, attributes_to_get: Any, searches: Sequence[Sought] = ()) -> Any:
    """Return what to read so that it can be decrypted and compared: key and tenant, and what was looked for."""
    if not attributes_to_get:
        return attributes_to_get
    asked = list(attributes_to_get) if isinstance(attributes_to_get, (list, tuple, set)) else [attributes_to_get]
    names = {_name(each) for each in asked}
    needed: list[str] = []
    for plan in plans(model):
        nested = () if plan.nested is None else plan.nested.roots
        if searches or not names.isdisjoint([*plan.protected, *nested]):
            needed += [*plan.item_key.attr_names, *plan.previous_names]
            discriminator = plan.model._get_discriminator_attribute()
            if discriminator is not None:
                needed.append(discriminator.attr_name)
    for each in searches:
        needed += each.names
    # As paths, for a name may have a dot in it, which PynamoDB would take for a place in a map.
    return asked + [Path([name]) for name in dict.fromkeys(needed) if name not in names]


def _name(asked: Any) -> str:
    if isinstance(asked, Attribute):
        return asked.attr_path[0]
    whole = asked.path[0] if isinstance(asked, Path) else asked.split(".")[0]
    return whole.partition("[")[0]


def check_index(model: Any, index_name: str | None, searches: Sequence[Sought]) -> None:
    """Refuse a search through an index whose items could not be compared with what is looked for.

    Raises:
        ProtectedAttributeError: the index has not the attribute.
    """
    projection = model._indexes[index_name].Meta.projection if index_name else None
    if projection is None or projection.projection_type == ALL:
        return
    projected = {*(projection.non_key_attributes if projection.projection_type == INCLUDE else ())}
    keys = (*model.get_attributes().values(), *model._indexes[index_name].Meta.attributes.values())
    projected.update(each.attr_name for each in keys if each.is_hash_key or each.is_range_key)
    for name in (name for each in searches for name in each.tagger.names):
        if name not in projected:
            raise ProtectedAttributeError(
                f"the index {index_name!r} has no {name!r}, so that what is found cannot be "
                "compared after decryption: other values may have the tag, and anyone who can write to the table can "
                "copy it. Project the attribute"
            )

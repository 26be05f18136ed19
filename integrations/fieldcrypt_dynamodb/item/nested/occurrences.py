"""The protected values in maps and lists of a stored item, one by one, and the item with some of them replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from fieldcrypt_dynamodb.item.forms import WIRE
from fieldcrypt_dynamodb.item.nested.shape import Found, Shape

__all__ = ["Occurrence", "occurrences", "with_replaced"]

Item = Mapping[str, Any]  # in DynamoDB's own form
Shapes = Mapping[str, Shape]  # of the attributes at the top with protected values in them


class Occurrence(str):
    """Which of the protected values in an attribute a value is. It is a text so that dictionaries can have it as a key.

    Attributes:
        root: the attribute at the top.
        number: the value's, in the order in which they are found; None for one that is not there.
    """

    root: str
    number: int | None

    @classmethod
    def of(cls, root: str, number: int | None) -> Self:
        """Return the occurrence of a number in an attribute."""
        made = cls(f"{root}/{number}")
        made.root, made.number = root, number
        return made


def occurrences(item: Item, shapes: Shapes) -> dict[Occurrence, Found]:
    """Return all protected values in maps and lists of an item that are not NULL.

    Raises:
        TypeError, ValueError: it has another shape.
    """
    found = {root: _copied(item, root, shape)[1] for root, shape in shapes.items()}
    return {Occurrence.of(root, number): each for root in found for number, each in enumerate(found[root])}


def with_replaced(item: Item, shapes: Shapes, values: Mapping[Occurrence, Any]) -> dict[str, Any]:
    """Return the attributes in which values are replaced. None becomes NULL."""
    new = {}
    for root in dict.fromkeys(place.root for place in values):
        new[root], found = _copied(item, root, shapes[root])
        for place, value in values.items():
            if place.root == root and place.number is not None:
                each = found[place.number]
                each.container[each.at] = {"NULL": True} if value is None else value
    return new


def _copied(item: Item, root: str, shape: Shape) -> tuple[Any, list[Found]]:
    found: list[Found] = []
    return (shape.copied(item[root], found, WIRE, reading=True) if root in item else None), found

"""What DynamoDB itself counts: items with values that are due, or protected, told by their form.

A value has our form if it is binary, begins with a version byte, and is as long as one is at least. Values are compared
by BETWEEN, which real and simulated DynamoDBs do alike; `begins_with` of binary values is refused by some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from fieldcrypt.spi import MIN_SIZE, SELF_CONTAINED, STORED
from fieldcrypt.spi.migration import Which
from fieldcrypt_dynamodb.item.nested.occurrences import occurrences
from fieldcrypt_dynamodb.item.nested.shape import Shape
from fieldcrypt_dynamodb.item.plaintext import is_null
from fieldcrypt_dynamodb.item.values import bytes_of
from fieldcrypt_dynamodb.migration.target import Item

__all__ = ["Scan", "scans"]

_AT_ONCE = 20  # attributes; DynamoDB takes 300 operators in an expression
_VALUES: dict[str, Any] = {
    ":null": {"S": "NULL"},
    ":binary": {"S": "B"},
    ":size": {"N": str(MIN_SIZE)},
    ":first": {"B": bytes([STORED])},
    ":behind": {"B": bytes([SELF_CONTAINED + 1])},  # which is itself shorter than what is counted
}
_OURS = "(attribute_type({0}, :binary) AND size({0}) >= :size AND {0} BETWEEN :first AND :behind)"
_DUE = f"(attribute_exists({{0}}) AND NOT attribute_type({{0}}, :null) AND NOT {_OURS})"


class Scan(NamedTuple):
    """A scan of one filter, and what those before it have found.

    Attributes:
        params: of the request.
        which: the kind of items.
        before: the attributes that were filtered by already.
        seal: the attribute that was, if items are sealed.
        nested: what has protected values in maps and lists, for which there is no filter.
    """

    params: dict[str, Any]
    which: Which = Which.ALL
    before: Sequence[str] = ()
    seal: str | None = None
    nested: Mapping[str, Shape] = MappingProxyType({})

    @property
    def has_filter(self) -> bool:
        """True if DynamoDB can count what this scan finds, and none before it has found."""
        return not self.before and not self.nested

    def is_first(self, item: Item) -> bool:
        """Return True if no scan before has found an item that this one finds."""
        is_filled = self.which is Which.FILLED
        if self.nested and not _is_any(is_filled, item, self.nested):
            return False
        has_seal = self.seal is not None and (self.seal in item) == is_filled
        return not has_seal and not any(_is(is_filled, item.get(name)) for name in self.before)


def scans(
    which: Which, names: Sequence[str], seal: str | None, nested: Mapping[str, Shape] = MappingProxyType({})
) -> Iterator[Scan]:
    """Yield the scans that find all items of a kind: one, unless there are very many attributes, or nested ones.

    Args:
        which: the kind.
        names, seal: the protected attributes, and that with the seal, if items are sealed.
        nested: the attributes with protected values in maps and lists.
    """
    if which is Which.ALL:
        yield Scan({})
        return
    is_filled = which is Which.FILLED
    for at in range(0, len(names) or int(seal is not None), _AT_ONCE):
        placed = {f"#a{number}": name for number, name in enumerate(names[at : at + _AT_ONCE])}
        terms = [(_OURS if is_filled else _DUE).format(place) for place in placed]
        if seal is not None and at == 0:
            placed["#seal"] = seal
            terms.append("attribute_exists(#seal)" if is_filled else "attribute_not_exists(#seal)")
        expression = " OR ".join(terms)
        values = {name: value for name, value in _VALUES.items() if name in expression}
        params = {"FilterExpression": expression, "ExpressionAttributeNames": placed}
        values_given = {"ExpressionAttributeValues": values} if values else {}
        yield Scan({**params, **values_given}, which, names[:at], seal if at else None)
    if nested:
        yield Scan({}, which, names, seal, nested)


def _is_any(is_filled: bool, item: Item, shapes: Mapping[str, Shape]) -> bool:
    """Return True if a value in a map or list is what a filter asks for, or may be."""
    try:
        found = occurrences(item, shapes)
    except (TypeError, ValueError):
        return not is_filled
    return any(_is(is_filled, each.value) for each in found.values())


def _is(is_filled: bool, value: Any) -> bool:
    """Return True if an attribute is what a filter asks for."""
    data = bytes_of(value)
    is_ours = data is not None and len(data) >= MIN_SIZE and data[0] in (STORED, SELF_CONTAINED)
    return is_ours if is_filled else not (is_ours or is_null(value))

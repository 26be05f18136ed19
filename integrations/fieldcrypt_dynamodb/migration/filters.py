"""What DynamoDB itself counts: items with values that are due, or protected, told by their form.

A value has our form if it is binary, begins with a version byte, and is as long as one is at least. Values are compared
by BETWEEN, which real and simulated DynamoDBs do alike; `begins_with` of binary values is refused by some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fieldcrypt.aead import NONCE_SIZE, TAG_SIZE
from fieldcrypt.envelope import KEY_ID_SIZE, SELF_CONTAINED, STORED
from fieldcrypt.migration.engine.source import Which

__all__ = ["filters"]

_AT_ONCE = 20  # attributes; DynamoDB takes 300 operators in an expression
_SIZE = 1 + KEY_ID_SIZE + NONCE_SIZE + TAG_SIZE
_VALUES: dict[str, Any] = {
    ":null": {"S": "NULL"},
    ":binary": {"S": "B"},
    ":size": {"N": str(_SIZE)},
    ":first": {"B": bytes([STORED])},
    ":behind": {"B": bytes([SELF_CONTAINED + 1])},  # which is itself shorter than what is counted
}
_OURS = "(attribute_type({0}, :binary) AND size({0}) >= :size AND {0} BETWEEN :first AND :behind)"
_DUE = f"(attribute_exists({{0}}) AND NOT attribute_type({{0}}, :null) AND NOT {_OURS})"


def filters(which: Which, names: Sequence[str], seal: str | None) -> Iterator[dict[str, Any]]:
    """Yield the parameters of scans that find all items of a kind: of one, unless there are very many attributes.

    Args:
        which: the kind.
        names, seal: the protected attributes, and that with the seal, if items are sealed.
    """
    if which is Which.ALL:
        yield {}
        return
    is_filled = which is Which.FILLED
    for at in range(0, len(names), _AT_ONCE):
        placed = {f"#a{number}": name for number, name in enumerate(names[at : at + _AT_ONCE])}
        terms = [(_OURS if is_filled else _DUE).format(place) for place in placed]
        if seal is not None and at == 0:
            placed["#seal"] = seal
            terms.append("attribute_exists(#seal)" if is_filled else "attribute_not_exists(#seal)")
        expression = " OR ".join(terms)
        yield {
            "FilterExpression": expression,
            "ExpressionAttributeNames": placed,
            "ExpressionAttributeValues": {name: value for name, value in _VALUES.items() if name in expression},
        }

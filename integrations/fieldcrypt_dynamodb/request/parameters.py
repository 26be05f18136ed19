"""The parameters of the operations on items. One that is not named here is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from boto3.dynamodb.conditions import ConditionBase

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.item.unreadable import marks

__all__ = ["KNOWN", "LEGACY", "boto3_params", "check_known", "misshapen"]

# From before there were expressions. DynamoDB takes either the one or the others.
LEGACY = frozenset(
    {"AttributesToGet", "AttributeUpdates", "ConditionalOperator", "Expected"}
    | {"KeyConditions", "QueryFilter", "ScanFilter"}
)
_COMMON = frozenset({"TableName", "ReturnConsumedCapacity", "ExpressionAttributeNames", "ExpressionAttributeValues"})
_WRITE = _COMMON | {"ConditionExpression", "ReturnValues", "ReturnItemCollectionMetrics"}
_WRITE |= {"ReturnValuesOnConditionCheckFailure"}
_SEARCH = _COMMON | {"IndexName", "Select", "Limit", "ConsistentRead", "ExclusiveStartKey"}
_SEARCH |= {"FilterExpression", "ProjectionExpression"}
_BATCH = frozenset({"RequestItems", "ReturnConsumedCapacity"})
_TRANSACTION = frozenset({"TransactItems", "ReturnConsumedCapacity"})
KNOWN: dict[str, frozenset[str]] = {
    "put_item": _WRITE | {"Item"},
    "delete_item": _WRITE | {"Key"},
    "update_item": _WRITE | {"Key", "UpdateExpression"},
    "get_item": _COMMON | {"Key", "ConsistentRead", "ProjectionExpression"},
    "query": _SEARCH | {"KeyConditionExpression", "ScanIndexForward"},
    "scan": _SEARCH | {"TotalSegments", "Segment"},
    "batch_get_item": _BATCH,
    "batch_write_item": _BATCH | {"ReturnItemCollectionMetrics"},
    "transact_get_items": _TRANSACTION,
    "transact_write_items": _TRANSACTION | {"ReturnItemCollectionMetrics", "ClientRequestToken"},
}

_KINDS: dict[str, tuple[type, ...]] = {
    "structure": (Mapping,),
    "map": (Mapping,),
    "list": (list, tuple),
    "string": (str, ConditionBase),
}
_OWN = "on_unreadable"  # a parameter that boto3 does not have


def misshapen(given: Any, shape: Any, where: str = "") -> Iterator[str]:
    """Yield what is wrong with parameters by botocore's model: not with attributes' values, and without any value.

    Args:
        given: the parameters, or a part of them.
        shape: botocore's, of these.
        where: the part.
    """
    if shape.name == "AttributeValue":
        return
    kinds, parts = _KINDS.get(shape.type_name, (object,)), given
    if not isinstance(given, kinds):
        valid = "dict" if Mapping in kinds else " or ".join(each.__name__ for each in kinds)
        yield f"Invalid type for parameter {where}, type: {type(given)}, valid types: {valid}"
    elif shape.type_name == "structure":
        missing = (name for name in shape.required_members if name not in parts)
        yield from (f'Missing required parameter in {where or "input"}: "{name}"' for name in missing)
        for name, part in parts.items():
            if name in shape.members:
                yield from misshapen(part, shape.members[name], f"{where}.{name}".lstrip("."))
            elif name != _OWN:
                yield f'Unknown parameter in {where or "input"}: "{name}"'
    elif shape.type_name == "map":
        for name, part in parts.items():
            yield from misshapen(name, shape.key, f"{where} (key)")
            yield from misshapen(part, shape.value, f"{where}.{name}")
    elif shape.type_name == "list":
        for number, part in enumerate(parts):
            yield from misshapen(part, shape.member, f"{where}[{number}]")


def boto3_params(params: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the parameters that are boto3's, and whether what cannot be read is to be marked.

    Raises:
        ValueError: `on_unreadable` is something else than "raise" or "mark".
    """
    if _OWN not in params:
        return params, False
    new = dict(params)
    return new, marks(new.pop(_OWN))


def check_known(operation: str, params: Mapping[str, Any]) -> None:
    """Refuse parameters that are not known here, whose values would be sent unexamined.

    Raises:
        ProtectedAttributeError: there is one.
    """
    for name in params:
        if name in LEGACY:
            raise ProtectedAttributeError(
                f"{operation} on a protected table takes no {name}: use the expressions, which replaced it"
            )
        if name not in KNOWN[operation]:
            raise ProtectedAttributeError(
                f"{operation}: {name} is not a parameter that fieldcrypt knows, so nothing is sent"
            )

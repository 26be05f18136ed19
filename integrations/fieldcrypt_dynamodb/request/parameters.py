"""The parameters of the operations on items. One that is not named here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.item.unreadable import marks

__all__ = ["KNOWN", "LEGACY", "boto3_params", "check_known"]

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


def boto3_params(params: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the parameters that are boto3's, and whether what cannot be read is to be marked.

    Raises:
        ValueError: `on_unreadable` is something else than "raise" or "mark".
    """
    if "on_unreadable" not in params:
        return params, False
    new = dict(params)
    return new, marks(new.pop("on_unreadable"))


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
            raise ProtectedAttributeError(f"{operation}: the effect of {name} on protected values is not known")

"""What all operations on one table begin with, and how they have a request sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.condition_text import build_conditions
from fieldcrypt_dynamodb.expression.conditions import rewrite
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.projections import Projection
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE, Form
from fieldcrypt_dynamodb.item.items import Items, Tenant
from fieldcrypt_dynamodb.protected_table import ProtectedTable
from fieldcrypt_dynamodb.request.exchange import Exchange, Params
from fieldcrypt_dynamodb.request.failures import decrypt_failed_item, explain_size
from fieldcrypt_dynamodb.request.parameters import check_known

__all__ = ["CONDITION", "EVERYTHING", "PreparedRequests"]

CONDITION, _PROJECTION = "ConditionExpression", "ProjectionExpression"
EVERYTHING = Projection(None)


class PreparedRequests:
    """The beginning and the end of an operation on one protected table.

    Args:
        table: the description.
        form: of the values.
        tenant: the only tenant whose items these are, or None.
    """

    def __init__(self, table: ProtectedTable, form: Form, tenant: Tenant | None = None) -> None:
        self.table = table
        self.items = Items(table, form, tenant)
        # In errors items have DynamoDB's form, also where boto3 gives all else in Python's.
        self.failed_items = self.items if form is WIRE else Items(table, WIRE, tenant)
        self._form = form

    def check_key(self, key: Any, *, written: bool = False) -> None:
        """Refuse a whole item in place of a key: DynamoDB does too, but has seen its values by then.

        Args:
            key: what was given for one.
            written: True if the item is updated or deleted; what is read does not decrypt if it is not the tenant's.

        Raises:
            ProtectedAttributeError: it has a protected attribute, or is the key of another tenant's item.
        """
        if (key.__class__ is dict or isinstance(key, Mapping)) and not self.table.tops.isdisjoint(key):
            name = next(name for name in key if name in self.table.tops)
            raise ProtectedAttributeError(
                f"a key of {self.table.name} has the protected attribute {name!r}: it consists of "
                f"{' and '.join(self.table.key)}, and what an index adds"
            )
        if written and isinstance(key, Mapping):
            self.items.check_tenant(key)

    # What they have in common

    def _prepared(self, operation: str, params: Params) -> tuple[dict[str, Any], Placeholders]:
        """Return a copy of a request with its conditions as text, and its placeholders."""
        check_known(operation, params)
        for name in ("Key", "ExclusiveStartKey"):
            self.check_key(params.get(name), written=operation in ("delete_item", "update_item"))
        new = dict(params)
        build_conditions(new, allowed=self._form is PYTHON)
        placeholders = Placeholders(new)
        if CONDITION in new:
            condition = rewrite(
                new[CONDITION], self.table, placeholders, self._form, self.items.tenant_text, compares=False
            )
            new[CONDITION] = condition.text
        return new, placeholders

    def _projected(self, new: dict[str, Any], placeholders: Placeholders, needed: Iterable[str] = ()) -> Projection:
        if _PROJECTION not in new:
            return EVERYTHING
        projection = Projection.from_text(new[_PROJECTION], self.table, placeholders, needed)
        new[_PROJECTION] = projection.text
        return projection

    def _sent(self, params: Params) -> Exchange:
        """Have a request sent, and return the response; an error says what can be said about items."""
        try:
            return (yield params)
        except ClientError as error:
            decrypt_failed_item(self.failed_items, error.response)
            explain_size(error, [params["Item"]] if "Item" in params else [], self._form)
            raise

"""What each operation of DynamoDB needs done to its request and its response.

The parameters are boto3's, in either form. Nothing is sent here: an operation is an `Exchange`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from fieldcrypt import DecryptionError
from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.condition_text import build_conditions
from fieldcrypt_dynamodb.expression.conditions import Condition, KeySearch, meets, rewrite, rewrite_key
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.projections import Projection
from fieldcrypt_dynamodb.expression.syntax import beside_and
from fieldcrypt_dynamodb.expression.updates import Update
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE, Form
from fieldcrypt_dynamodb.item.items import Items, Tenant
from fieldcrypt_dynamodb.request.exchange import Exchange, Params, Response
from fieldcrypt_dynamodb.request.failures import decrypt_failed_item, explain_size
from fieldcrypt_dynamodb.request.pages import joined
from fieldcrypt_dynamodb.request.parameters import check_known

__all__ = ["TableRequests"]

_CONDITION, _FILTER, _KEY = "ConditionExpression", "FilterExpression", "KeyConditionExpression"
_UPDATE, _PROJECTION = "UpdateExpression", "ProjectionExpression"

# The usual requests, which have no expressions.
_PLAIN_PUT = frozenset({"TableName", "Item", "ReturnConsumedCapacity", "ReturnValues"})
_PLAIN_GET = frozenset({"TableName", "Key", "ConsistentRead", "ReturnConsumedCapacity"})
_EVERYTHING = Projection(None)


class TableRequests:
    """The operations on one protected table.

    Args:
        table: the description.
        form: of the values.
        tenant: the only tenant whose items these are, or None.
    """

    def __init__(self, table: TableDescription, form: Form, tenant: Tenant | None = None) -> None:
        self.table = table
        self.items = Items(table, form, tenant)
        # In errors items have DynamoDB's form, also where boto3 gives all else in Python's.
        self.failed_items = self.items if form is WIRE else Items(table, WIRE, tenant)
        self._form = form

    # One item

    def put_item(self, params: Params) -> Exchange:
        """Encrypt an item; decrypt the old one, if it is returned."""
        response = yield from self._sent(self.put(params))
        return self._opened(response, "Attributes", None, whole=True) if "Attributes" in response else response

    def put(self, params: Params) -> dict[str, Any]:
        """Return the request of `put_item`, or of a Put in a transaction."""
        if params.keys() <= _PLAIN_PUT and "Item" in params:  # no expressions, so no placeholders
            return {**params, "Item": self.items.encrypted(params["Item"])}
        new, placeholders = self._prepared("put_item", params)
        if "Item" in new:  # else boto3 says that it is missing
            new["Item"] = self.items.encrypted(new["Item"])
        placeholders.put_into(new)
        return new

    def get_item(self, params: Params) -> Exchange:
        """Decrypt an item."""
        new, projection = self.get(params)
        response = yield from self._sent(new)
        if "Item" in response:
            response = {**response, "Item": self.opened(response["Item"], projection)}
        return response

    def get(self, params: Params) -> tuple[dict[str, Any], Projection]:
        """Return the request of `get_item`, or of a Get in a transaction, and what was asked for."""
        if params.keys() <= _PLAIN_GET:
            self.check_key(params.get("Key"))
            return dict(params), _EVERYTHING
        new, placeholders = self._prepared("get_item", params)
        projection = self._projected(new, placeholders)
        placeholders.put_into(new)
        return new, projection

    def opened(self, item: Params, projection: Projection) -> dict[str, Any]:
        """Return an item that was read, with what was asked for."""
        found = self.items.decrypted(item, whole=projection.verifies)
        return found if projection is _EVERYTHING else projection.cut(found)

    def delete_item(self, params: Params) -> Exchange:
        """Rewrite a condition; decrypt the old item, if it is returned."""
        response = yield from self._sent(self.delete(params))
        return self._opened(response, "Attributes", None, whole=True)

    def delete(self, params: Params) -> dict[str, Any]:
        """Return the request of `delete_item`, or of a Delete or ConditionCheck in a transaction."""
        new, placeholders = self._prepared("delete_item", params)
        placeholders.put_into(new)
        return new

    def update_item(self, params: Params) -> Exchange:
        """Encrypt what is set on protected attributes; decrypt what is returned."""
        new = self.update(params)
        response = yield from self._sent(new)
        whole = str(params.get("ReturnValues", "")).startswith("ALL")
        return self._opened(response, "Attributes", None if whole else params["Key"], whole=whole)

    def update(self, params: Params) -> dict[str, Any]:
        """Return the request of `update_item`, or of an Update in a transaction."""
        new, placeholders = self._prepared("update_item", params)
        key, protected = params.get("Key", {}), False
        if _UPDATE in new:
            update = Update(new[_UPDATE], self.items, placeholders)
            protected = update.protected
            new[_UPDATE] = update.rewritten(self.items.binding_of_key(key) if protected else None)
        self._restrict(new, key, placeholders, protected)
        placeholders.put_into(new)
        return new

    def _restrict(self, new: dict[str, Any], key: Params, placeholders: Placeholders, protected: bool) -> None:
        """Add to the condition of an update what must hold for the item to be readable afterwards."""
        needed = []
        tenant = self.table.tenant
        if protected and tenant is not None and tenant not in key:
            named = placeholders.value(self._form.scalar(self.items.tenant))
            needed.append(f"{placeholders.name(tenant)} = {named}")
        if self.table.seal is not None:
            needed.append(f"attribute_exists({placeholders.name(self.table.seal.attribute)})")
        if needed and _CONDITION in new:
            needed.append(beside_and(new[_CONDITION], placeholders.names))
        if needed:
            new[_CONDITION] = " AND ".join(needed)

    def check_key(self, key: Any, *, written: bool = False) -> None:
        """Refuse a whole item in place of a key: DynamoDB does too, but has seen its values by then.

        Args:
            key: what was given for one.
            written: True if the item is updated or deleted; what is read does not decrypt if it is not the tenant's.

        Raises:
            ProtectedAttributeError: it has a protected attribute, or is the key of another tenant's item.
        """
        if (key.__class__ is dict or isinstance(key, Mapping)) and not self.table.attributes.keys().isdisjoint(key):
            name = next(name for name in key if name in self.table.attributes)
            raise ProtectedAttributeError(
                f"a key of {self.table.name} has the protected attribute {name!r}: it consists of "
                f"{' and '.join(self.table.key)}, and what an index adds"
            )
        if written and isinstance(key, Mapping):
            self.items.check_tenant(key)

    # Several items

    def query(self, params: Params) -> Exchange:
        """Decrypt what is found by key; on a tag as the key of an index, ask for each tag of the value."""
        new, placeholders = self._prepared("query", params)
        search: KeySearch | None = None
        condition = None
        if _KEY in new:
            condition, search = rewrite_key(new[_KEY], self.table, placeholders, self._form, self.items.tenant_text)
            new[_KEY] = condition.text
        return self._search(new, placeholders, condition, search)

    def scan(self, params: Params) -> Exchange:
        """Decrypt what is found."""
        new, placeholders = self._prepared("scan", params)
        return self._search(new, placeholders, None, None)

    def _search(
        self, new: Params, placeholders: Placeholders, by_key: Condition | None, search: KeySearch | None
    ) -> Exchange:
        conditions = [by_key] if by_key is not None else []
        if _FILTER in new:
            condition = rewrite(
                new[_FILTER], self.table, placeholders, self._form, self.items.tenant_text, compares=True
            )
            new[_FILTER] = condition.text
            conditions.append(condition)
        comparisons = [each for condition in conditions for each in condition.comparisons]
        counted = new.get("Select") == "COUNT"
        if counted and any(self.table.indexes[name].truncated for name, _ in comparisons):
            raise ProtectedAttributeError(
                "items that were found by tags shorter than 16 bytes cannot be counted by DynamoDB: it would count "
                "those of other values too"
            )
        compared = {name for name, _ in comparisons}
        sealed = self.table.seal.over if self.table.seal is not None else ()
        asked_about = {name for condition in conditions for name in condition.attributes if name in sealed}
        projection = self._projected(new, placeholders, compared | asked_about)
        placeholders.put_into(new)
        response = yield from self._sent(new) if search is None else self._sent_per_tag(new, search)
        if counted:
            return response
        items = [self.items.decrypted(item, whole=projection.verifies) for item in response.get("Items", ())]
        if "IndexName" in new:
            self._check_projected(items, compared)
        kept = [projection.cut(item) for item in items if meets(item, comparisons, self.items)]
        return {**response, "Items": kept, "Count": len(kept)}

    def _check_projected(self, items: list[dict[str, Any]], compared: Iterable[str]) -> None:
        for name in compared:
            if any(name not in item for item in items):
                raise DecryptionError(
                    f"an item of {self.table.name} lacks the attribute {name!r}, by which it was found: let the index "
                    "project it"
                )

    def _sent_per_tag(self, new: Params, search: KeySearch) -> Exchange:
        """Ask for one tag after the other, and return the first page that is not the last of its tag.

        While DynamoDB has more for a tag, its LastEvaluatedKey has the tag, so that one sees where to go on. If a tag
        ends where the limit is reached, the page has one item more, of the next tag, for without it there is no key.
        """
        start = new.get("ExclusiveStartKey")
        tags = search.tags
        if start is not None and search.companion in start:
            tag = self._form.bytes_of(start[search.companion])
            tags = tags[tags.index(tag) :] if tag in tags else tags
        found: dict[str, Any] = {}
        for tag in tags:
            request = dict(new)
            request["ExpressionAttributeValues"] = {
                **new["ExpressionAttributeValues"],
                search.placeholder: self._form.binary(tag),
            }
            if found:
                request.pop("ExclusiveStartKey", None)
                if "Limit" in new:
                    request["Limit"] = max(1, new["Limit"] - found["ScannedCount"])
            found = joined(found, (yield from self._sent(request)))
            if "LastEvaluatedKey" in found:
                break
        return found

    # What they have in common

    def _prepared(self, operation: str, params: Params) -> tuple[dict[str, Any], Placeholders]:
        """Return a copy of a request with its conditions as text, and its placeholders."""
        check_known(operation, params)
        for name in ("Key", "ExclusiveStartKey"):
            self.check_key(params.get(name), written=operation in ("delete_item", "update_item"))
        new = dict(params)
        build_conditions(new, allowed=self._form is PYTHON)
        placeholders = Placeholders(new)
        if _CONDITION in new:
            condition = rewrite(
                new[_CONDITION], self.table, placeholders, self._form, self.items.tenant_text, compares=False
            )
            new[_CONDITION] = condition.text
        return new, placeholders

    def _projected(self, new: dict[str, Any], placeholders: Placeholders, needed: Iterable[str] = ()) -> Projection:
        if _PROJECTION not in new:
            return _EVERYTHING
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

    def _opened(self, response: Response, part: str, key: Params | None, *, whole: bool) -> Response:
        """Return a response with its item decrypted."""
        if part not in response:
            return response
        binding = None
        if key is not None and any(name in self.table.attributes for name in response[part]):
            binding = self.items.binding_of_key(key)
        return {**response, part: self.items.decrypted(response[part], binding=binding, whole=whole)}

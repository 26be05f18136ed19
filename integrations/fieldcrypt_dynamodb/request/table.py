"""What each operation of DynamoDB needs done to its request and its response.

The parameters are boto3's, in either form; what is yielded, and what is sent in, has DynamoDB's own. Nothing is sent
here: an operation is an `Exchange`.
"""

from __future__ import annotations

from typing import Any

from fieldcrypt import DecryptionError, FieldcryptError
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, write_applied_error
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.projections import Projection
from fieldcrypt_dynamodb.expression.syntax import beside_and
from fieldcrypt_dynamodb.expression.updates import Update
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.plaintext import key_of
from fieldcrypt_dynamodb.request.exchange import Exchange, Params, Response
from fieldcrypt_dynamodb.request.parameters import boto3_params
from fieldcrypt_dynamodb.request.prepared import CONDITION, EVERYTHING
from fieldcrypt_dynamodb.request.search import SearchRequests
from fieldcrypt_dynamodb.request.warm_keys import warm_keys

__all__ = ["TableRequests"]

_UPDATE = "UpdateExpression"

# The usual requests, which have no expressions.
_PLAIN_PUT = frozenset({"TableName", "Item", "ReturnConsumedCapacity", "ReturnValues"})
_PLAIN_GET = frozenset({"TableName", "Key", "ConsistentRead", "ReturnConsumedCapacity"})


class TableRequests(SearchRequests):
    """The operations on one protected table: on one item, and those that find items."""

    def put_item(self, params: Params) -> Exchange:
        """Encrypt an item; decrypt the old one, if it is returned."""
        new = self.put(params)
        if "ReturnValues" in params and _returns(params):
            self._warm_keys(params.get("Item", {}))
        response = yield from self._sent(new)
        if "Attributes" not in response:
            return response
        return self._answer(response, params.get("Item", {}), None, whole=True)

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
        mark = False
        if "on_unreadable" in params:
            params, mark = boto3_params(params)
        new, projection = self.get(params)
        response = yield from self._sent(new)
        if "Item" in response:
            response = {**response, "Item": self.opened(response["Item"], projection, mark=mark)}
        return response

    def get(self, params: Params) -> tuple[dict[str, Any], Projection]:
        """Return the request of `get_item`, or of a Get in a transaction, and what was asked for."""
        if params.keys() <= _PLAIN_GET and "Key" in params:
            return {**params, "Key": self.sent_key(params["Key"])}, EVERYTHING
        new, placeholders = self._prepared("get_item", params)
        projection = self._projected(new, placeholders)
        placeholders.put_into(new)
        return new, projection

    def opened(self, item: Params, projection: Projection, *, mark: bool = False) -> dict[str, Any]:
        """Return an item that was read, with what was asked for."""
        found = self.reads.decrypted(item, whole=projection.verifies, mark=mark)
        return found if projection is EVERYTHING else projection.cut(found, self._form)

    def delete_item(self, params: Params) -> Exchange:
        """Rewrite a condition; decrypt the old item, if it is returned."""
        new, key = self.delete(params), params.get("Key", {})
        if _returns(params):
            self._warm_keys(key)
        response = yield from self._sent(new)
        return self._answer(response, key, None, whole=True)

    def delete(self, params: Params) -> dict[str, Any]:
        """Return the request of `delete_item`, or of a Delete or ConditionCheck in a transaction."""
        new, placeholders = self._prepared("delete_item", params)
        is_so = self._is_this_entity(placeholders)
        if is_so:
            absent = f"attribute_not_exists({placeholders.name(self.table.key[0])})"
            given = [beside_and(new[CONDITION], placeholders.names)] if CONDITION in new else []
            either = f"{absent} OR {' AND '.join(is_so)}"
            new[CONDITION] = " AND ".join([f"({either})", *given]) if given else either
        placeholders.put_into(new)
        return new

    def update_item(self, params: Params) -> Exchange:
        """Encrypt what is set on protected attributes; decrypt what is returned."""
        new, protected = self._updated(params)
        whole, key = _returns(params, "ALL"), params.get("Key", {})
        if whole or (protected and _returns(params)):
            self._warm_keys(key)
        response = yield from self._sent(new)
        return self._answer(response, key, None if whole else key, whole=whole)

    def update(self, params: Params) -> Params:
        """Return the request of an Update in a transaction."""
        return self._updated(params)[0]

    def _updated(self, params: Params) -> tuple[Params, bool]:
        """Return the request of `update_item`, and whether it changes protected attributes."""
        new, placeholders = self._prepared("update_item", params)
        key, protected = params.get("Key", {}), False
        if _UPDATE in new:
            update = Update(new[_UPDATE], self.items, placeholders)
            protected = update.protected
            if not update.is_told and _returns(params, "UPDATED"):
                raise ProtectedAttributeError(
                    f"{self.table.name}: what it removes of an element of a list does not decrypt without the member "
                    "that distinguishes it: ask for ReturnValues=ALL_OLD, or none"
                )
            try:
                new[_UPDATE] = update.rewritten(key, self.items.binding_of_key(key) if protected else None)
            except (TypeError, ValueError) as error:
                raise self.items.refused_error(error, key) from None
        self._restrict(new, key, placeholders, protected)
        placeholders.put_into(new)
        return new, protected

    def _restrict(self, new: dict[str, Any], key: Params, placeholders: Placeholders, protected: bool) -> None:
        """Add to the condition of an update what must hold for the item to be readable afterwards."""
        needed = self._is_this_entity(placeholders)
        tenant = self.table.tenant
        if protected and tenant is not None and tenant not in key:
            named = placeholders.value(PYTHON.serialize(self.items.tenant))
            needed.append(f"{placeholders.name(tenant)} = {named}")
        if self.table.seal is not None:
            needed.append(f"attribute_exists({placeholders.name(self.table.seal.attribute)})")
        elif self.table.key_tags:  # a new item would have the tag, and not the value that it is found by
            needed.append(f"attribute_exists({placeholders.name(self.table.key[0])})")
        if needed and CONDITION in new:
            needed.append(beside_and(new[CONDITION], placeholders.names))
        if needed:
            new[CONDITION] = " AND ".join(needed)

    def _is_this_entity(self, placeholders: Placeholders) -> list[str]:
        """Return conditions that a stored item is of the entity, as far as attributes tell it."""
        return [
            f"{placeholders.name(name)} = {placeholders.value({'S': text})}" for name, text in self.table.where.items()
        ]

    def _warm_keys(self, item: Params) -> None:
        """Fetch the keys that an answer to a write may need, if their tenant is known: after the write is too late."""
        tenant = self.table.tenant
        if self.table.told_by and not (self.table.tops or self.table.seals):
            return  # all of the entity is plain
        if tenant is None or tenant in item or self.items.tenant is not None:
            warm_keys(self.table, self.items.binding_of_key(item).tenant)

    def _answer(self, response: Response, item: Params, key: Params | None, *, whole: bool) -> Response:
        """Return the answer to a write with its item decrypted.

        Args:
            response: DynamoDB's.
            item: what was written, or its key.
            key: what the values that are returned are bound to, if they do not tell.
            whole: as for `Items.decrypted`.

        Raises:
            WriteAppliedError: it cannot be decrypted.
        """
        found = response.get("Attributes")
        if found is None:
            return response
        try:
            if key is None:
                return {**response, "Attributes": self.reads.decrypted(found, whole=whole)}
            self._check_part(found)
            binding = None if self.table.tops.isdisjoint(found) else self.items.binding_of_key(key)
            return {**response, "Attributes": self.items.decrypted(found, binding=binding, whole=whole)}
        except FieldcryptError as error:
            key_shown = key_of(item, self.table.key, self._form)
            raise write_applied_error(self.table.name, key_shown, error, response) from error

    def _check_part(self, found: Params) -> None:
        wrong = None if self.table.guard is None else self.table.guard.wrong(found, WIRE)
        if wrong is not None:
            raise DecryptionError(f"{self.table.name}.{wrong[0]}: {wrong[1]}")


def _returns(params: Params, which: str = "") -> bool:
    """Return True if a write asks for values, old or new."""
    asked = params.get("ReturnValues", "NONE")
    return isinstance(asked, str) and asked != "NONE" and asked.startswith(which)

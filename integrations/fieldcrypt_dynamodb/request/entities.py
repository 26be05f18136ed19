"""The operations on a table with several entities: each request goes to those of the entity that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.condition_text import build_conditions
from fieldcrypt_dynamodb.expression.key_forms import entity_of_condition
from fieldcrypt_dynamodb.expression.projections import Projection
from fieldcrypt_dynamodb.item.binding import Tenant
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.entities import Entities
from fieldcrypt_dynamodb.item.entities.entity_items import EntityItems
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE, Form
from fieldcrypt_dynamodb.request.exchange import Exchange, Params
from fieldcrypt_dynamodb.request.table import TableRequests

__all__ = ["EntityRequests"]

_KEY = "KeyConditionExpression"


class EntityRequests:
    """The operations on one table with entities, as `TableRequests` has them.

    The form of its key tells the entity of a write, or the caller does. An attribute tells it only if an item is put as
    a whole; an update or a delete of an entity that has such an attribute gets the condition that it is still so.

    Args:
        table, form, tenant: as for `TableRequests`.
    """

    def __init__(self, table: TableDescription, form: Form, tenant: Tenant | None = None) -> None:
        self.table, self._form = table, form
        self._entities: Entities = table.entities
        self.items = EntityItems(table, form, tenant)
        self.failed_items = self.items if form is WIRE else EntityItems(table, WIRE, tenant)
        self._of = {
            name: TableRequests(described, form, tenant, reads=self) for name, described in self._entities.each.items()
        }
        self._any = TableRequests(self._entities.any, form, tenant, reads=self)

    # Of which entity a request is

    def _of_item(self, params: Params) -> TableRequests:
        item = params.get("Item")
        return self._any if item is None else self._of[self.items.entity_of(item, self._form)]

    def _of_key(self, key: Any, *, written: bool) -> TableRequests:
        """Return the operations on the item of a key; to read, those on any if the key does not tell.

        Raises:
            ProtectedAttributeError: no item has such a key; or an item is written, and its entity is not named.
        """
        if not isinstance(key, Mapping):  # boto3 says what is wrong with it
            return self._any
        only, possible = self.table.only_entity, self._entities.of_key(key, self._form)
        if only is not None and only in self._entities.possible(key, self._form):
            return self._of[only]
        if only is not None or not possible:
            raise self._entities.mismatch_error(possible, only)
        if len(possible) > 1 and written:
            raise ProtectedAttributeError(
                f"the key of an item of {self.table.name} does not tell its entity, and somebody may have changed what "
                f'is stored: name it, of_entity(table, "{possible[0]}")'
            )
        return self._of[possible[0]] if len(possible) == 1 else self._any

    def _of_search(self, params: Params) -> tuple[TableRequests, Params]:
        """Return the operations on what a query or a scan finds, and its request with conditions as text."""
        only = self.table.only_entity
        params = dict(params)
        build_conditions(params, allowed=self._form is PYTHON)
        told = entity_of_condition(params.get(_KEY), params, self._entities, self._form)
        if only is not None and told != only and params.get("Select") == "COUNT":
            raise ProtectedAttributeError(
                f"DynamoDB would count items of other entities of {self.table.name} too: count what is found, or have "
                "the key condition tell the entity"
            )
        name = only or told
        return (self._any if name is None else self._of[name]), params

    # The operations

    def put_item(self, params: Params) -> Exchange:
        return self._of_item(params).put_item(params)

    def put(self, params: Params) -> dict[str, Any]:
        return self._of_item(params).put(params)

    def get_item(self, params: Params) -> Exchange:
        return self._of_key(params.get("Key"), written=False).get_item(params)

    def get(self, params: Params) -> tuple[dict[str, Any], Projection]:
        return self._of_key(params.get("Key"), written=False).get(params)

    def opened(self, item: Params, projection: Projection, *, mark: bool = False) -> dict[str, Any]:
        return self._any.opened(item, projection, mark=mark)

    def delete_item(self, params: Params) -> Exchange:
        return self._of_key(params.get("Key"), written=True).delete_item(params)

    def delete(self, params: Params) -> dict[str, Any]:
        return self._of_key(params.get("Key"), written=True).delete(params)

    def update_item(self, params: Params) -> Exchange:
        return self._of_key(params.get("Key"), written=True).update_item(params)

    def update(self, params: Params) -> Params:
        return self._of_key(params.get("Key"), written=True).update(params)

    def sent_key(self, key: Any, *, written: bool = False) -> Any:
        return self._of_key(key, written=False).sent_key(key, written=written)

    def query(self, params: Params) -> Exchange:
        requests, params = self._of_search(params)
        return requests.query(params)

    def scan(self, params: Params) -> Exchange:
        requests, params = self._of_search(params)
        return requests.scan(params)

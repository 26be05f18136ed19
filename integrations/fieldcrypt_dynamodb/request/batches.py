"""Operations on several items, perhaps of several tables, of which some may be protected."""

from __future__ import annotations

from collections.abc import Iterable
from operator import is_
from typing import Any

from botocore.exceptions import ClientError

from fieldcrypt import ConfigurationError
from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.projections import Projection
from fieldcrypt_dynamodb.item.binding import Tenant
from fieldcrypt_dynamodb.item.forms import WIRE, Form
from fieldcrypt_dynamodb.protected_table import ProtectedTable
from fieldcrypt_dynamodb.request.entities import EntityRequests
from fieldcrypt_dynamodb.request.exchange import Exchange, Params, Response
from fieldcrypt_dynamodb.request.failures import decrypt_failed_item, explain_size
from fieldcrypt_dynamodb.request.operations import table_name
from fieldcrypt_dynamodb.request.parameters import boto3_params, check_known
from fieldcrypt_dynamodb.request.plain_parts import deserialized, serialized
from fieldcrypt_dynamodb.request.table import TableRequests

__all__ = ["Requests"]

_METRICS = "ItemCollectionMetrics"

AnyRequests = TableRequests | EntityRequests
_WRITES = {"Put": "put", "Update": "update", "Delete": "delete", "ConditionCheck": "delete"}  # methods by kind


class Requests:
    """The operations of a client or a resource.

    Args:
        tables: those that are protected.
        form: of the application's values.
        tenant: the only tenant whose items these are, or None.
        knows_all: False if other tables may be protected as well, so that nothing is sent to them.

    Raises:
        TypeError: something else is given for a table.
        ConfigurationError: a table is described twice.
    """

    def __init__(
        self, tables: Iterable[ProtectedTable], form: Form, tenant: Tenant | None = None, *, knows_all: bool = True
    ) -> None:
        self.knows_all, self.tenant = knows_all, tenant
        if isinstance(tables, ProtectedTable):
            raise TypeError(f"expected a list of ProtectedTable objects, as [{tables.name}], got one alone")
        self.tables = tuple(tables)
        for table in self.tables:
            if not isinstance(table, ProtectedTable):
                raise TypeError(f"expected ProtectedTable objects, got a {type(table).__name__}")
        self._form = form
        self._of: dict[str, AnyRequests] = {
            table.name: (TableRequests if table.entities is None else EntityRequests)(table, form, tenant)
            for table in self.tables
        }
        if len(self._of) < len(self.tables):
            raise ConfigurationError("a table is described twice: one description has to have all protected attributes")

    def for_table(self, table: Any) -> AnyRequests | None:
        """Return the operations on a table that is protected.

        Args:
            table: its name or its ARN.

        Raises:
            ProtectedAttributeError: it is not known here whether the table is protected.
        """
        name = table_name(table)
        found = None if name is None else self._of.get(name)
        if found is None and name is not None and not self.knows_all:
            raise ProtectedAttributeError(
                f"{name} may have protected attributes of which {' and '.join(self._of)} knows nothing: "
                "use an EncryptedClient or EncryptedResource with the descriptions of all tables"
            )
        return found

    def of_entity(self, name: str) -> Requests:
        """Return the same operations for the items of one entity alone, of the tables that have it.

        Raises:
            ConfigurationError: no table has it.
        """
        found = [table.of_entity(name) if name in table.entity_names else table for table in self.tables]
        if all(map(is_, found, self.tables)):
            raise ConfigurationError(f"none of these tables has an entity {name!r}")
        return Requests(found, self._form, self.tenant, knows_all=self.knows_all)

    def of_tenant(self, tenant: Tenant | None) -> Requests:
        """Return the same operations for the items of one tenant alone.

        Raises:
            ConfigurationError: no table has tenants.
        """
        if not any(table.has_tenants for table in self.tables):
            names = " and ".join(table.name for table in self.tables)
            raise ConfigurationError(f"{names} has no tenants: tenant= names the attribute that has them")
        return Requests(self.tables, self._form, tenant, knows_all=self.knows_all)

    def batch_get_item(self, params: Params) -> Exchange:
        """Decrypt what is read; what was not processed comes back as it was asked for."""
        params, mark = boto3_params(params)
        check_known("batch_get_item", params)
        asked: dict[str | None, tuple[AnyRequests, Projection, Any]] = {}  # by the table's name, never its ARN
        wanted: dict[str, Any] = {}
        for name, keys in params["RequestItems"].items():
            requests = self.for_table(name)
            if requests is None:
                wanted[name] = serialized(keys, self._form)
            else:
                request, projection = requests.get({key: value for key, value in keys.items() if key != "Keys"})
                wanted[name] = {**request, "Keys": [requests.sent_key(key) for key in keys["Keys"]]}
                if asked.setdefault(table_name(name), (requests, projection, keys))[1] != projection:
                    raise ProtectedAttributeError(
                        f"{requests.table.name} is asked for twice, by its name and its ARN, and not for the same "
                        "attributes: which answer is which cannot be told"
                    )
        response = dict((yield {**params, "RequestItems": wanted}))
        plain = self._form.deserialize_item
        response["Responses"] = {
            name: [plain(item) if reading is None else reading[0].opened(item, reading[1], mark=mark) for item in items]
            for name, items in response.get("Responses", {}).items()
            for reading in (asked.get(table_name(name)),)
        }
        left = {name: deserialized(keys, self._form) for name, keys in (response.get("UnprocessedKeys") or {}).items()}
        response["UnprocessedKeys"] = {
            name: keys if reading is None else {**params["RequestItems"].get(name, reading[2]), "Keys": keys["Keys"]}
            for name, keys in left.items()
            for reading in (asked.get(table_name(name)),)
        }
        return response

    def batch_write_item(self, params: Params) -> Exchange:
        """Encrypt what is put; what was not processed comes back as it was given."""
        check_known("batch_write_item", params)
        sent: dict[str, Any] = {}
        for name, writes in params["RequestItems"].items():
            requests = self.for_table(name)
            sent[name] = [self._plain(write) if requests is None else _encrypted(requests, write) for write in writes]
        try:
            response = dict((yield {**params, "RequestItems": sent}))
        except ClientError as error:
            writes = [write for of_table in sent.values() for write in of_table]
            puts = [write["PutRequest"]["Item"] for write in writes if "PutRequest" in write]
            explain_size(error, puts)
            raise
        response["UnprocessedItems"] = {
            name: self._as_given(name, writes, sent, params["RequestItems"])
            for name, writes in (response.get("UnprocessedItems") or {}).items()
        }
        return self._with_metrics(response)

    def _plain(self, write: Params) -> Params:
        return {kind: serialized(part, self._form) for kind, part in write.items()}

    def _with_metrics(self, response: Response) -> Response:
        if _METRICS not in response:
            return response
        found = response[_METRICS].items()
        return {**response, _METRICS: {name: [deserialized(each, self._form) for each in of] for name, of in found}}

    def _as_given(self, name: str, writes: list[Any], sent: Params, given: Params) -> list[Any]:
        """Return writes that were not processed as they were before encryption, so that they can be sent again.

        The answer may have a table's name where the request has its ARN.
        """
        requests = self.for_table(name)
        if requests is None:
            return [{kind: deserialized(part, self._form) for kind, part in write.items()} for write in writes]

        def key(write: Any) -> tuple[Any, ...]:
            item = write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"]
            return tuple(WIRE.key_part(item[part]) for part in requests.table.key)

        asked = sorted((each for each in given if table_name(each) == table_name(name)), key=name.__eq__)
        pairs = (pair for each in asked for pair in zip(sent[each], given[each], strict=True))
        # Later ones replace earlier ones, so those of the table as it is named here count.
        before = {key(as_sent): write for as_sent, write in pairs}
        return [before[key(write)] for write in writes]

    def transact_get_items(self, params: Params) -> Exchange:
        """Decrypt what is read."""
        params, mark = boto3_params(params)
        check_known("transact_get_items", params)
        asked: list[tuple[AnyRequests, Projection] | None] = []
        wanted = []
        for each in params["TransactItems"]:
            requests = self.for_table(each["Get"]["TableName"])
            if requests is None:
                wanted.append({**each, "Get": serialized(each["Get"], self._form)})
                asked.append(None)
            else:
                request, projection = requests.get(each["Get"])
                wanted.append({**each, "Get": request})
                asked.append((requests, projection))
        response = dict((yield {**params, "TransactItems": wanted}))
        opened: list[Any] = []
        for found, reading in zip(response.get("Responses", ()), asked, strict=True):
            if reading is not None and found.get("Item"):
                opened.append({**found, "Item": reading[0].opened(found["Item"], reading[1], mark=mark)})
            else:
                opened.append(deserialized(found, self._form))
        response["Responses"] = opened
        return response

    def transact_write_items(self, params: Params) -> Exchange:
        """Encrypt what is written."""
        check_known("transact_write_items", params)
        sent, by = [], []
        for each in params["TransactItems"]:
            kinds = each.items()
            if len(kinds) != 1:
                raise ProtectedAttributeError(f"each of TransactItems is one write, not {len(kinds)}")
            ((kind, write),) = kinds
            requests = self.for_table(write["TableName"])
            by.append(requests)
            if requests is None:
                sent.append(self._plain(each))
            elif kind not in _WRITES:
                raise ProtectedAttributeError(f"the effect of a {kind} on protected items is not known")
            else:
                sent.append({kind: getattr(requests, _WRITES[kind])(write)})
        try:
            return self._with_metrics((yield {**params, "TransactItems": sent}))
        except ClientError as error:
            reasons = error.response.get("CancellationReasons", [])  # one for each write
            for reason, requests in zip(reasons, by, strict=False):
                if requests is not None:
                    decrypt_failed_item(requests.failed_items, reason)
            explain_size(error, [each["Put"]["Item"] for each in sent if "Put" in each])
            raise


def _encrypted(requests: AnyRequests, write: Params) -> Params:
    if set(write) == {"PutRequest"}:
        return {"PutRequest": {**write["PutRequest"], "Item": requests.items.encrypted(write["PutRequest"]["Item"])}}
    if set(write) == {"DeleteRequest"}:
        request = write["DeleteRequest"]
        return {"DeleteRequest": {**request, "Key": requests.sent_key(request.get("Key"), written=True)}}
    raise ProtectedAttributeError(f"the effect of {'/'.join(write)} in a batch on protected items is not known")

"""What all operations on one table begin with, and how they have a request sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from botocore.exceptions import ClientError

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.condition_text import build_conditions
from fieldcrypt_dynamodb.expression.conditions import rewrite
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.projections import Projection
from fieldcrypt_dynamodb.item.binding import Tenant
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.entity_items import EntityItems
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE, Form
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.item.values import bytes_of, plain_bytes
from fieldcrypt_dynamodb.request.exchange import Exchange, Params
from fieldcrypt_dynamodb.request.failures import decrypt_failed_item, explain_size
from fieldcrypt_dynamodb.request.parameters import check_known
from fieldcrypt_dynamodb.request.plain_parts import deserialized

__all__ = ["CONDITION", "EVERYTHING", "PreparedRequests"]

CONDITION, _PROJECTION = "ConditionExpression", "ProjectionExpression"
EVERYTHING = Projection(None)
_KEYS = ("Key", "ExclusiveStartKey")
_METRICS = "ItemCollectionMetrics"


class Reads(Protocol):
    """What decrypts items of all entities of a table."""

    items: EntityItems
    failed_items: EntityItems


class PreparedRequests:
    """The beginning and the end of an operation on one protected table.

    Args:
        table: the description.
        form: of the application's values.
        tenant: the only tenant whose items these are, or None.
        reads: what decrypts whole items, if they may be those of another entity of the table.
    """

    def __init__(
        self, table: TableDescription, form: Form, tenant: Tenant | None = None, reads: Reads | None = None
    ) -> None:
        self.table = table
        self.items = Items(table, form, tenant)
        self.reads: Items | EntityItems = self.items if reads is None else reads.items
        # Items in errors have DynamoDB's form, even where boto3 gives all else in Python's.
        failed: Items | EntityItems = self.items if form is WIRE else Items(table, WIRE, tenant)
        self.failed_items = failed if reads is None else reads.failed_items
        self._form, self._tops = form, table.tops
        # A key of just these attributes has nothing that would have to be looked at.
        is_plain = not (table.key_tags or table.nested or table.told_by or table.is_any) and table.guard is None
        self._plain_key = frozenset(table.key) if is_plain else None
        self._prefixes = {
            **dict.fromkeys(table.own),
            **{companion: each.how.prefix for companion, each in table.indexes.companions.items()},
        }

    def sent_key(self, key: Any, *, written: bool = False) -> Any:
        """Return a key as it is sent. A whole item is refused: DynamoDB does that too, but has seen its values by then.

        Args:
            key: what was given as one.
            written: True if the item is updated or deleted; what is read does not decrypt if it is not the tenant's.

        Raises:
            ProtectedAttributeError: it has a protected attribute, or is the key of another tenant's item.
            TypeError: it is not a key at all, where tags are a part of keys.
        """
        if key.__class__ is dict and key.keys() == self._plain_key:
            if written:
                self.items.check_tenant(key)
            return self._form.serialize_item(key)
        if key.__class__ is not dict and not isinstance(key, Mapping):
            if self.items.key_tags is not None:  # boto3 would show it, and it may be what the tag is made of
                raise TypeError(f"a key is a mapping of names to values, not a {type(key).__name__}")
            return key  # boto3 says what is wrong with it
        key = self.items.stored_key(key)
        guard = self.table.guard
        if guard is not None and (name := guard.plaintext_in(key, self._form)) is not None:
            raise ProtectedAttributeError(f"{self.table.name}.{name} has the prefix of tags in a key, but is not a tag")
        if not self._tops.isdisjoint(key) or (self.table.nested and any(map(self.table.shape.is_misspelled, key))):
            name = next(name for name in key if name in self._tops or self.table.shape.is_misspelled(name))
            raise ProtectedAttributeError(
                f"a key of {self.table.name} has the protected attribute {name!r}: it consists of "
                f"{' and '.join(self.table.key)}, and what an index adds"
            )
        if self.table.checks_names:
            try:
                self.table.shape.check(key.keys() - self.table.own)
            except TypeError as error:
                raise ProtectedAttributeError(f"a key of {self.table.name}: {error}") from None
        for name in self._prefixes.keys() & key.keys():
            if not self._can_be_filled(name, key[name]):
                raise ProtectedAttributeError(
                    f"a key of {self.table.name} has no tag in {name!r}, which fieldcrypt fills"
                )
        if written:
            self.items.check_tenant(key)
        return self._form.serialize_item(key)

    def _can_be_filled(self, name: str, value: Any) -> bool:
        """Return True if an attribute that fieldcrypt fills may have this value in the key where a search continues."""
        prefix, text = self._prefixes[name], self._form.text_of(value)
        if prefix is None or text is None:
            return isinstance(bytes_of(value) if self._form is WIRE else plain_bytes(value), bytes)
        return not text.startswith(prefix) or bool(re.fullmatch("[0-9a-f]+", text[len(prefix) :]))

    # What they have in common

    def _prepared(self, operation: str, params: Params) -> tuple[dict[str, Any], Placeholders]:
        """Return a copy of a request with its conditions as text, and its placeholders."""
        check_known(operation, params)
        new = {**params, **self._keys(params, written=operation in ("delete_item", "update_item"))}
        build_conditions(new, allowed=self._form is PYTHON)
        placeholders = Placeholders(new, self._form)
        if CONDITION in new:
            condition = rewrite(
                new[CONDITION], self.table, placeholders, self._form, self.items.tenant_text, compares=False
            )
            new[CONDITION] = condition.text
        return new, placeholders

    def _keys(self, params: Params, *, written: bool = False) -> Params:
        """Return the keys among parameters as they are sent."""
        return {name: self.sent_key(params[name], written=written) for name in _KEYS if name in params}

    def _projected(self, new: dict[str, Any], placeholders: Placeholders, needed: Iterable[str] = ()) -> Projection:
        if _PROJECTION not in new:
            return EVERYTHING
        projection = Projection.from_text(new[_PROJECTION], self.table, placeholders, needed)
        new[_PROJECTION] = projection.text
        return projection

    def _sent(self, params: Params) -> Exchange:
        """Have a request sent, and return the response; an error says what can be said about items."""
        try:
            response = yield params
        except ClientError as error:
            decrypt_failed_item(self.failed_items, error.response)
            explain_size(error, [params["Item"]] if "Item" in params else [])
            raise
        if _METRICS in response:
            response = {**response, _METRICS: deserialized(response[_METRICS], self._form)}
        return response

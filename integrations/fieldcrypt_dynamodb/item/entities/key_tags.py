"""Tags that are (part of) the primary key: an item is read, written and deleted by the protected value itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError, named_error
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import Form
from fieldcrypt_dynamodb.item.tags.indexes import wire_tag
from fieldcrypt_dynamodb.item.values import plain_bytes

__all__ = ["KeyTags"]

Item = Mapping[str, Any]


class KeyTags:
    """The key attributes of a table that hold tags.

    Args:
        table: the description.
        form: of the application's keys.
    """

    def __init__(self, table: TableDescription, form: Form) -> None:
        self._table, self._form = table, form
        self._attributes = table.key_tags

    def added(self, item: Item, tenant: str | None) -> Item:
        """Return an item, or its key, with the key attributes added that hold tags.

        Raises:
            ProtectedAttributeError: the tags are per tenant, and none is named.
            TypeError, ValueError: a value is not one of its attribute's, or has no tag.
            KeyProviderError, KeyStoreError: as for `BlindIndex.tag`.
        """
        tags = {
            companion: self._tag(companion, attribute, item[attribute], tenant)
            for companion, attribute in self._attributes.items()
            if attribute in item and companion not in item
        }
        return {**item, **tags}

    def in_place(self, key: Item, tenant: str | None) -> Item:
        """Return a key with tags in place of the values that they are made of; or as it is, if it has them already.

        Raises:
            ProtectedAttributeError: a key attribute that holds tags is given something else; and as `added`.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as `added`.
        """
        for companion, attribute in self._attributes.items():
            if companion in key and (attribute in key or not self._is_tag(companion, key[companion])):
                raise ProtectedAttributeError(
                    f"{self._table.name}.{companion} is filled by fieldcrypt: keys have {attribute} in its place"
                )
        return {name: value for name, value in self.added(key, tenant).items() if name not in self._attributes.values()}

    def _tag(self, companion: str, attribute: str, value: Any, tenant: str | None) -> Any:
        table, indexes = self._table, self._table.indexes.in_key[companion]
        if indexes.is_per_tenant and tenant is None:
            raise ProtectedAttributeError(
                f"{table.name}.{attribute} has tags per tenant: of_tenant(table, …) names it",
                field=table.field_name(attribute),
            )
        if self._form.is_null(value):
            raise ProtectedAttributeError(
                f"an item of {table.name} is found by {attribute}, which cannot be NULL",
                field=table.field_name(attribute),
            )
        try:
            to_field = self._form.conversion(table.attributes[attribute].type).to_field
            tag = indexes.tags(value if to_field is None else to_field(value), tenant=tenant)[companion]
        except (TypeError, ValueError) as error:
            raise named_error(error, f"{table.name}.{attribute}", tenant) from None
        if tag is None:
            raise ProtectedAttributeError(
                f"an item of {table.name} is found by {attribute}, in which its normaliser finds nothing",
                field=table.field_name(attribute),
            )
        return self._form.deserialize(wire_tag(tag))

    def _is_tag(self, companion: str, value: Any) -> bool:
        how = self._table.indexes.companions[companion].how
        if how.prefix is None:
            data = value.get("B") if isinstance(value, Mapping) else plain_bytes(value)
            return isinstance(data, bytes) and len(data) == how.tag_size
        text = self._form.text_of(value) or ""
        is_of_others = bool(self._table.told_by) and not text.startswith(how.prefix)  # where a scan continues
        return is_of_others or bool(re.fullmatch(f"{re.escape(how.prefix)}[0-9a-f]{{{2 * how.tag_size}}}", text))

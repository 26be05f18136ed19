"""The description of a table, as users write it: with what it can do without boto3's objects."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import Any

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import discreet
from fieldcrypt_dynamodb.item.binding import Tenant
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.entities import Entities
from fieldcrypt_dynamodb.item.entities.entity_items import EntityItems
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.item_form import ItemForm, check_form, converted
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.item.unreadable import OnUnreadable, marks

__all__ = ["ProtectedTable"]


class ProtectedTable(TableDescription):
    __doc__ = TableDescription.__doc__

    @discreet
    def encrypt_item(
        self, item: Mapping[str, Any], *, form: ItemForm = "python", to: ItemForm | None = None
    ) -> dict[str, Any]:
        """Return an item as it is stored, for what no wrapper sends: a file that S3 imports, another client.

            line = json.dumps({"Item": patients.encrypt_item({"id": "1", "ssn": "078-05-1120"}, to="json")})

        Args:
            item: a whole item, with its key. It is not changed.
            form: the item's: "python" as a Table of boto3 takes it, "dynamodb" as a client does (`{"S": "text"}`), or
                "json" for that with base64 text in place of bytes, as files and events have it.
            to: the form of what is returned, if that is another one.

        Raises:
            ProtectedAttributeError: it has an attribute that is fieldcrypt's to fill, or lacks its key or tenant.
            TypeError, ValueError: a value is not one of its attribute's, or does not have this form.
            ArithmeticError: DynamoDB has no such number.
            KeyProviderError, KeyStoreError: as for `Field.encrypt`.
        """
        own: ItemForm = "python" if form == "python" else "dynamodb"
        return converted(self._items_in(own).encrypted(converted(item, form, own)), "dynamodb", to or form)

    @discreet
    def decrypt_item(
        self,
        item: Mapping[str, Any],
        *,
        form: ItemForm = "python",
        to: ItemForm | None = None,
        on_unreadable: OnUnreadable = "raise",
    ) -> dict[str, Any]:
        """Return an item as the application had it, when something other than a wrapper has read it.

            item = patients.decrypt_item(json.loads(line)["Item"], form="json", to="python")

        Args:
            item: as DynamoDB has it, whole. It is not changed.
            form: the item's, as for `encrypt_item`.
            to: the form of what is returned, if that is another one.
            on_unreadable: "mark" to put an `Unreadable` in place of what cannot be read, instead of raising an error.

        Raises:
            DecryptionError: a value does not belong where it is, or the seal is broken.
            TypeError, ValueError: the item does not have this form.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        to = to or form
        check_form(item, form, self.key)
        own: ItemForm = "python" if to == "python" else "dynamodb"
        found = self._items_in(own).decrypted(converted(item, form, "dynamodb"), mark=marks(on_unreadable))
        return converted(found, own, to)

    @cached_property
    def _items(self) -> dict[ItemForm, Items | EntityItems]:
        return {}

    def _items_in(self, form: ItemForm) -> Items | EntityItems:
        if form not in self._items:
            items = Items if self.entities is None else EntityItems
            self._items[form] = items(self, PYTHON if form == "python" else WIRE)
        return self._items[form]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_items"}

    def _describe(self, entities: Any) -> bool:
        self.entities = Entities(self, entities)
        protected = [each for each in self.entities.each.values() if each.fields or each.seal]
        return all(each.tenant is not None for each in protected)

    @property
    def entity_names(self) -> frozenset[str]:
        """The names of its entities, if it has some."""
        return frozenset() if self.entities is None else frozenset(self.entities.each)

    def _be_of_entity(self, name: str) -> None:
        if name not in self.entity_names:
            raise ConfigurationError(f"{self.name} has no entity {name!r}")
        self.only_entity, self._items = name, {}
        self._declare_name(**self._named)  # because what it was copied from may be gone

    def of_entity(self, name: str) -> ProtectedTable:
        """Return the description for one entity alone."""
        other = copy(self)
        other._be_of_entity(name)
        return other

    @property
    def has_tenants(self) -> bool:
        """True if its items have tenants, or those of one of its entities."""
        entities = () if self.entities is None else self.entities.each.values()
        return any(each.tenant is not None for each in (self, *entities))

    def _be_of_tenant(self, tenant: Tenant) -> None:
        if not self.has_tenants:
            raise ConfigurationError(f"{self.name} has no tenants: tenant= names the attribute that has them")
        self.only_tenant, self._items = tenant, {}
        self._declare_name(**self._named)

"""Items of a table with several entities: each is encrypted and decrypted as one of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fieldcrypt import DecryptionError, Event, EventKind
from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.item.binding import Tenant
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.entities import Entities
from fieldcrypt_dynamodb.item.forms import WIRE, Form
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.item.unreadable import marked_item, unread

__all__ = ["EntityItems"]

Item = Mapping[str, Any]


class EntityItems:
    """Encrypts and decrypts the items of a table with entities, as `Items` does those of others.

    Args:
        table: the description of the table.
        form, tenant: as for `Items`.

    Attributes:
        each: the `Items` of each entity, by name.
    """

    def __init__(self, table: TableDescription, form: Form, tenant: Tenant | None = None) -> None:
        self.table, self.form = table, form
        self._entities: Entities = table.entities
        self._only = table.only_entity
        tenant = table.only_tenant if tenant is None else tenant
        self.each = {name: Items(described, form, tenant) for name, described in self._entities.each.items()}

    def entity_of(self, item: Item, form: Form) -> str:
        """Return the entity that an item is.

        Raises:
            ProtectedAttributeError: it is of none, could be of two or be taken for another, or is not of the one named.
        """
        found = self._entities.fitting(item, form)
        if len(found) != 1 or self._only not in (None, *found):
            raise self._entities.mismatch_error(found, self._only)
        table = self.each[found[0]].table
        wrong = table.guard.wrong(item, form)
        if wrong is not None:
            raise ProtectedAttributeError(f"{table.name}.{wrong[0]}: {wrong[1]}")
        return found[0]

    def sought(self, stored: Sequence[Item]) -> Sequence[Item]:
        """Return those items, of all that were found, that are asked for: none of other entities."""
        return stored if self._only is None else [item for item in stored if self._is_sought(item)]

    def _is_sought(self, item: Item) -> bool:
        """Return True if an item is of the entity that was named, or may have been before somebody changed it.

        Keys cannot change: an item with a key that is not of the entity is left out, whatever else it has.
        """
        found = self._entities.fitting(item, WIRE)
        return found[0] == self._only if len(found) == 1 else self._only in self._entities.possible(item, WIRE)

    def encrypted(self, item: Item) -> dict[str, Any]:
        """Return an item as it is sent.

        Raises:
            ProtectedAttributeError: it is of no entity, or could be taken for one of another; and as for `Items`.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `Items`.
        """
        return self.each[self.entity_of(item, self.form)].encrypted(item)

    def decrypted(self, item: Item, *, whole: bool = True, mark: bool = False) -> dict[str, Any]:
        """Return an item as the application has it. If it is of no entity, all is marked but what keys are made of.

        Raises:
            DecryptionError: it is of no entity, or could be taken for one of another; and as for `Items`.
            KeyProviderError, KeyStoreError: as for `Items`.
        """
        try:
            items = self.each[self.entity_of(item, WIRE)]
        except ProtectedAttributeError as error:  # what the database holds is not a misuse
            self.table.encryptor.report(Event(EventKind.VALUE_REFUSED, place=self.table.name))
            refused = DecryptionError(str(error))
        else:
            return items.decrypted(item, whole=whole, mark=mark)
        told, own = self._entities.any.binding_attributes, self._entities.any.own
        marker = unread(refused, self.table, "", item, mark=mark)
        return marked_item(item, item.keys() - told, marker, own, self.form)

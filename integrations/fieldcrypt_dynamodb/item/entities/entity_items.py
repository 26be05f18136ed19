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
            ProtectedAttributeError: it is none, could be two or taken for another one, or is not the one named.
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
        """Return those of the items that were found which are asked for: all but those of other entities."""
        return stored if self._only is None else [item for item in stored if self._is_sought(item)]

    def _is_sought(self, item: Item) -> bool:
        """Return True if an item is of the entity that was named, or could be if nobody had changed it.

        Nobody changes a key: what cannot be of the entity by that is left out, whatever else it is.
        """
        found = self._entities.fitting(item, WIRE)
        return found[0] == self._only if len(found) == 1 else self._only in self._entities.possible(item, WIRE)

    def encrypted(self, item: Item) -> dict[str, Any]:
        """Return an item as it is sent.

        Raises:
            ProtectedAttributeError: it is no entity of the table, or could be taken for another; and as for `Items`.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `Items`.
        """
        return self.each[self.entity_of(item, self.form)].encrypted(item)

    def decrypted(self, item: Item, *, whole: bool = True, mark: bool = False) -> dict[str, Any]:
        """Return an item as the application has it. Of one that is no entity, all is marked but what keys are made of.

        Raises:
            DecryptionError: it is no entity of the table, or could be taken for another one; and as for `Items`.
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

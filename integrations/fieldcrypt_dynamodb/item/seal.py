"""Item seals: attributes of an item bound to each other (SPEC section 12).

A seal is a value of a field of its own that encrypts nothing, and has a digest of what it covers in its context. So
it is made and verified with data keys like any other value, and is bound to the item and its tenant as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt import DecryptionError, Event, EventKind, KeyNotFoundError, RowContext, key_text, row_context
from fieldcrypt.spi import SEAL_KEY, located, seal_digest
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.plaintext import part_of
from fieldcrypt_dynamodb.item.values import bytes_of, to_python

__all__ = ["Sealing"]


class Sealing:
    """Makes and verifies the seals of a table, on items in DynamoDB's own form.

    Args:
        table: the description; it has a seal.
    """

    def __init__(self, table: TableDescription) -> None:
        if table.seal is None or table.seal_field is None:
            raise TypeError("the table has no seal")
        self._name = f"{table.name}.{table.seal.attribute}"
        self._attribute = table.seal.attribute
        self._over = table.seal.over
        self._field = table.seal_field
        self._key, self._tenant = table.key, table.tenant
        self._encryptor, self._unsealed, self._accepted = table.encryptor, table.unsealed, table.previous_seals
        self._previous = [Sealing(each) for each in table.seal.accept]

    def add(self, item: dict[str, Any], row: RowContext, tenant: str | None) -> None:
        """Seal an item, whose protected attributes are encrypted already."""
        data = self._field.encrypt(b"", tenant=tenant, context=self._context(item, row))
        item[self._attribute] = {"B": data}

    def verify(self, item: Mapping[str, Any], row: RowContext, tenant: str | None) -> None:
        """Verify the seal of an item, as DynamoDB has it.

        Raises:
            DecryptionError: it is missing, or not the seal of these attributes of this item.
        """
        if self._previous and not self.is_own(item, row, tenant) and self._is_of_previous(item, tenant):
            return
        data = bytes_of(item.get(self._attribute))
        if not self.is_on(item) and self._unsealed is not None and self._unsealed.accepts_plaintext():
            self._encryptor.report(Event(EventKind.PLAINTEXT_READ, place=self._name))
            return
        if data is None:
            missing = DecryptionError(f"{self._name}: the item has no seal, or was read without it")
            raise self._field.reported_error(missing, tenant=tenant)
        try:
            self._field.decrypt(data, tenant=tenant, context=self._context(item, row))
        except DecryptionError as error:
            broken = DecryptionError(f"{self._name}: the sealed attributes are not those that were sealed")
            broken.hint = error.hint
            raise located(broken, field=error.field, key_id=error.key_id, tenant=error.tenant) from None

    def is_on(self, item: Mapping[str, Any]) -> bool:
        """Return True if an item has a seal, authentic or not, by this declaration or one before it."""
        return self._attribute in item or any(each.is_on(item) for each in self._previous)

    def is_own(self, item: Mapping[str, Any], row: RowContext, tenant: str | None) -> bool:
        """Return True if an item has an authentic seal by this declaration."""
        data = bytes_of(item.get(self._attribute))
        if data is None:
            return False
        try:
            return self._field.quiet.decrypt(data, tenant=tenant, context=self._context(item, row)) == b""
        except (DecryptionError, KeyNotFoundError):
            return False

    def _is_own_binding(self, item: Mapping[str, Any]) -> bool:
        """Return True if an item has an authentic seal by this declaration, and for its own key and tenant."""
        part = part_of(item)
        parts = [part(name) for name in self._key]
        tenant = None if self._tenant is None else part(self._tenant)
        if None in parts or (tenant is None) != (self._tenant is None):
            return False
        return self.is_own(item, row_context(*parts), None if tenant is None else key_text(tenant))

    def _is_of_previous(self, item: Mapping[str, Any], tenant: str | None) -> bool:
        if not any(each._is_own_binding(item) for each in self._previous):
            return False
        if self._accepted is None or not self._accepted.accepts_plaintext():
            over = DecryptionError(f"{self._name} no longer accepts seals of previous declarations")
            raise self._field.reported_error(over, tenant=tenant)
        self._encryptor.report(Event(EventKind.OLD_VALUE_READ, place=self._name))
        return True

    def _context(self, item: Mapping[str, Any], row: RowContext) -> dict[str, str]:
        present = {name: to_python(item[name]) for name in self._over if name in item}
        return {**row, SEAL_KEY: seal_digest(self._over, present).hex()}

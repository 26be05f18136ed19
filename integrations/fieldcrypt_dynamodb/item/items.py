"""Items: how their protected attributes are encrypted and decrypted.

Stored items have DynamoDB's own form here, and the application's items one of boto3's two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from fieldcrypt import DecryptionError, Event, EventKind, RowContext, key_text, row_context
from fieldcrypt.spi import encrypt_fields
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, named_error
from fieldcrypt_dynamodb.item.binding import Binding
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.key_tags import KeyTags
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE, Form
from fieldcrypt_dynamodb.item.legacy_items import LegacyItems
from fieldcrypt_dynamodb.item.nested.values import NestedValues
from fieldcrypt_dynamodb.item.plaintext import part_of, stored
from fieldcrypt_dynamodb.item.seal import Sealing
from fieldcrypt_dynamodb.item.values import bytes_of

__all__ = ["MIN_BATCH", "Items", "Binding", "Tenant", "checked_tenant"]

MIN_BATCH = 3  # attributes from which on a batch of values takes less time than one after the other

Item = Mapping[str, Any]
Tenant = str | int | Decimal


def checked_tenant(tenant: Tenant) -> Tenant:
    """Return a tenant that was named.

    Raises:
        TypeError: it is none. None would stand for all of them.
    """
    if isinstance(tenant, bool) or not isinstance(tenant, (str, int, Decimal)):
        raise TypeError(f"of_tenant(…) takes a text or a number, not a {type(tenant).__name__}")
    return tenant


class Items:
    """Encrypts and decrypts the items of a table. Nothing that it is given is changed.

    Args:
        table: the description.
        form: of the application's items.
        tenant: the only tenant whose items these are; None if the table knows none either, and each item says it.
    """

    def __init__(self, table: TableDescription, form: Form, tenant: Tenant | None = None) -> None:
        self.table = table
        self.form = form
        self.tenant = tenant = table.only_tenant if tenant is None else tenant
        self.tenant_text = None if tenant is None else key_text(PYTHON.key_part(tenant))
        conversions = {name: form.conversion(each.type) for name, each in table.attributes.items()}
        self.to_field = {name: conversion.to_field for name, conversion in conversions.items()}
        # What is looked up for every item.
        self._tenant_name = table.tenant
        self.key_tags = KeyTags(table, form) if table.key_tags else None
        self._own = table.own
        self._decrypted = table.own | (table.tops - table.nested.keys())
        self._encrypted = table.own | table.tops
        self._only_key = table.key[0] if len(table.key) == 1 else None
        self._writing: tuple[tuple[Any, ...], ...] = tuple(
            (name, field, field.encrypt, self.to_field[name], table.indexes.get(name), table.companions.get(name))
            for name, field in table.fields.items()
            if len(table.paths[name].steps) == 1
        )
        self._has_batches = len(self._writing) >= MIN_BATCH
        self._reading: tuple[tuple[Any, ...], ...] = tuple(
            (name, field.decrypt, conversions[name].from_field, table.mixed.get(name))
            for name, field in table.fields.items()
            if len(table.paths[name].steps) == 1
        )
        self.nested = NestedValues(table, form)
        self._has_nested, self._checks_names = bool(table.nested), table.checks_names
        self._seal = None if table.seal is None else Sealing(table)
        self._legacy_items = None if table.legacy_items is None else LegacyItems(table, form)

    # What an item is bound to

    def binding(self, item: Item) -> Binding:
        """Return what the values of the application's item are bound to: its key, and its tenant if there are tenants.

        Raises:
            ProtectedAttributeError: it lacks one of them, or is another tenant's.
        """
        return Binding(self._row(item, self.form), self._tenant(item, self.form))

    def binding_of_key(self, key: Item) -> Binding:
        """Return what the values of an item are bound to of which only the key is known.

        Raises:
            ProtectedAttributeError: the table has tenants, and the key does not say which.
        """
        name = self.table.tenant
        if name is not None and name not in key and self.tenant is None:
            raise ProtectedAttributeError(
                f"the key of an item of {self.table.name} does not name its tenant, under whose keys to encrypt: "
                'of_tenant(table, "clinic-7").update_item(…)'
            )
        if name is None:
            return Binding(self._row(key, self.form), None)
        return Binding(self._row(key, self.form), self._tenant_named(key))

    def check_tenant(self, key: Item) -> None:
        """Check the tenant in a key, if it has one.

        Raises:
            ProtectedAttributeError: it is not the one that was named.
        """
        if self.table.tenant in key:
            self._tenant(key, self.form)

    def stored_key(self, key: Item) -> Item:
        """Return a key as the table has it: with tags in place of protected values.

        Raises:
            ProtectedAttributeError: what holds tags is given something else.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tag`.
        """
        return key if self.key_tags is None else self.key_tags.in_place(key, self._tenant_named(key))

    def _tenant_named(self, item: Item) -> str | None:
        return self._tenant(item, self.form) if self.table.tenant in item else self.tenant_text

    def _row(self, item: Item, form: Form) -> RowContext:
        key_part = form.key_part
        try:
            if self._only_key is not None:
                return row_context(key_part(item[self._only_key]))
            return row_context(*[key_part(item[name]) for name in self.table.key])
        except KeyError:
            full = item if self.key_tags is None else self.key_tags.added(item, self._tenant_named(item))
            missing = [name for name in self.table.key if name not in full]
            if not missing:
                return self._row(full, form)
            raise ProtectedAttributeError(
                f"an item of {self.table.name} lacks its key attribute {missing[0]!r}"
            ) from None

    def _tenant(self, item: Item, form: Form) -> str | None:
        name = self.table.tenant
        if name is None:
            return None
        if name not in item:
            raise ProtectedAttributeError(
                f"an item of {self.table.name} lacks the attribute {name!r}, which names its tenant: if it comes "
                "from an index, let that project it"
            )
        part = form.key_part(item[name])
        tenant = key_text(part)
        if not isinstance(part, (str, Decimal)) or self.tenant_text not in (None, tenant):
            raise ProtectedAttributeError(f"an item of {self.table.name} is not one of the tenant that was named")
        return tenant

    # Encryption

    def encrypted(self, item: Item) -> dict[str, Any]:
        """Return an item as it is stored.

        Raises:
            ProtectedAttributeError: it has an attribute that is fieldcrypt's to fill, or lacks its key or tenant.
            TypeError, ValueError: a value is not one of its attribute's; or as `Form.serialize`.
            KeyProviderError, KeyStoreError: as for `Field.encrypt`.
        """
        if self._own and not self._own.isdisjoint(item):
            name = next(name for name in item if name in self._own)
            raise ProtectedAttributeError(f"{self.table.name}.{name} is filled by fieldcrypt, and cannot be set")
        if self._checks_names:
            self.nested.check(item)
        if self._tenant_name is not None and self._tenant_name not in item and self._is_plain(item):
            return self.form.serialize_item(item)
        binding = self.binding(item)
        new = self.form.serialize_item(item, self._encrypted)
        self._encrypt(item, binding, new)
        if self._has_nested:
            new |= self.nested.encrypted(item, binding)
        if self._seal is not None:
            self._seal.add(new, binding.row, binding.tenant)
        return new

    def _is_plain(self, item: Item) -> bool:
        """Return True if an item has nothing that is encrypted, for which it would have to have a tenant."""
        self._row(item, self.form)
        return self._seal is None and self.table.tops.isdisjoint(item)

    def _encrypt(self, values: Item, binding: Binding, stored: dict[str, Any]) -> None:
        """Encrypt those of the application's values that are protected, and put them and their tags into `stored`."""
        row, tenant = binding
        context = row if self.table.bound else None
        is_null = self.form.is_null if self.form is WIRE else None  # in Python's form NULL is None
        name = ""
        batch: dict[str, Any] | None = {} if self._has_batches and len(values) > MIN_BATCH else None
        try:
            for name, field, encrypt, to_field, index, companion in self._writing:
                if name not in values:
                    continue
                value = values[name]
                if value is None or (is_null is not None and is_null(value)):
                    stored[name] = self.form.serialize(value)
                    continue
                if to_field is not None:
                    value = to_field(value)
                if index is not None:
                    stored[companion] = self.table.wire_tag(name, index.tag(value, tenant=tenant))
                if batch is not None:
                    batch[name] = field, value, context
                else:
                    stored[name] = {"B": encrypt(value, tenant=tenant, context=context)}
            if batch:
                for name, data in zip(batch, encrypt_fields(batch.values(), tenant=tenant), strict=True):
                    stored[name] = {"B": data}
        except (TypeError, ValueError) as error:
            refused = [each for each in batch or () if self.table.fields[each].name == getattr(error, "field", None)]
            raise named_error(error, f"{self.table.name}.{refused[0] if refused else name}", tenant) from None

    # Decryption

    def sought(self, stored: Sequence[Item]) -> Sequence[Item]:
        """Return those of the items that were found which are asked for: all."""
        return stored

    def decrypted(self, item: Item, *, binding: Binding | None = None, whole: bool = True) -> dict[str, Any]:
        """Return an item as the application has it: decrypted, and without tags and seal.

        Args:
            item: as it is stored.
            binding: what its values are bound to, if the item does not tell.
            whole: False if attributes may have been left out on purpose, so that the seal cannot be verified.

        Raises:
            DecryptionError: a value does not belong to this attribute, item or tenant; or the seal is broken.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        if self._legacy_items is not None and (opened := self._legacy_items.opened(item)) is not None:
            return opened
        if self._seal is not None and whole:
            self._seal.verify(item, *(binding or self._binding_read(item)))
        new = self.form.deserialize_item(item, self._decrypted)
        row, tenant, context = None, None, None
        for name, decrypt, from_field, mixed in self._reading:
            if name not in item:
                continue
            value = item[name]
            data: Any = value.get("B") if value.__class__ is dict else bytes_of(value)
            if not isinstance(data, bytes) and WIRE.is_null(value):
                new[name] = self.form.deserialize(value)
                continue
            if not isinstance(data, bytes) and mixed is None:
                plain = DecryptionError(f"{self.table.name}.{name} holds a value that is not encrypted")
                raise self.table.fields[name].reported_error(plain, tenant=None if binding is None else binding.tenant)
            if row is None:
                row, tenant = binding or self._binding_read(item)
                context = row if self.table.bound else None
            if mixed is None:
                value = decrypt(data, tenant=tenant, context=context)
            else:
                data = stored(value)
                value = mixed.decrypt(data, tenant=tenant, context=context, part=part_of(item))
            if from_field is None:
                new[name] = value
                continue
            try:
                new[name] = from_field(value)
            except DecryptionError as error:
                raise self.table.fields[name].reported_error(error, data, tenant) from None
        if self._has_nested:
            self.nested.decrypt(new, item, lambda: binding or self._binding_read(item))
        return new

    def _binding_read(self, item: Item) -> Binding:
        try:
            return Binding(self._row(item, WIRE), self._tenant(item, WIRE))
        except (ProtectedAttributeError, TypeError, ValueError) as error:  # what the database holds is not a misuse
            self.table.encryptor.report(Event(EventKind.VALUE_REFUSED, place=self.table.name))
            raise DecryptionError(str(error)) from None

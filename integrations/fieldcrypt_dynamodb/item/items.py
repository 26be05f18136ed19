"""Items: how their protected attributes are encrypted and decrypted.

Stored items have DynamoDB's own form here, and the application's items one of boto3's two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fieldcrypt import FieldcryptError
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, named_error, placed_error
from fieldcrypt_dynamodb.item.binding import Binding, Bindings, Tenant
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import Form
from fieldcrypt_dynamodb.item.legacy_items import LegacyItems
from fieldcrypt_dynamodb.item.nested.values import NestedValues
from fieldcrypt_dynamodb.item.plaintext import key_of
from fieldcrypt_dynamodb.item.seal import Sealing
from fieldcrypt_dynamodb.item.tags.indexes import tagger
from fieldcrypt_dynamodb.item.top.values import TopValues
from fieldcrypt_dynamodb.item.unreadable import Unreadable, marked_item, unread

__all__ = ["Items"]

Item = Mapping[str, Any]


class Items(Bindings):
    """Encrypts and decrypts the items of a table. Nothing that it is given is changed.

    Args:
        table: the description.
        form: of the application's items.
        tenant: the only tenant whose items these are; None if the table names none either, and each item has its own.
    """

    def __init__(self, table: TableDescription, form: Form, tenant: Tenant | None = None) -> None:
        super().__init__(table, form, tenant)
        self.to_field = {name: form.conversion(each.type).to_field for name, each in table.attributes.items()}
        # What is looked up for every item.
        self._tenant_name = table.tenant
        self._own = table.own
        self._decrypted = table.own | (table.tops - table.nested.keys())
        self._encrypted = table.own | table.tops
        self._compounds = {name: tagger(table.indexes.of[name]) for name in table.indexes.members}
        self._values = TopValues(self)
        self.nested = NestedValues(table, form)
        self._has_nested, self._checks_names = bool(table.nested), table.checks_names
        self._seal = None if table.seal is None else Sealing(table)
        self._legacy_items = None if table.legacy_items is None else LegacyItems(table, form)
        self._is_told_whole = self._seal is not None or self._legacy_items is not None

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
        try:
            if self._tenant_name is not None and self._tenant_name not in item and self._is_plain(item):
                return self.form.serialize_item(item)
            binding = self.binding(item)
            new = self.form.serialize_item(item, self._encrypted)
            self._values.encrypt(item, binding, new)
            if self._has_nested:
                new |= self.nested.encrypted(item, binding)
            for name in self._compounds:
                new |= self.compound_tags(name, item, binding)
            if self._seal is not None:
                self._seal.add(new, binding.row, binding.tenant)
            return new
        except (FieldcryptError, TypeError, ValueError) as error:
            refused = self.refused_error(error, item)
        raise refused

    def refused_error(self, error: Exception, item: Item) -> Exception:
        """Return an error about a value that is to be written, saying which item it is about.

        Args:
            error: it names the attribute.
            item: in the application's form, or its key.
        """
        for name, value in item.items():
            if value.__class__ is Unreadable:
                return ProtectedAttributeError(
                    f"{self.table.name}.{name} cannot be written, because it could not be read: {value.error}"
                )
        if isinstance(error, FieldcryptError) or getattr(error, "field", None) is None:
            return error
        attribute = str(error).partition(": ")[0]  # where the field has another name
        return placed_error(error, attribute, key_of(item, self.table.key, self.form))

    def _is_plain(self, item: Item) -> bool:
        """Return True if an item has nothing that is encrypted, so that it needs no tenant."""
        self._row(item, self.form)
        at_top = self.table.tops - self.table.nested.keys()
        return self._seal is None and at_top.isdisjoint(item) and not self.nested.has_values(item)

    def compound_tags(self, name: str, item: Item, binding: Binding) -> dict[str, Any]:
        """Return the tags of a compound, as they are stored; none if a member is missing.

        Args:
            name: the compound's.
            item: the application's values of its members, not yet encrypted.
            binding: the item's.

        Raises:
            ProtectedAttributeError: a plain member is not a text.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `FieldIndexes.tags`.
        """
        members = self.table.indexes.members[name]
        self.check_members(name, item)
        values = self.searched_value(item, members)
        try:
            return {} if values is None else self._compounds[name](values, binding.tenant, binding.row)
        except (TypeError, ValueError) as error:
            raise named_error(error, f"{self.table.name}.{name}", binding.tenant) from None

    def check_members(self, name: str, item: Item) -> None:
        """Refuse plain members of a compound that are not texts.

        Raises:
            ProtectedAttributeError: one is not.
        """
        for member in self.table.indexes.members[name]:
            given = item.get(member)
            if member not in self.table.paths and not self.form.is_null(given) and self.form.text_of(given) is None:
                raise ProtectedAttributeError(f"{self.table.name}.{member} is in the index {name!r}, so it is a text")

    # Values of items that were not encrypted yet, or were decrypted

    def value_of(self, item: Item, name: str) -> Any:
        """Return the value of an attribute, in the form; or its mark, or None if there is no value."""
        if name in self.table.paths:
            return self.nested.value_of(item, name)
        found = item.get(name)
        return None if self.form.is_null(found) else found

    def searched_value(self, item: Item, members: Sequence[str]) -> Any:
        """Return the value of an attribute as its field has it, or of several; or a mark; or None if one is missing."""
        values = {member: self._field_value(item, member) for member in members}
        if any(value is None for value in values.values()):
            return None
        unread = [value for value in values.values() if value.__class__ is Unreadable]
        if unread:
            return unread[0]
        return values if len(members) > 1 else values[members[0]]

    def _field_value(self, item: Item, name: str) -> Any:
        found = self.value_of(item, name)
        if found is None or found.__class__ is Unreadable:
            return found
        if name not in self.to_field:
            return self.form.text_of(found)
        to_field = self.to_field[name]
        return found if to_field is None else to_field(found)

    # Decryption

    def sought(self, stored: Sequence[Item]) -> Sequence[Item]:
        """Return those items, of all that were found, that are asked for: all of them."""
        return stored

    def decrypted(
        self, item: Item, *, binding: Binding | None = None, whole: bool = True, mark: bool = False
    ) -> dict[str, Any]:
        """Return an item as the application has it: decrypted, and without tags and seal.

        Args:
            item: as it is stored.
            binding: what its values are bound to, if the item does not tell.
            whole: False if attributes may have been left out on purpose, so that the seal cannot be verified.
            mark: put an `Unreadable` in place of a value that cannot be read. If the seal is broken, in place of all
                that it covers or that is protected. If another scheme's item is refused, of all but key and tenant.

        Raises:
            DecryptionError: a value does not belong to this attribute, item or tenant; or the seal is broken.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        if self._is_told_whole and (opened := self._told_whole(item, binding, whole, mark)) is not None:
            return opened
        new = self.form.deserialize_item(item, self._decrypted)
        self._values.decrypt(item, binding, new, mark=mark)
        if self._has_nested:
            self._open_nested(new, item, binding, mark)
        return new

    # A function of its own: what closures refer to takes longer to look up.
    def _open_nested(self, new: dict[str, Any], item: Item, binding: Binding | None, mark: bool) -> None:
        self.nested.decrypt(
            new,
            item,
            lambda: binding or self.binding_read(item),
            lambda error, name: unread(error, self.table, name, item, mark=mark),
        )

    def _told_whole(self, item: Item, binding: Binding | None, whole: bool, mark: bool) -> dict[str, Any] | None:
        """Return an item that another scheme encrypted, or what can be read of one whose seal is broken; else None."""
        covered: Any = item.keys() - self.table.binding_attributes
        attribute = ""
        try:
            if self._legacy_items is not None and (opened := self._legacy_items.opened(item)) is not None:
                return opened
            if self._seal is not None and self.table.seal is not None and whole:
                attribute = self.table.seal.attribute
                covered = {*self.table.seal.over, *(item.keys() & self.table.tops)}
                self._seal.verify(item, *(binding or self.binding_read(item)))
        except FieldcryptError as error:
            marker = unread(error, self.table, attribute, item, mark=mark)
            return marked_item(item, covered, marker, self._own, self.form)
        return None

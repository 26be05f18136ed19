"""Protected values at the top of items: those of an item are encrypted, and decrypted, together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fieldcrypt import DecryptionError, FieldcryptError
from fieldcrypt_dynamodb.errors import named_error
from fieldcrypt_dynamodb.item.binding import Binding, Bindings
from fieldcrypt_dynamodb.item.forms import WIRE
from fieldcrypt_dynamodb.item.plaintext import part_of, stored
from fieldcrypt_dynamodb.item.tags.indexes import tagger
from fieldcrypt_dynamodb.item.top.fields import MIN_BATCH
from fieldcrypt_dynamodb.item.unreadable import is_unreadable, unread
from fieldcrypt_dynamodb.item.values import bytes_of

__all__ = ["TopValues"]

Item = Mapping[str, Any]


class TopValues:
    """Encrypts and decrypts what is protected at the top of the items of a table.

    Args:
        bindings: of the items, with the description of the table.
    """

    def __init__(self, bindings: Bindings) -> None:
        self._bindings, self._form = bindings, bindings.form
        self._table = table = bindings.table
        self._bound = table.bound
        # In Python's form NULL is None, for which nobody has to be asked.
        self._is_null = self._form.is_null if self._form is WIRE else None
        self._names, self._fields = table.at_top.names, table.at_top.fields
        conversions = [self._form.conversion(table.attributes[name].type) for name in self._names]
        taggers = [tagger(table.indexes.of[name]) if name in table.indexes.of else None for name in self._names]
        # The hot path unpacks tuples, which costs less than to look attributes up.
        self._writing = tuple(
            (name, how.as_is, how.to_field, tags)
            for name, how, tags in zip(self._names, conversions, taggers, strict=True)
        )
        self._reading = tuple(
            (name, field.decrypt, how.from_field, table.mixed.get(name))
            for name, field, how in zip(self._names, self._fields, conversions, strict=True)
        )
        self._writers, self._readers = table.at_top.writers, table.at_top.readers

    def encrypt(self, values: Item, binding: Binding, new: dict[str, Any]) -> None:
        """Encrypt those of the application's values that are protected, and put them and their tags into `new`.

        Raises:
            TypeError, ValueError: a value is not one of its attribute's.
            KeyProviderError, KeyStoreError: as for `Field.encrypt`.
        """
        row, tenant = binding
        is_null = self._is_null
        given, missing, name = [], 0, ""
        try:
            for name, as_is, to_field, tags in self._writing:
                value = values.get(name)
                if value is None or (is_null is not None and is_null(value)):
                    if name in values:
                        new[name] = self._form.serialize(value)
                    value = None
                    missing += 1
                else:
                    if to_field is not None and value.__class__ is not as_is:
                        value = to_field(value)
                    if tags is not None:
                        new.update(tags(value, tenant, row))
                given.append(value)
            if len(given) > missing:
                self._encrypt(given, missing, tenant, row if self._bound else None, new)
        except (TypeError, ValueError) as error:
            refused = [each.name == getattr(error, "field", None) for each in self._fields]
            name = self._names[refused.index(True)] if True in refused else name
            raise named_error(error, f"{self._table.name}.{name}", tenant) from None

    def _encrypt(self, given: Sequence[Any], missing: int, tenant: str | None, context: Any, new: Any) -> None:
        if self._writers is not None and len(given) - missing >= MIN_BATCH:
            sealed = self._writers.encrypt(given, tenant=tenant, context=context)
            for name, data in zip(self._names, sealed):  # noqa: B905 (strict costs a tenth of a microsecond)
                if data is not None:
                    new[name] = {"B": data}
            return
        for name, field, value in zip(self._names, self._fields, given, strict=True):
            if value is not None:
                new[name] = {"B": field.encrypt(value, tenant=tenant, context=context)}

    def decrypt(self, item: Item, binding: Binding | None, new: dict[str, Any], *, mark: bool) -> None:
        """Decrypt what is protected in an item, and put it into `new`.

        Args:
            item: as it is stored.
            binding: what its values are bound to, if the item does not tell.
            new: what the application gets.
            mark: put an `Unreadable` in place of a value that cannot be read.

        Raises:
            DecryptionError: a value does not belong to this attribute, item or tenant.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        if self._readers is None:
            return self._decrypt_each(item, binding, new, mark)
        given: list[Any] = []
        for name in self._names:
            value = item.get(name)
            data = value.get("B") if value.__class__ is dict else None  # pyright: ignore[reportOptionalMemberAccess]
            if data.__class__ is bytes:
                given.append(data)
            elif name not in item:
                given.append(None)
            else:
                return self._decrypt_each(item, binding, new, mark)
        if given.count(None) == len(given):
            return None
        try:
            row, tenant = binding or self._bindings.binding_read(item)
        except FieldcryptError as error:
            for name in self._names:
                if name in item:
                    new[name] = unread(error, self._table, name, item, mark=mark)
            return None
        try:
            values = self._readers.decrypt(given, tenant=tenant, context=row if self._bound else None)
        except FieldcryptError as error:
            if not is_unreadable(error):
                raise
            return self._decrypt_each(item, Binding(row, tenant), new, mark)
        for (name, _, from_field, _), data, value in zip(self._reading, given, values):  # noqa: B905 (likewise)
            if data is None:
                continue
            if from_field is None:
                new[name] = value
                continue
            try:
                new[name] = self._converted(name, from_field, value, data, tenant)
            except FieldcryptError as error:
                new[name] = unread(error, self._table, name, item, mark=mark)
        return None

    def _decrypt_each(self, item: Item, binding: Binding | None, new: dict[str, Any], mark: bool) -> None:
        unbound: FieldcryptError | None = None
        for name, decrypt, from_field, mixed in self._reading:
            if name not in item:
                continue
            value = item[name]
            data: Any = bytes_of(value)
            if data is None and WIRE.is_null(value):
                new[name] = self._form.deserialize(value)
                continue
            try:
                if data is None and mixed is None:
                    plain = DecryptionError(f"{self._table.name}.{name} holds a value that is not encrypted")
                    whose = None if binding is None else binding.tenant
                    raise self._table.fields[name].reported_error(plain, tenant=whose)
                if unbound is not None:  # which was reported
                    raise unbound
                if binding is None:
                    try:
                        binding = self._bindings.binding_read(item)
                    except FieldcryptError as error:
                        unbound = error
                        raise
                row, tenant = binding
                context = row if self._bound else None
                if mixed is None:
                    value = decrypt(data, tenant=tenant, context=context)  # pyright: ignore[reportArgumentType]  # not None
                else:
                    data = stored(value)
                    value = mixed.decrypt(data, tenant=tenant, context=context, part=part_of(item))
                new[name] = value if from_field is None else self._converted(name, from_field, value, data, tenant)
            except FieldcryptError as error:
                new[name] = unread(error, self._table, name, item, mark=mark)

    def _converted(self, name: str, from_field: Any, value: Any, data: Any, tenant: str | None) -> Any:
        """Return a value that was decrypted in the application's form."""
        try:
            return from_field(value)
        except DecryptionError as error:
            raise self._table.fields[name].reported_error(error, data, tenant) from None

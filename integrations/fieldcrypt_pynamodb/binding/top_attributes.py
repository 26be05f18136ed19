"""The protected attributes at the top of a model's items: those of an item are encrypted, and decrypted, together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pynamodb.attributes import MapAttribute
from pynamodb.constants import BINARY, NULL

from fieldcrypt import DecryptionError, FieldcryptError
from fieldcrypt.spi import FieldGroup
from fieldcrypt_dynamodb.item.plaintext import part_of, stored
from fieldcrypt_dynamodb.item.top.fields import MIN_BATCH
from fieldcrypt_dynamodb.item.unreadable import Unreadable, is_unreadable
from fieldcrypt_pynamodb.binding.item_key import Binding, Item, ItemKey
from fieldcrypt_pynamodb.binding.planned import PlannedAttribute
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["TopAttributes"]

Unread = Callable[[FieldcryptError, str, Item], Unreadable]


class TopAttributes:
    """Encrypts and decrypts the protected attributes at the top of items.

    Args:
        planned: the attributes.
        item_key: tells what an item's values are bound to.
        unread: returns what stands for a value that cannot be read, or raises the error.
    """

    def __init__(self, planned: Sequence[PlannedAttribute], item_key: ItemKey, unread: Unread) -> None:
        self._planned, self._item_key, self._unread = planned, item_key, unread
        # The hot path unpacks tuples, which costs less than to look attributes up.
        self._reads, self._writes = list(map(_read, planned)), list(map(_written, planned))
        self._names = tuple(each.attr_name for each in planned)
        self._writers: FieldGroup | None = None
        self._readers: FieldGroup | None = None
        if len(planned) >= MIN_BATCH and len({id(each.encryptor) for each in planned}) == 1:
            self._writers = FieldGroup(each.field for each in planned)
            if all(each.attribute.protection.accepted is None for each in planned):
                # What it refuses is tried again one by one, which says where it is, and reports it.
                self._readers = FieldGroup(each.field.quiet for each in planned)

    def seal(self, item: dict[str, dict[str, Any]], values: dict[str, Any]) -> tuple[Binding | None, dict[str, Any]]:
        """Encrypt, in place, the values of an item that PynamoDB has serialized, and put their tags next to them.

        Args:
            item: in DynamoDB's form.
            values: the instance's, which gets the tags.

        Returns:
            What the values are bound to, if there are some, and the values by their names in the model.
        """
        binding: Binding | None = None
        contents: list[Any] = []
        given: list[Any] = []
        plains: dict[str, Any] = {}
        for name, key, converts, tagger in self._writes:
            content = item.get(name)
            contents.append(content)
            if content is None:
                given.append(None)
                if tagger is not None:
                    tagger.remove(item, values)
                continue
            if binding is None:
                binding = self._item_key.binding(item)
            plain = content[BINARY].plain if converts else values[key]
            given.append(plain)
            plains[key] = plain
            if tagger is not None:
                tagger.put(plain, binding, item, values)
        if binding is not None:
            self._encrypt(contents, given, binding, together=len(plains) >= MIN_BATCH)
        return binding, plains

    def _encrypt(self, contents: list[Any], given: list[Any], binding: Binding, *, together: bool) -> None:
        context, tenant = binding
        if self._writers is not None and together:
            sealed = self._writers.encrypt(given, tenant=tenant, context=context)
            for content, data in zip(contents, sealed):  # noqa: B905 (strict costs a tenth of a microsecond)
                if content is not None:
                    content[BINARY] = data
            return
        for each, content, plain in zip(self._planned, contents, given, strict=True):
            if content is not None:
                content[BINARY] = each.encrypt(plain, tenant=tenant, context=context)

    def open(self, item: Item, instance: Any) -> None:
        """Decrypt the values of an item into an instance.

        Raises:
            ProtectedAttributeError: the item lacks what they are bound to.
            DecryptionError, KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        if self._readers is None or not self._open_together(self._readers, item, instance):
            self._open_each(item, instance)

    def _open_together(self, readers: FieldGroup, item: Item, instance: Any) -> bool:
        """Decrypt all values in one call; return False if one of them has to be looked at by itself."""
        given: list[bytes | None] = []
        for name in self._names:
            content = item.get(name)
            if not content or NULL in content:
                given.append(None)
            elif (data := content.get(BINARY)).__class__ is bytes:
                given.append(data)
            else:
                return False
        if given.count(None) == len(given):
            return True
        try:
            context, tenant = self._item_key.binding(item)
            found = readers.decrypt(given, tenant=tenant, context=context)
        except FieldcryptError as error:
            if is_unreadable(error) or isinstance(error, ProtectedAttributeError):
                return False
            raise
        values = instance.attribute_values
        for each, (name, key, _, from_field, is_map, _), data, value in zip(self._planned, self._reads, given, found):  # noqa: B905
            if data is None:
                continue
            if from_field is not None:
                try:
                    value = _converted(each, from_field, value, data, tenant)
                except FieldcryptError as error:
                    values[key] = self._unread(error, name, item)
                    continue
            if is_map:
                setattr(instance, key, value)
            else:
                values[key] = value
        return True

    def _open_each(self, item: Item, instance: Any) -> None:
        binding: Binding | None = None
        context = tenant = None
        values = instance.attribute_values
        for each, (name, key, decrypt, from_field, is_map, mixed) in zip(self._planned, self._reads, strict=True):
            content = item.get(name)
            if not content or NULL in content:
                continue
            try:
                data = stored(content) if mixed else content.get(BINARY)
                if data is None:
                    plain = DecryptionError(f"{each.attribute._label} holds a value that is not encrypted")
                    raise each.field.reported_error(plain, tenant=tenant)
                if binding is None:
                    binding = context, tenant = self._item_key.binding(item)
                if mixed:
                    value = decrypt(data, tenant=tenant, context=context, part=part_of(item))
                else:
                    value = decrypt(data, tenant=tenant, context=context)
                if from_field is not None:
                    value = _converted(each, from_field, value, data, tenant)
            except FieldcryptError as error:
                values[key] = self._unread(error, name, item)
                continue
            if is_map:
                setattr(instance, key, value)
            else:
                values[key] = value


def _converted(each: PlannedAttribute, convert: Any, value: Any, data: Any, tenant: str | None) -> Any:
    """Return a value that was decrypted as the attribute inside has it."""
    try:
        return convert(value)
    except DecryptionError as error:
        raise each.field.reported_error(error, data, tenant) from None


def _read(each: PlannedAttribute) -> tuple[Any, ...]:
    return (
        each.attr_name,
        each.key,
        each.decrypt,
        each.attribute._conversion.from_field,
        isinstance(each.attribute.inner, MapAttribute),
        each.attribute.protection.accepted is not None,
    )


def _written(each: PlannedAttribute) -> tuple[Any, ...]:
    return each.attr_name, each.key, each.attribute._conversion.to_field is not None, each.tagger

"""Protected values in maps and lists of items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from fieldcrypt import DecryptionError, Event, EventKind, Field, FieldcryptError
from fieldcrypt.spi import element_context, encrypt_fields
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, named_error
from fieldcrypt_dynamodb.item.binding import Binding
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import WIRE, Form
from fieldcrypt_dynamodb.item.nested.met import Met
from fieldcrypt_dynamodb.item.nested.shape import Found, Shape
from fieldcrypt_dynamodb.item.plaintext import part_of, stored
from fieldcrypt_dynamodb.item.tags.indexes import tagger
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_dynamodb.item.values import bytes_of, plain_bytes

__all__ = ["NestedValues"]

Unread = Callable[[FieldcryptError, str], Unreadable]


def _raised(error: FieldcryptError, attribute: str) -> NoReturn:
    raise error


class NestedValues:
    """Encrypts and decrypts what paths lead to, in copies of the maps and lists that it is in.

    Args:
        table: the description.
        form: in which items come and go.
    """

    def __init__(self, table: TableDescription, form: Form) -> None:
        self._table, self._form = table, form
        self._taggers = {name: tagger(indexes) for name, indexes in table.indexes.of.items()}
        self._conversions = {name: form.conversion(each.type) for name, each in table.attributes.items()}

    def check(self, item: Mapping[str, Any]) -> None:
        """Refuse attributes of the application's item that are named like a path, or are not declared.

        Raises:
            ProtectedAttributeError: there is one.
        """
        try:
            self._table.shape.check(item)
        except TypeError as error:
            raise ProtectedAttributeError(f"{self._table.name}: {error}") from None
        for name in self._table.plain_maps.keys() & item.keys():
            self.check_plain(self._table.plain_maps[name], item[name])

    def has_values(self, item: Mapping[str, Any]) -> bool:
        """Return True if the application's item has protected values in maps or lists.

        Raises:
            ProtectedAttributeError: it has another shape, or members that are refused.
        """
        shapes = self._table.nested.items()
        return any(self._copied({name: item[name]}, name, shape) for name, shape in shapes if name in item)

    def encrypted(self, item: Mapping[str, Any], binding: Binding) -> dict[str, Any]:
        """Return the attributes of an item with protected values in them, as they are stored, and their tags."""
        values = {name: item[name] for name in self._table.nested if name in item}
        found = [each for name in values for each in self._copied(values, name, self._table.nested[name])]
        return {**self._encrypt(found, binding), **self._form.serialize_item(values)}

    def encrypt_at(self, met: Met[Shape], value: Any, binding: Binding) -> tuple[Any, dict[str, Any]]:
        """Return what is set, as it is stored, and what each companion becomes; None: absent.

        Args:
            met: a protected value, or what is around such values.
            value: what is set there, in the form.
            binding: the item's.

        Raises:
            ProtectedAttributeError: it has another shape, or members that are refused.
            TypeError, ValueError: a value is not one of its attribute's.
            KeyProviderError, KeyStoreError: as for `Field.encrypt`.
        """
        values = {"": value}
        if met.shape is not None:
            found = self._copied(values, "", met.shape)
        else:
            found = [] if self._form.is_null(value) else [Found(met.attribute, values, "", value, ())]
        tags = self._encrypt(found, binding)
        return self._form.serialize(values[""]), {**dict.fromkeys(self.companions(met)), **tags}

    def companions(self, met: Met[Shape]) -> list[str]:
        """Return the attributes with the tags of what a path meets."""
        names = [met.attribute] if met.shape is None else met.shape.attributes
        of = self._table.indexes.of
        return [companion for name in names if name in of for companion in of[name].companions]

    def check_plain(self, shape: Shape, value: Any) -> None:
        """Refuse undeclared members in what is set on a map or list without protected values.

        Raises:
            ProtectedAttributeError: it has some.
        """
        self._copied({"": value}, "", shape)

    def value_of(self, item: Mapping[str, Any], attribute: str) -> Any:
        """Return a value, not in a list, of an item that was decrypted; or its mark, or None if there is no value."""
        found: Any = item
        for number, step in enumerate(self._table.paths[attribute].steps):
            found = found.get("M", {}) if number and self._form is WIRE else found
            found = found.get(step) if isinstance(found, Mapping) else None
            if found is None or self._form.is_null(found):
                return None
            if found.__class__ is Unreadable:
                return found
        return found

    def _copied(self, values: dict[str, Any], name: str, shape: Shape) -> list[Found]:
        found: list[Found] = []
        try:
            values[name] = shape.copied(values[name], found, self._form, reading=False)
        except (TypeError, ValueError) as error:
            raise ProtectedAttributeError(f"{self._table.name}: {error}") from None
        return found

    def _encrypt(self, found: list[Found], binding: Binding) -> dict[str, Any]:
        """Encrypt values in the copies that they were found in, and return their tags, by companion."""
        table, own_form, name = self._table, self._form is WIRE, ""
        tags: dict[str, Any] = {}

        def parts() -> Iterator[tuple[Field[Any], Any, Mapping[str, str] | None]]:
            nonlocal name
            for each in found:
                name, to_field = each.attribute, self._conversions[each.attribute].to_field
                value = each.value if to_field is None else to_field(each.value)
                if name in self._taggers:
                    tags.update(self._taggers[name](value, binding.tenant, binding.row))
                yield table.fields[name], value, self._context(each, binding)

        try:
            for each, data in zip(found, encrypt_fields(parts(), tenant=binding.tenant), strict=True):
                each.container[each.at] = {"B": data} if own_form else data
        except (TypeError, ValueError) as error:
            raise named_error(error, f"{table.name}.{name}", binding.tenant) from None
        return tags

    def decrypt(
        self, new: dict[str, Any], item: Mapping[str, Any], binding: Callable[[], Binding], unread: Unread
    ) -> None:
        """Replace the attributes of an item that have protected values in them.

        Args:
            new: what the application gets.
            item: as it is stored.
            binding: returns what its values are bound to; only called if there are some.
            unread: returns what stands for a value that cannot be read, or raises the error.

        Raises:
            DecryptionError: a value does not belong where it is; or as `replace`.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        known: list[Binding] = []

        def decrypted(found: Found) -> Any:
            if not known:
                known.append(binding())
            try:
                return self._decrypted(found, item, known[0])
            except ValueError as error:  # what distinguishes an element is too long
                refused = DecryptionError(f"{self._table.name}.{found.attribute}: {error}")
            raise self._table.fields[found.attribute].reported_error(refused, tenant=known[0].tenant)

        self.replace(new, decrypted, unread)

    def replace(self, new: dict[str, Any], replacement: Callable[[Found], Any], unread: Unread = _raised) -> None:
        """Replace protected values that were found in the attributes of an item, which are copied.

        Raises:
            DecryptionError: the item has another shape than the paths.
        """
        found: list[Found] = []
        for name in [name for name in self._table.nested if name in new]:  # in their order: the first is raised
            inner: list[Found] = []
            try:
                new[name] = self._opened(new[name], self._table.nested[name], inner)
                found += inner
            except DecryptionError as error:
                new[name] = unread(error, name)
        for each in found:
            try:
                each.container[each.at] = replacement(each)
            except FieldcryptError as error:
                each.container[each.at] = unread(error, each.attribute)

    def _opened(self, value: Any, shape: Shape, found: list[Found]) -> Any:
        try:
            return shape.copied(value, found, self._form, reading=True)
        except (TypeError, ValueError) as error:  # what the database holds is not a misuse
            self._table.encryptor.report(Event(EventKind.VALUE_REFUSED, place=self._table.name))
            refused = DecryptionError(f"{self._table.name}: {error}")
        raise refused  # here, where no chained exception carries a value

    def _decrypted(self, found: Found, item: Mapping[str, Any], binding: Binding) -> Any:
        name, tenant = found.attribute, binding.tenant
        data: Any = bytes_of(found.value) if self._form is WIRE else plain_bytes(found.value)
        field, mixed = self._table.fields[name], self._table.mixed.get(name)
        context, from_field = self._context(found, binding), self._conversions[name].from_field
        if mixed is not None:
            read = stored(self._form.serialize(found.value))
            value = mixed.decrypt(read, tenant=tenant, context=context, part=part_of(item))
        elif not isinstance(data, bytes):
            plain = DecryptionError(f"{self._table.name}.{name} holds a value that is not encrypted")
            raise field.reported_error(plain, tenant=tenant)
        else:
            value = field.decrypt(data, tenant=tenant, context=context)
        try:
            return value if from_field is None else from_field(value)
        except DecryptionError as error:
            raise field.reported_error(error, data, tenant) from None

    def _context(self, found: Found, binding: Binding) -> Mapping[str, str] | None:
        row = binding.row if self._table.bound else None
        return {**(row or {}), **element_context(found.elements)} if found.elements else row

"""Encrypted attributes of maps, and of maps in lists, which are sealed and opened in their item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pynamodb.attributes import AttributeContainer, ListAttribute
from pynamodb.constants import BINARY
from pynamodb.expressions.operand import Path as DocumentPath
from pynamodb.models import Model

from fieldcrypt import DecryptionError, FieldcryptError
from fieldcrypt.spi import Path, encrypt_fields, located
from fieldcrypt_dynamodb.item.forms import WIRE
from fieldcrypt_dynamodb.item.nested.met import Met
from fieldcrypt_dynamodb.item.nested.shape import Found, Shape
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.pending import PendingValue
from fieldcrypt_pynamodb.binding.item_key import Binding, Item
from fieldcrypt_pynamodb.binding.planned import PlannedAttribute
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["NestedAttributes", "nested_attributes"]

Unread = Callable[[FieldcryptError, str, Item], Unreadable]


def nested_attributes(model: type[Model]) -> Iterator[tuple[Path, EncryptedAttribute[Any]]]:
    """Yield the encrypted attributes that are inside of maps of a model, with their paths in items."""
    for attribute in model.get_attributes().values():
        yield from _within(attribute, Path.of_member(attribute.attr_name).text)


def _within(attribute: Any, path: str) -> Iterator[tuple[Path, EncryptedAttribute[Any]]]:
    is_list = isinstance(attribute, ListAttribute)
    container = attribute.element_type if is_list else type(attribute)
    if container is None or not issubclass(container, AttributeContainer):
        return
    for member in container.get_attributes().values():
        inside = f"{path}{'[]' if is_list else ''}.{Path.of_member(member.attr_name).text}"
        if isinstance(member, EncryptedAttribute):
            yield Path(inside), member
        else:
            yield from _within(member, inside)


class NestedAttributes:
    """The encrypted attributes inside of a model's maps.

    Args:
        attributes: each with its path.

    Attributes:
        planned: the same, by their paths.
        roots: the attributes of items that they are in, each with what is in it.
    """

    def __init__(self, attributes: Sequence[tuple[Path, PlannedAttribute]]) -> None:
        self.planned = {path.text: planned for path, planned in attributes}
        self._shape = Shape()
        for path, _ in attributes:
            self._shape.protect(path.text, path)
        self.roots: dict[str, Shape] = {str(name): at for name, at in self._shape.steps.items()}  # type: ignore[misc]

    def met(self, path: DocumentPath) -> Met[Shape]:
        """Return what a path of an expression meets."""
        steps: list[str | int] = []
        for segment in path.path:
            name, *places = segment.split("[")
            steps += [name, *(int(place.rstrip("]")) for place in places)]
        return self._shape.met(steps)

    def refusal_error(self, met: Met[Shape]) -> ProtectedAttributeError:
        """Return the error for having DynamoDB compare or change what a path meets."""
        planned = self.planned[met.attribute]
        error = planned.attribute._refusal_error()
        return located(type(error)(f"{error.args[0]} (at {met.attribute})"), field=planned.field.name)

    def seal(self, item: dict[str, Any], binding: Binding | None, key: Any) -> None:
        """Encrypt, in place, what maps and lists of an item have pending.

        Args:
            item: in DynamoDB's form.
            binding: what the values are bound to, if that is known yet.
            key: tells it.
        """
        found: list[Found] = []
        for name, shape in self.roots.items():
            if name in item:
                item[name] = shape.copied(item[name], found, WIRE, reading=False)
        if found:
            self._seal(found, binding or key.binding(item))

    def sealed(self, met: Met[Shape], value: dict[str, Any], binding: Binding) -> dict[str, Any]:
        """Return what an update sets on a path, sealed.

        Args:
            met: what the path meets.
            value: in DynamoDB's form.
            binding: what the values are bound to.

        Raises:
            ProtectedAttributeError: it is plaintext, or has another shape.
        """
        found, values = [], {"": value}
        if met.shape is None:
            found.append(Found(met.attribute, values, "", value, ()))
        else:
            try:
                values[""] = met.shape.copied(value, found, WIRE, reading=False)
            except (TypeError, ValueError) as error:
                raise ProtectedAttributeError(str(error)) from None
        self._seal(found, binding)
        return values[""]

    def _seal(self, found: list[Found], binding: Binding) -> None:
        context, tenant = binding
        parts = []
        for each in found:
            planned, pending = self.planned[each.attribute], each.value.get(BINARY)
            if not isinstance(pending, PendingValue) or pending.attribute.origin is not planned.attribute:
                raise planned.attribute._refusal_error()
            parts.append((planned.field, pending.plain, context))
        for each, data in zip(found, encrypt_fields(parts, tenant=tenant), strict=True):
            each.container[each.at] = {BINARY: data}

    def open(self, rest: dict[str, Any], item: Item, key: Any, unread: Unread) -> dict[str, Unreadable]:
        """Decrypt what maps and lists of an item have, for PynamoDB to deserialize.

        Args:
            rest: the part of the item that PynamoDB gets; it is changed.
            item: the item.
            key: tells what values are bound to.
            unread: raises an error, or returns what stands for what is in an attribute.

        Returns:
            What stands for attributes of the item that are not such maps and lists.

        Raises:
            DecryptionError, KeyProviderError, KeyStoreError: as for `Field.decrypt`.
            ProtectedAttributeError: the item lacks what they are bound to.
        """
        found: list[Found] = []
        marked: dict[str, Unreadable] = {}
        for name, shape in self.roots.items():
            try:
                if name in rest:
                    rest[name] = shape.copied(rest[name], found, WIRE, reading=True)
            except (TypeError, ValueError) as error:  # what the database holds is not a misuse
                refused = DecryptionError(str(error))
            else:
                continue
            marked[name] = unread(refused, name, item)  # here, where no chained exception carries a value
        for each in found:
            planned = self.planned[each.attribute]
            try:
                value = planned.read(each.value, item, key.binding(item))
            except FieldcryptError as error:
                value = unread(error, each.attribute, item)
            each.container[each.at] = {BINARY: PendingValue(planned.attribute, value)}
        return marked

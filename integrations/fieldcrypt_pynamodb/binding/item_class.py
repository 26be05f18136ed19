"""The class of an item in a table of several classes, which its discriminator tells."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from pynamodb.constants import BINARY
from pynamodb.models import Model

from fieldcrypt.spi import is_envelope
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.binding.nested import nested_attributes

__all__ = ["ItemClass"]


class ItemClass:
    """The class of a model's items.

    Args:
        model: one that has a discriminator.

    Attributes:
        attr_name: the discriminator's name in items.
        value: its value in the items of this model, in DynamoDB's form.
    """

    def __init__(self, model: type[Model]) -> None:
        discriminator: Any = model._get_discriminator_attribute()
        self._model, self._discriminator = model, discriminator
        self.attr_name: str = discriminator.attr_name
        self.value = {discriminator.attr_type: discriminator.serialize(model)}
        self._known: tuple[int, frozenset[str]] = (0, frozenset())

    @classmethod
    def of(cls, model: type[Model]) -> ItemClass | None:
        """Return the class of a model's items; None if there is no telling them apart."""
        discriminator: Any = model._get_discriminator_attribute()
        if discriminator is None or discriminator.get_discriminator(model) is None:
            return None
        return cls(model)

    @property
    def protected_names(self) -> frozenset[str]:
        """The names, in items, of the attributes that are protected in this or another class of the table."""
        classes = self._discriminator.get_registered_subclasses(Model)
        if self._known[0] != len(classes):
            names = {
                attribute.attr_name
                for model in classes
                for attribute in model.get_attributes().values()
                if isinstance(attribute, ProtectedAttribute)
            }
            names.update(path.first for model in classes for path, _ in nested_attributes(model))
            self._known = len(classes), frozenset(names)
        return self._known[1]

    def wrong_parts(self, item: Mapping[str, Any], own: Container[str]) -> dict[str, str]:
        """Return, by name, what is wrong with what is plain in this class but has the form of an encrypted value.

        Args:
            item: as DynamoDB has it.
            own: the names of what is protected in this class.
        """
        names = [name for name in self.protected_names if name in item and name not in own]
        return {
            name: f"{self._model.__name__}: {name!r} has the form of an encrypted value, which other classes of the "
            "table have there, and is plain in this one"
            for name in names
            if is_envelope(item[name].get(BINARY))
        }

"""What the values of an item are bound to: its key and its tenant, as DynamoDB has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pynamodb.attributes import DiscriminatorAttribute, TTLAttribute, VersionAttribute
from pynamodb.constants import BINARY, NUMBER, STRING
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, RowContext, key_text, row_context
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["Binding", "Item", "ItemKey", "KeyPart"]

Item = Mapping[str, Mapping[str, Any]]  # an item in DynamoDB's own form, {"id": {"S": "1"}}
Binding = tuple[RowContext, str | None]  # the context that values are bound to, and whose data keys they use


def _text(value: Any) -> Any:
    return value if value.__class__ is str else str.__str__(value)  # what a StrEnum adds is not stored


# What boto3 gives for a part of a key, so that who reads the table with it can name the item.
_AS_STORED: dict[str, Callable[[Any], Any]] = {STRING: _text, NUMBER: Decimal, BINARY: bytes}


class KeyPart:
    """An attribute that values are bound to.

    Attributes:
        key: its name in the model.
        attr_name, attr_type: its name and type in the item.
    """

    __slots__ = ("_attribute", "as_stored", "attr_name", "attr_type", "key")

    def __init__(self, model: type[Model], key: str) -> None:
        self.key = key
        self._attribute = model.get_attributes()[key]
        self.attr_name, self.attr_type = self._attribute.attr_name, self._attribute.attr_type
        self.as_stored = _AS_STORED[self.attr_type]

    def serialized(self, value: Any) -> dict[str, Any]:
        """Return a value of the model's as the item has it."""
        return {self.attr_type: self._attribute.serialize(value)}


class ItemKey:
    """What an item's values are bound to.

    Args:
        model: has a table.
        tenant: the attribute that says whose data keys to use, or None.

    Raises:
        ConfigurationError: the model has no key, or no such attribute that could be a tenant.
    """

    def __init__(self, model: type[Model], tenant: str | None) -> None:
        self._model = model.__name__
        names = [name for name in (model._hash_keyname, model._range_keyname) if name is not None]
        if model._hash_keyname is None:
            raise ConfigurationError(f"@encrypted: {self._model} has no hash key that its values could be bound to")
        for name in names:
            kind = model.get_attributes()[name]
            if isinstance(kind, ProtectedAttribute) or kind.attr_type not in _AS_STORED:
                raise ConfigurationError(f"@encrypted: {self._model}.{name} cannot be a key that values are bound to")
        self.parts = [KeyPart(model, name) for name in names]
        self.tenant = None if tenant is None else KeyPart(model, check_tenant(model, tenant))
        self.tenant_is_in_key = tenant in names
        bound = self.parts if self.tenant is None or self.tenant_is_in_key else [*self.parts, self.tenant]
        self.attr_names = [part.attr_name for part in bound]
        # The hot path unpacks tuples, which costs less than to look attributes up.
        self._plain_tenant: tuple[Any, Any, Any] = (None, None, None)
        if self.tenant is not None:
            self._plain_tenant = self.tenant.attr_name, self.tenant.attr_type, self.tenant.as_stored
        self._plain = [(part.attr_name, part.attr_type, part.as_stored) for part in self.parts]

    def binding(self, item: Item) -> Binding:
        """Return what the values of an item are bound to.

        Raises:
            ProtectedAttributeError: the item lacks a part of its key, or its tenant.
            ValueError: a part of the key is out of range.
        """
        try:
            parts = []
            for name, kind, as_stored in self._plain:  # a loop, for in Python 3.11 a comprehension is a call
                parts.append(as_stored(item[name][kind]))
            name, kind, as_stored = self._plain_tenant
            tenant: Any = None if name is None else item[name][kind]
        except KeyError:
            pass
        else:
            if tenant.__class__ is not str or kind != STRING:
                tenant = None if name is None else key_text(as_stored(tenant))
            return row_context(*parts), tenant
        raise self._incomplete_error(item)

    def tenant_text(self, value: Any) -> str:
        """Return a tenant, given as the model's attribute has it, as the text that its keys are under.

        Raises:
            ProtectedAttributeError: the model has no tenant.
        """
        if self.tenant is None:
            raise ProtectedAttributeError(f"{self._model} has no tenant: @encrypted(…, tenant=…)")
        return key_text(self.tenant.as_stored(self.tenant.serialized(value)[self.tenant.attr_type]))

    def tenant_of(self, instance: Any) -> str:
        """Return the tenant of an item that was read."""
        return self.tenant_text(None if self.tenant is None else getattr(instance, self.tenant.key))

    def _incomplete_error(self, item: Item) -> ProtectedAttributeError:
        for part in (*self.parts, self.tenant):
            if part is not None and part.attr_type not in item.get(part.attr_name, {}):
                what = "the tenant" if part is self.tenant else "a part of the key"
                return ProtectedAttributeError(
                    f"the item has no {part.attr_name!r}, {what} that the protected values of {self._model} are bound "
                    "to: give it a value before the item is written; project it into the index through which the item "
                    "is read"
                )
        raise AssertionError("the item is complete")


def check_tenant(model: type[Model], tenant: str) -> str:
    """Return the name of the attribute that says whose keys to use.

    Raises:
        ConfigurationError: there is none, or its values cannot name a tenant.
    """
    described = f"@encrypted(…, tenant={tenant!r})"
    attribute = model.get_attributes().get(tenant)
    if attribute is None:
        raise ConfigurationError(f"{described}: {model.__name__} has no such attribute")
    if isinstance(attribute, ProtectedAttribute):
        raise ConfigurationError(f"{described}: it is encrypted itself, and has to be read first")
    if isinstance(attribute, (VersionAttribute, TTLAttribute, DiscriminatorAttribute)):
        raise ConfigurationError(f"{described}: a {type(attribute).__name__} names no tenant")
    if attribute.attr_type not in (STRING, NUMBER):
        raise ConfigurationError(f"{described}: a tenant is a text or a number in DynamoDB")
    return tenant

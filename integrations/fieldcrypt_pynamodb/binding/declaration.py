"""What protected attributes of a decorated model cannot be declared as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pynamodb.models import Model

from fieldcrypt import ConfigurationError, IndexedBy
from fieldcrypt_pynamodb.attribute.companion import BlindIndexAttribute, BlindIndexSetAttribute, Companion
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute

__all__ = ["check_attributes", "check_shared", "companions_of"]


def companions_of(
    model: type[Model], key: str, indexes: Iterable[IndexedBy], tenant: str | None
) -> dict[str, Companion[Any]]:
    """Return the attributes that hold the tags of a searchable attribute, by their names in the model.

    Args:
        model: the model that has them.
        key: what is searched, for messages.
        indexes: the declarations.
        tenant: the attribute that says whose data keys to use, or None.

    Raises:
        ConfigurationError: one is missing, or of another class; or tags are per tenant and there are none.
    """
    found: dict[str, Companion[Any]] = {}
    for index in indexes:
        kind = BlindIndexSetAttribute if index.one_companion else BlindIndexAttribute
        for name in index.companions:
            companion = model.get_attributes().get(name)
            if not isinstance(companion, kind) or companion.is_hash_key or companion.is_range_key:
                raise ConfigurationError(
                    f"{model.__name__}.{key} is indexed by {name!r}, which is no attribute of the model for tags: "
                    f"declare it, {name} = {kind.__name__}(null=True)"
                )
            found[name] = companion
        if index.per_tenant and tenant is None:
            raise ConfigurationError(f"{model.__name__}.{key} has tags per tenant: @encrypted(…, tenant=…) says whose")
    return found


def check_shared(model: type[Model], what: str, names: Sequence[str]) -> None:
    """Refuse fields and companions that several attributes share: their values could be exchanged, or would differ.

    Raises:
        ConfigurationError: a name is there twice.
    """
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"several protected attributes of {model.__name__} have the {what} {name!r}")


def check_attributes(model: type[Model]) -> None:
    """Refuse what would write or ask for plaintext next to a protected attribute.

    Raises:
        ConfigurationError: an attribute or an index of the model is declared so.
    """
    _refuse_unprotected(model)
    _refuse_indexes(model)


def _refuse_unprotected(model: type[Model]) -> None:
    """Refuse attributes that would write plaintext in place of a protected attribute."""
    attributes = model.get_attributes()
    names = [attribute.attr_name for attribute in attributes.values()]
    for key, attribute in attributes.items():
        if isinstance(attribute, ProtectedAttribute):
            if names.count(attribute.attr_name) > 1:
                raise ConfigurationError(
                    f"{model.__name__} has several attributes {attribute.attr_name!r} in its items"
                )
        elif any(isinstance(vars(base).get(key), ProtectedAttribute) for base in model.__mro__):
            raise ConfigurationError(f"{model.__name__}.{key} is protected in a base, and cannot be plain here")


def _refuse_indexes(model: type[Model]) -> None:
    """Refuse indexes that would be queried by plaintext, or by what is not a tag."""
    guarded = {
        attribute.attr_name
        for attribute in model.get_attributes().values()
        if isinstance(attribute, ProtectedAttribute)
    }
    for index in model._indexes.values():
        for attribute in index.Meta.attributes.values():
            is_key = attribute.is_hash_key or attribute.is_range_key
            if is_key and attribute.attr_name in guarded and not isinstance(attribute, BlindIndexAttribute):
                raise ConfigurationError(
                    f"the index {index.Meta.index_name!r} of {model.__name__} has the key {attribute.attr_name!r}, "
                    "which is encrypted or holds tags: have a BlindIndexAttribute as its key, and query it by the "
                    "plain value"
                )

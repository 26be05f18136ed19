"""What protected attributes of a decorated model cannot be declared as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynamodb.models import Model

from fieldcrypt import ConfigurationError
from fieldcrypt_pynamodb.attribute.companion import BlindIndexAttribute
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute

__all__ = ["check_attributes", "check_shared", "companion_of"]


def companion_of(
    model: type[Model], key: str, attribute: EncryptedAttribute[Any], tenant: str | None
) -> BlindIndexAttribute:
    """Return the attribute that holds the tags of a searchable attribute.

    Raises:
        ConfigurationError: there is none, or tags are per tenant and there are none.
    """
    index: Any = attribute.index
    companion = model.get_attributes().get(index.companion)
    if not isinstance(companion, BlindIndexAttribute) or companion.is_hash_key or companion.is_range_key:
        raise ConfigurationError(
            f"{model.__name__}.{key} is indexed by {index.companion!r}, which is no attribute of the model for tags: "
            f"declare it, {index.companion} = BlindIndexAttribute(null=True)"
        )
    if index.per_tenant and tenant is None:
        raise ConfigurationError(f"{model.__name__}.{key} has tags per tenant: @encrypted(…, tenant=…) says whose")
    return companion


def check_shared(model: type[Model], what: str, names: Sequence[str]) -> None:
    """Refuse fields and companions that several attributes share: their values could be exchanged, or would differ.

    Raises:
        ConfigurationError: a name is there twice.
    """
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"several protected attributes of {model.__name__} have the {what} {name!r}")


def check_attributes(model: type[Model]) -> None:
    """Refuse what would write or ask for plaintext beside a protected attribute.

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

"""Searching where tags are per tenant."""

from __future__ import annotations

from typing import Any

from pynamodb.expressions.condition import Condition

from fieldcrypt.spi import AllEqual, Question, discreet
from fieldcrypt_pynamodb.attribute.companion import BlindIndexAttribute
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.expressions import Questions
from fieldcrypt_pynamodb.attribute.pending import Asked
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["of_tenant"]


class _OfTenant(Questions):
    """A searchable attribute with the tenant whose tags are meant."""

    __slots__ = ("_attribute", "_tenant")

    def __init__(self, attribute: EncryptedAttribute[Any], tenant: Any) -> None:
        self._attribute, self._tenant = attribute, tenant

    def _asked(self, question: Question) -> Condition:
        return Asked(self._attribute, question, self._tenant)

    def _sought(self, value: Any) -> Any:
        return self._attribute._sought(value)

    __hash__ = None  # type: ignore[assignment]


class _CompoundOfTenant:
    """The companion of several attributes, with the tenant whose tags are meant."""

    __slots__ = ("_companion", "_tenant")

    def __init__(self, companion: BlindIndexAttribute, tenant: Any) -> None:
        self._companion, self._tenant = companion, tenant

    @discreet
    def equals(self, **values: Any) -> Condition:
        """Return the condition that all members have these values."""
        return Asked(self._companion, AllEqual(values), self._tenant)


def of_tenant(attribute: Any, tenant: Any) -> Any:
    """Return a searchable attribute with tags per tenant, to be compared.

        Patient.scan(of_tenant(Patient.email, "clinic-7") == "ann@example.org")

    It finds no items of other tenants.

    Args:
        attribute: the attribute; or the companion of a `CompoundIndex`, to be compared by `equals`.
        tenant: whose index keys to use; what the model's tenant attribute has.

    Raises:
        ProtectedAttributeError: the attribute has no tags per tenant.
    """
    is_compound = isinstance(attribute, BlindIndexAttribute)
    indexes = attribute.indexes if isinstance(attribute, EncryptedAttribute) else ()
    if not is_compound and not any(index.per_tenant for index in indexes):
        raise ProtectedAttributeError("of_tenant takes an encrypted attribute that is indexed with per_tenant=True")
    if tenant is None:
        raise ProtectedAttributeError(
            f"{attribute._label} is searched for one tenant, and None is not a tenant",
            field=getattr(attribute, "field_name", None),
        )
    return _CompoundOfTenant(attribute, tenant) if is_compound else _OfTenant(attribute, tenant)

"""Searching where tags are per tenant."""

from __future__ import annotations

from typing import Any

from pynamodb.expressions.condition import Comparison, Condition

from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.pending import PendingOperand, equal, one_of
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["of_tenant"]


class _OfTenant:
    """A searchable attribute with the tenant whose tags are meant."""

    __slots__ = ("_attribute", "_tenant")

    def __init__(self, attribute: EncryptedAttribute[Any], tenant: Any) -> None:
        self._attribute, self._tenant = attribute, tenant

    def __eq__(self, other: Any) -> Comparison:  # type: ignore[override]
        return equal(self._attribute, self._operand(other))

    def __ne__(self, other: Any) -> Any:
        raise self._attribute._refusal_error()

    __hash__ = None  # type: ignore[assignment]

    def is_in(self, *values: Any) -> Condition:
        """Return the condition that the attribute has one of these values."""
        return one_of(self._attribute, *map(self._operand, values))

    def _operand(self, value: Any) -> PendingOperand:
        return PendingOperand(self._attribute._pending(value), self._tenant)


def of_tenant(attribute: Any, tenant: Any) -> Any:
    """Return a searchable attribute with tags per tenant, to be compared.

        Patient.scan(of_tenant(Patient.email, "clinic-7") == "ann@example.org")

    It finds no items of other tenants.

    Args:
        attribute: the attribute.
        tenant: whose index keys to use; what the model's tenant attribute has.

    Raises:
        ProtectedAttributeError: the attribute has no tags per tenant.
    """
    index = attribute.index if isinstance(attribute, EncryptedAttribute) else None
    if index is None or not index.per_tenant:
        raise ProtectedAttributeError("of_tenant takes an encrypted attribute that is indexed with per_tenant=True")
    if tenant is None:
        raise ProtectedAttributeError(
            f"{attribute._label} is searched for a tenant, which None is not", field=attribute.field_name
        )
    return _OfTenant(attribute, tenant)

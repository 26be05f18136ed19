"""The items of one tenant alone."""

from __future__ import annotations

from copy import copy
from typing import Any, TypeVar

from fieldcrypt_dynamodb.client import AnyClient
from fieldcrypt_dynamodb.item.binding import Tenant, checked_tenant
from fieldcrypt_dynamodb.protected_table import ProtectedTable
from fieldcrypt_dynamodb.resource import AnyResource
from fieldcrypt_dynamodb.table import AnyTable

__all__ = ["of_tenant"]

W = TypeVar("W", bound=AnyClient[Any] | AnyResource[Any] | AnyTable[Any] | ProtectedTable)


def of_tenant(wrapper: W, tenant: Tenant) -> W:
    """Return a client, a resource, a table or a description for the items of one tenant alone.

        table = of_tenant(table, "clinic-7")

    Items of others do not decrypt there. Updates of items whose key does not name the tenant need it, and so do
    searches for tags per tenant.

    Args:
        wrapper: it is not changed. Whatever a returned description is given to is for that tenant too.
        tenant: a text or a number, as the items have it.

    Raises:
        TypeError: the tenant is neither, or there is no such wrapper.
        ConfigurationError: none of its tables has tenants, so all items would be that tenant's.
    """
    if not isinstance(wrapper, (AnyClient, AnyResource, AnyTable, ProtectedTable)):
        raise TypeError(
            f"of_tenant(wrapper, tenant) takes an EncryptedTable, for example, not a {type(wrapper).__name__}"
        )
    other = copy(wrapper)
    other._be_of_tenant(checked_tenant(tenant))
    return other

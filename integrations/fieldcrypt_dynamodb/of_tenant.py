"""The items of one tenant alone."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

from fieldcrypt_dynamodb.client import EncryptedClient
from fieldcrypt_dynamodb.item.items import Tenant, checked_tenant
from fieldcrypt_dynamodb.resource import EncryptedResource
from fieldcrypt_dynamodb.table import EncryptedTable

__all__ = ["of_tenant"]

W = TypeVar("W", bound=EncryptedClient | EncryptedResource | EncryptedTable)


def of_tenant(wrapper: W, tenant: Tenant) -> W:
    """Return a client, a resource or a table for the items of one tenant alone: `of_tenant(table, "clinic-7")`.

    Items of others do not decrypt there. Updates of items whose key does not name the tenant need it, and so do
    searches for tags per tenant.

    Args:
        wrapper: is not changed.
        tenant: a text or a number, as the items have it.

    Raises:
        TypeError: the tenant is neither, or there is no such wrapper.
    """
    if not isinstance(wrapper, (EncryptedClient, EncryptedResource, EncryptedTable)):
        raise TypeError(
            f"of_tenant(wrapper, tenant) takes an EncryptedTable, for example, not a {type(wrapper).__name__}"
        )
    other = copy(wrapper)
    other._be_of_tenant(checked_tenant(tenant))
    return other

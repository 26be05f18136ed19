"""The items of one tenant, or of one entity, alone."""

from __future__ import annotations

from copy import copy
from typing import Any, TypeVar

from fieldcrypt_dynamodb.client import AnyClient
from fieldcrypt_dynamodb.item.binding import Tenant, checked_tenant
from fieldcrypt_dynamodb.protected_table import ProtectedTable
from fieldcrypt_dynamodb.resource import AnyResource
from fieldcrypt_dynamodb.table import AnyTable

__all__ = ["of_entity", "of_tenant"]

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
    other = _copied(wrapper, "of_tenant(wrapper, tenant)")
    other._be_of_tenant(checked_tenant(tenant))
    return other


def of_entity(wrapper: W, name: str) -> W:
    """Return a client, a resource, a table or a description for the items of one entity alone.

        table = of_entity(table, "user")

    Queries and scans leave out items of other entities, and the keys of those are refused. It is needed for writes
    where an attribute tells several entities, and for filters by an attribute that an entity protects.

    Args:
        wrapper: it is not changed. Whatever a returned description is given to is for that entity too.
        name: as the entity is called in `ProtectedTable(…, entities={"user": …})`.

    Raises:
        TypeError: there is no such wrapper.
        ConfigurationError: none of its tables has the entity.
    """
    other = _copied(wrapper, "of_entity(wrapper, name)")
    other._be_of_entity(name)
    return other


def _copied(wrapper: W, call: str) -> W:
    if not isinstance(wrapper, (AnyClient, AnyResource, AnyTable, ProtectedTable)):
        raise TypeError(f"{call} takes an EncryptedTable, for example, not a {type(wrapper).__name__}")
    return copy(wrapper)

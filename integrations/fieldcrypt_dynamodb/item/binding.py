"""What the values of an item are bound to."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from fieldcrypt import DecryptionError, Event, EventKind, RowContext, key_text, row_context
from fieldcrypt.spi import MAX_TENANT_SIZE
from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.key_tags import KeyTags
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE, Form

__all__ = ["Binding", "Bindings", "Tenant", "checked_tenant"]

Item = Mapping[str, Any]
Tenant = str | int | Decimal


class Binding(NamedTuple):
    """What the values of an item are bound to.

    Attributes:
        row: its key, as a context.
        tenant: whose keys they are encrypted under.
    """

    row: RowContext
    tenant: str | None


def checked_tenant(tenant: Tenant) -> Tenant:
    """Return a tenant that was named.

    Raises:
        TypeError: it is not one. None would stand for all tenants.
    """
    if isinstance(tenant, bool) or not isinstance(tenant, (str, int, Decimal)):
        raise TypeError(f"of_tenant(…) takes a text or a number, not a {type(tenant).__name__}")
    return tenant


class Bindings:
    """Tells what the values of the items of a table are bound to.

    Args:
        table: the description.
        form: of the application's items.
        tenant: the only tenant whose items these are; None if the table names none either, and each item has its own.
    """

    def __init__(self, table: TableDescription, form: Form, tenant: Tenant | None = None) -> None:
        self.table = table
        self.form = form
        self.tenant = tenant = table.only_tenant if tenant is None else tenant
        self.tenant_text = None if tenant is None else key_text(PYTHON.key_part(tenant))
        self.key_tags = KeyTags(table, form) if table.key_tags else None
        self._tenantless = table.tenant is None
        self._only_key = table.key[0] if len(table.key) == 1 else None

    def binding(self, item: Item) -> Binding:
        """Return what the values of the application's item are bound to: its key, and its tenant if there are tenants.

        Raises:
            ProtectedAttributeError: it lacks one of them, or is another tenant's.
        """
        return Binding(self._row(item, self.form), None if self._tenantless else self._tenant(item, self.form))

    def binding_of_key(self, key: Item) -> Binding:
        """Return what the values of an item are bound to if only its key is known.

        Raises:
            ProtectedAttributeError: the table has tenants, and the key does not say which.
        """
        name = self.table.tenant
        if name is not None and name not in key and self.tenant is None:
            raise ProtectedAttributeError(
                f"the key of an item of {self.table.name} does not name its tenant, under whose keys to encrypt: "
                'of_tenant(table, "clinic-7").update_item(…)'
            )
        if name is None:
            return Binding(self._row(key, self.form), None)
        return Binding(self._row(key, self.form), self._tenant_named(key))

    def check_tenant(self, key: Item) -> None:
        """Check the tenant in a key, if it has one.

        Raises:
            ProtectedAttributeError: it is not the one that was named.
        """
        if self.table.tenant in key:
            self._tenant(key, self.form)

    def stored_key(self, key: Item) -> Item:
        """Return a key as the table has it: with tags in place of protected values.

        Raises:
            ProtectedAttributeError: an attribute that holds tags is given something else.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tag`.
        """
        return key if self.key_tags is None else self.key_tags.in_place(key, self._tenant_named(key))

    def _tenant_named(self, item: Item) -> str | None:
        return self._tenant(item, self.form) if self.table.tenant in item else self.tenant_text

    def _row(self, item: Item, form: Form) -> RowContext:
        key_part = form.key_part
        try:
            if self._only_key is not None:
                return row_context(key_part(item[self._only_key]))
            return row_context(*[key_part(item[name]) for name in self.table.key])
        except KeyError:
            full = item if self.key_tags is None else self.key_tags.added(item, self._tenant_named(item))
            missing = [name for name in self.table.key if name not in full]
            if not missing:
                return self._row(full, form)
            raise ProtectedAttributeError(
                f"an item of {self.table.name} lacks its key attribute {missing[0]!r}"
            ) from None

    def _tenant(self, item: Item, form: Form) -> str | None:
        name = self.table.tenant
        if name is None:
            return None
        if name not in item:
            raise ProtectedAttributeError(
                f"an item of {self.table.name} lacks the attribute {name!r}, which names its tenant: if it comes "
                "from an index, let that project it"
            )
        part = form.key_part(item[name])
        tenant = part if part.__class__ is str else key_text(part)
        if not isinstance(part, (str, Decimal)) or self.tenant_text not in (None, tenant):
            raise ProtectedAttributeError(f"an item of {self.table.name} is not one of the tenant that was named")
        return tenant  # pyright: ignore[reportReturnType]  # it does not take __class__ for type(), which is slower

    def binding_read(self, item: Item) -> Binding:
        """Return what the values of a stored item are bound to.

        Raises:
            DecryptionError: it lacks its key or tenant, or they cannot be any; which is reported.
        """
        try:
            tenant = None if self._tenantless else self._tenant(item, WIRE)
            if tenant is not None and not 0 < len(tenant.encode()) <= MAX_TENANT_SIZE:
                raise ValueError(f"no tenant of {self.table.name} can have the name that an item has")
            return Binding(self._row(item, WIRE), tenant)
        except (ProtectedAttributeError, TypeError, ValueError) as error:  # what the database holds is not a misuse
            self.table.encryptor.report(Event(EventKind.VALUE_REFUSED, place=self.table.name))
            raise DecryptionError(str(error)) from None

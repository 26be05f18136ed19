"""Items: how their protected attributes are encrypted and decrypted, in one of boto3's two forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from fieldcrypt import BlindIndex, DecryptionError, Field, RowContext, key_text, row_context
from fieldcrypt_dynamodb.conditions import Comparison
from fieldcrypt_dynamodb.description import ProtectedTable
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, renamed
from fieldcrypt_dynamodb.forms import Convert, Form
from fieldcrypt_dynamodb.seal import Sealing

__all__ = ["Items", "Place", "Tenant"]

Item = Mapping[str, Any]
Tenant = str | int | Decimal


class Place(NamedTuple):
    """What the values of an item are bound to.

    Attributes:
        row: its key, as a context.
        tenant: whose keys they are encrypted under.
    """

    row: RowContext
    tenant: str | None


class _Attribute(NamedTuple):
    name: str
    field: Field[Any]
    to_field: Convert
    from_field: Convert
    blind_index: BlindIndex[Any] | None
    companion: str | None
    per_tenant: bool


class Items:
    """Encrypts and decrypts the items of a table. Nothing that it is given is changed.

    Args:
        table: the description.
        form: in which items come and go.
        tenant: the only tenant whose items these are, or None if each item says it.
    """

    def __init__(self, table: ProtectedTable, form: Form, tenant: Tenant | None = None) -> None:
        self.table = table
        self.form = form
        self.tenant = tenant
        self.tenant_text = None if tenant is None else key_text(tenant)
        self._attributes = {
            name: _Attribute(
                name,
                table.fields[name],
                *form.conversion(how.type),
                table.indexes.get(name),
                table.companions.get(name),
                name in table.per_tenant,
            )
            for name, how in table.attributes.items()
        }
        self._own = table.own
        self._seal = None if table.seal is None else Sealing(table, form)

    # Where an item is

    def place(self, item: Item) -> Place:
        """Return the place of an item that has its key, and its tenant if the table has tenants.

        Raises:
            ProtectedAttributeError: it lacks one of them, or is another tenant's.
        """
        return Place(self._row(item), self._tenant(item))

    def place_of_key(self, key: Item) -> Place:
        """Return the place of an item of which only the key is known.

        Raises:
            ProtectedAttributeError: the table has tenants, and the key does not say which.
        """
        name = self.table.tenant
        if name is not None and name not in key and self.tenant is None:
            raise ProtectedAttributeError(
                f"the key of an item of {self.table.name} does not tell its tenant, under whose keys to encrypt: use "
                'of_tenant(…), table.of_tenant("clinic-7").update_item(…)'
            )
        return Place(self._row(key), self._tenant(key) if name is not None and name in key else self.tenant_text)

    def _row(self, item: Item) -> RowContext:
        parts = []
        for name in self.table.key:
            if name not in item:
                raise ProtectedAttributeError(f"an item of {self.table.name} lacks its key attribute {name!r}")
            parts.append(self.form.key_part(item[name]))
        return row_context(*parts)

    def _tenant(self, item: Item) -> str | None:
        name = self.table.tenant
        if name is None:
            return None
        if name not in item:
            raise ProtectedAttributeError(
                f"an item of {self.table.name} lacks the attribute {name!r}, which names its tenant: if it comes "
                "from an index, let that project it"
            )
        part = self.form.key_part(item[name])
        tenant = key_text(part)
        if not isinstance(part, (str, Decimal)) or self.tenant_text not in (None, tenant):
            raise ProtectedAttributeError(f"an item of {self.table.name} is not one of the tenant that was named")
        return tenant

    # Encryption

    def encrypt(self, name: str, value: Any, place: Place) -> tuple[Any, Any | None]:
        """Return an encrypted value in the form, and its tag, if it has one. NULL stays NULL, and has none.

        Raises:
            TypeError, ValueError: the value is not one of the attribute's.
            KeyProviderError, KeyStoreError: as for `Field.encrypt`.
        """
        attribute = self._attributes[name]
        if self.form.is_null(value):
            return value, None
        try:
            plain = attribute.to_field(value)
            data = attribute.field.encrypt(plain, tenant=place.tenant, context=place.row if self.table.bound else None)
            tag = None
            if attribute.blind_index is not None:
                tag = attribute.blind_index.tag(plain, tenant=place.tenant if attribute.per_tenant else None)
        except (TypeError, ValueError) as error:
            raise renamed(error, f"{self.table.name}.{name}") from None
        return self.form.binary(data), None if tag is None else self.form.binary(tag)

    def encrypted(self, item: Item) -> dict[str, Any]:
        """Return an item as it leaves.

        Raises:
            ProtectedAttributeError: it has an attribute that is fieldcrypt's to fill, or has no place.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `encrypt`.
        """
        for name in self._own:
            if name in item:
                raise ProtectedAttributeError(f"{self.table.name}.{name} is filled by fieldcrypt, and cannot be set")
        place = self.place(item)
        new = dict(item)
        for name, attribute in self._attributes.items():
            if name in new:
                new[name], tag = self.encrypt(name, new[name], place)
                if tag is not None and attribute.companion is not None:
                    new[attribute.companion] = tag
        if self._seal is not None:
            self._seal.add(new, place.row, place.tenant)
        return new

    # Decryption

    def decrypted(self, item: Item, *, place: Place | None = None, whole: bool = True) -> dict[str, Any]:
        """Return an item as the application has it: decrypted, and without tags and seal.

        Args:
            item: as DynamoDB has it.
            place: its place, if the item does not tell.
            whole: False if attributes may have been left out on purpose, so that the seal cannot be looked at.

        Raises:
            DecryptionError: a value is none of this attribute, of this item, of its tenant; or the seal is broken.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        if self._seal is not None and whole:
            self._seal.verify(item, *(place or self._place_read(item)))
        new = dict(item)
        for name in self._own:
            new.pop(name, None)
        for name, attribute in self._attributes.items():
            if name not in new or self.form.is_null(new[name]):
                continue
            data = self.form.bytes_of(new[name])
            if data is None:
                raise DecryptionError(f"{self.table.name}.{name} holds a value that is not encrypted")
            if place is None:
                place = self._place_read(item)
            context = place.row if self.table.bound else None
            new[name] = attribute.from_field(attribute.field.decrypt(data, tenant=place.tenant, context=context))
        return new

    def _place_read(self, item: Item) -> Place:
        try:
            return self.place(item)
        except (ProtectedAttributeError, TypeError, ValueError) as error:  # what the database holds is not a misuse
            raise DecryptionError(str(error)) from None

    def meets(self, item: Item, comparisons: Iterable[Comparison]) -> bool:
        """Say whether a decrypted item has the values that were searched for."""
        for name, values in comparisons:
            attribute = self._attributes[name]
            if name not in item or self.form.is_null(item[name]) or attribute.blind_index is None:
                return False
            found = attribute.to_field(item[name])
            if not any(attribute.blind_index.matches(found, value) for value in values):
                return False
        return True

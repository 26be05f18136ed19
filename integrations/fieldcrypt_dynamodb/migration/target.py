"""What a migration has to know of a table. PynamoDB's models say it as well: nothing here asks for a class of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fieldcrypt import DecryptionError, Encryptor, Field, IndexedBy
from fieldcrypt.migration import Accepted
from fieldcrypt_dynamodb.description import ProtectedTable
from fieldcrypt_dynamodb.forms import WIRE
from fieldcrypt_dynamodb.items import Items
from fieldcrypt_dynamodb.plaintext import to_value
from fieldcrypt_dynamodb.seal import Sealing

__all__ = ["Item", "MigratedAttribute", "MigratedSeal", "MigratedTable", "Place", "described"]

Item = Mapping[str, Any]  # in DynamoDB's own form
Place = tuple[Mapping[str, str] | None, str | None]  # what values are bound to, and whose keys they are under


class MigratedAttribute(Protocol):
    """A protected attribute.

    Attributes:
        name: its name in items.
        encryptor, field: of its values.
        pad: the padding that it is declared with.
        accepted: what else there may be.
        companion: the attribute with its tags, if it is searchable.
        index: how it is.
    """

    name: str
    encryptor: Encryptor
    field: Field[Any]
    pad: int | None
    accepted: Accepted | None
    companion: str | None
    index: IndexedBy | None

    def of_plaintext(self, data: Any) -> Any:
        """Return the field's value of plaintext (see `fieldcrypt.mixed_mode.reading.Reading`)."""
        ...

    def as_plaintext(self, value: Any) -> Item:
        """Return a value of the field's as it is without protection, in DynamoDB's form."""
        ...

    def tag(self, value: Any, tenant: str | None) -> bytes:
        """Return the tag of a value of the field's; it has a companion."""
        ...


class MigratedSeal:
    """The seals of a `ProtectedTable`.

    Attributes:
        attribute, over: as in `ItemSeal`.
        is_optional: there may be items without one, for now.
        is_mixed: there may be items without one, or sealed by another declaration, for now.
        formers: the attributes of seals as they were declared before.
    """

    def __init__(self, table: ProtectedTable, items: Items) -> None:
        self._sealing, self._items = Sealing(table, WIRE), items
        self.attribute, self.over = ("", ()) if table.seal is None else (table.seal.attribute, table.seal.over)
        self.is_optional = table.unsealed is not None
        self.is_mixed = self.is_optional or table.former_seals is not None
        formers = () if table.seal is None else table.seal.accept
        self.formers = frozenset(each.seal.attribute for each in formers if each.seal is not None) - {self.attribute}
        self._encryptor = table.encryptor

    def is_old(self, item: Item) -> bool:
        """Return True if an item, whose seal is authentic, should be sealed again: by an older key or declaration."""
        data = WIRE.bytes_of(item.get(self.attribute))
        return data is None or self._encryptor.needs_reencrypt(data) or self.is_of_former(item)

    def is_of_former(self, item: Item) -> bool:
        """Return True if the authentic seal of an item is by another declaration."""
        return not self._sealing.is_own(item, *self._items.place(item))

    def is_on(self, item: Item) -> bool:
        """Return True if an item has a seal, authentic or not, by this declaration or one before it."""
        return self._sealing.is_on(item)

    def declared(self) -> Sequence[str]:
        """Return what decides what is written (see `digest.about`)."""
        return self.attribute, *sorted(self.over)

    def add(self, item: dict[str, Any]) -> None:
        """Seal an item, whose protected attributes are encrypted already."""
        self._sealing.add(item, *self._items.place(item))

    def verify(self, item: Item) -> None:
        """Look at the seal of an item.

        Raises:
            DecryptionError: it is missing, or not the seal of these attributes of this item.
        """
        self._sealing.verify(item, *self._items.place(item))


class MigratedTable(Protocol):
    """A table with protected attributes.

    Attributes:
        name, key: the table's, and the names of its key attributes.
        tenant: the attribute that names an item's tenant.
        attributes: all protected ones.
        seal: of its items, if they are sealed.
        old_items: reads items that another scheme encrypted as a whole.
        bound: values are bound to their items.
    """

    name: str
    key: tuple[str, ...]
    tenant: str | None
    attributes: Sequence[Any]  # of MigratedAttribute, which mypy takes for invariant
    seal: MigratedSeal | None
    old_items: Accepted | None
    bound: bool

    def client(self, config: Any) -> Any | None:
        """Make a client for where the table is; None if that is wherever boto3 is configured for."""
        ...

    def attributes_of(self, item: Item) -> Sequence[Any]:
        """Return the protected attributes that an item of this kind may have.

        Raises:
            PassedOverError: it is of a kind that is none of this migration's.
            TypeError, ValueError: nobody knows which kind it is.
        """
        ...

    def place(self, item: Item) -> Place:
        """Return what the values of an item are bound to.

        Raises:
            TypeError, ValueError: the item does not tell.
        """
        ...


class _Attribute:
    """One of a `ProtectedTable`."""

    def __init__(self, table: ProtectedTable, name: str) -> None:
        how = table.attributes[name]
        self.name = name
        self.encryptor, self.field, self.pad = table.encryptor, table.fields[name], how.pad
        self.accepted = table.accepted.get(name)
        self.companion = table.companions.get(name)
        self.of_plaintext = to_value(how.type)
        self.index = IndexedBy(how.index) if isinstance(how.index, str) else how.index
        self._index, self._per_tenant = table.indexes.get(name), name in table.per_tenant
        self._from_field = WIRE.conversion(how.type).from_field

    def as_plaintext(self, value: Any) -> Item:
        found: Item = value if self._from_field is None else self._from_field(value)
        return found

    def tag(self, value: Any, tenant: str | None) -> bytes:
        if self._index is None:
            raise DecryptionError
        return self._index.tag(value, tenant=tenant if self._per_tenant else None)


class _Table:
    """A `ProtectedTable`."""

    def __init__(self, table: ProtectedTable) -> None:
        self.name, self.key, self.tenant = table.name, table.key, table.tenant
        self.attributes: Sequence[Any] = tuple(_Attribute(table, name) for name in table.attributes)
        self.old_items = table.old_items
        self._items = Items(table, WIRE)
        self.seal: MigratedSeal | None = None if table.seal is None else MigratedSeal(table, self._items)
        self.bound = table.bound

    def client(self, config: Any) -> None:
        return None

    def attributes_of(self, item: Item) -> Sequence[_Attribute]:
        return self.attributes

    def place(self, item: Item) -> Place:
        row, tenant = self._items.place(item)
        return (row if self.bound else None), tenant


def described(table: ProtectedTable | MigratedTable) -> MigratedTable:
    """Return what a migration has to know of a description."""
    return _Table(table) if isinstance(table, ProtectedTable) else table

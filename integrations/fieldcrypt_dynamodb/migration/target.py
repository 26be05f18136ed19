"""What a migration has to know about a table, which PynamoDB's models say as well."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from fieldcrypt import NO_TENANT, ConfigurationError, Encryptor, Field, IndexedBy
from fieldcrypt.spi import Accepted, FieldIndexes
from fieldcrypt.spi.migration import PassedOverError, Place, PlainMember, UnitError, tags_of
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.entities import Entities
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.item.nested.shape import Shape
from fieldcrypt_dynamodb.item.plaintext import to_value
from fieldcrypt_dynamodb.item.seal import Sealing
from fieldcrypt_dynamodb.item.tags.indexes import wire_tag
from fieldcrypt_dynamodb.item.values import bytes_of
from fieldcrypt_dynamodb.protected_table import ProtectedTable

__all__ = ["Item", "MigratedAttribute", "MigratedCompound", "MigratedSeal", "MigratedTable", "migrated_table"]

Item = Mapping[str, Any]  # in DynamoDB's own form


class MigratedAttribute(Protocol):
    """A protected attribute."""

    name: str  # in items
    encryptor: Encryptor
    field: Field[Any]
    pad: int | None
    context: Mapping[str, str] | None  # the field's own
    accepted: Accepted | None
    indexes: Sequence[tuple[Callable[[Any], Any], FieldIndexes]]  # see `ProtectedField`
    indexed: Sequence[IndexedBy]  # its indexes, but those with tags in the key of items, which stay as they are
    companions: tuple[str, ...]  # the attributes with their tags
    to_field: Callable[[Any], Any]  # the field's value of one that the application has
    of_plaintext: Callable[[Any], Any]  # a value of the field's; see `fieldcrypt.spi.Reading`
    as_plaintext: Callable[[Any], Item]  # the way back, to DynamoDB's form
    tags: Callable[[Any, Place], Mapping[str, Any]]  # see `ProtectedField.tags`


class MigratedCompound(NamedTuple):
    """An index of several attributes together. See `CompoundField`.

    Attributes:
        members: each a MigratedAttribute, or a PlainMember.
    """

    how: IndexedBy
    members: Mapping[str, Any]
    indexes: FieldIndexes
    convert: Callable[[dict[str, Any]], Mapping[str, Any]] = dict
    stored_as: Mapping[str, str] = MappingProxyType({})

    def __hash__(self) -> int:
        return id(self.indexes)


class MigratedSeal:
    """The seals of a `ProtectedTable`, as `Sealing` makes them.

    Attributes:
        attribute, over: as in `ItemSeal`.
        is_optional: there may be items without one, for now.
        has_previous: there may be items sealed by another declaration, for now.
        is_mixed: either of them.
        previous: the attributes of seals as they were declared before.
    """

    def __init__(self, table: TableDescription, items: Items) -> None:
        self._sealing, self._binding = Sealing(table), items.binding
        self.is_on = self._sealing.is_on
        self.attribute, self.over = ("", ()) if table.seal is None else (table.seal.attribute, table.seal.over)
        self.is_optional = table.unsealed is not None
        self.has_previous = table.previous_seals is not None
        self.is_mixed = self.is_optional or self.has_previous
        previous = () if table.seal is None else table.seal.accept
        self.previous = frozenset(each.seal.attribute for each in previous if each.seal is not None) - {self.attribute}
        self._encryptor = table.encryptor

    def declared(self) -> Sequence[str]:
        """Return what decides what is written (see `digest.about`)."""
        return self.attribute, *sorted(self.over)

    def is_old(self, item: Item) -> bool:
        """Return True if an item, whose seal is authentic, should be sealed again: by an older key or declaration."""
        data, (_, tenant) = bytes_of(item.get(self.attribute)), self._binding(item)
        if data is None or self._encryptor.needs_reencrypt(data, tenant=tenant or NO_TENANT):
            return True
        return not self.is_own(item)

    def is_own(self, item: Item) -> bool:
        """See `Sealing.is_own`."""
        return self._sealing.is_own(item, *self._binding(item))

    def add(self, item: dict[str, Any]) -> None:
        """See `Sealing.add`."""
        self._sealing.add(item, *self._binding(item))

    def verify(self, item: Item) -> None:
        """See `Sealing.verify`."""
        self._sealing.verify(item, *self._binding(item))


class MigratedTable(Protocol):
    """A table with protected attributes."""

    name: str
    key: tuple[str, ...]  # the names of its key attributes
    tenant: str | None  # the attribute that names an item's tenant
    discriminator: str | None  # the attribute that names an item's class
    attributes: Sequence[Any]  # of MigratedAttribute, which mypy takes for invariant: all protected ones
    compounds: Sequence[Any]  # of MigratedCompound, likewise all of them
    erasable: Mapping[str, tuple[str, ...]]  # the attributes with tags, by the names of indexes and their own
    prefixes: Mapping[str, str]  # of tags that are texts, by companion: a text without it is no tag
    seal: MigratedSeal | None  # of its items, if they are sealed
    nested: Mapping[str, Shape]  # the attributes that have protected values in maps and lists
    legacy_items: Accepted | None  # reads items that another scheme encrypted as a whole
    bound: bool  # values are bound to their items

    def client(self, config: Any) -> Any | None:
        """Make a client for where the table is; None if that is wherever boto3 is configured for."""
        ...

    def attributes_of(self, item: Item) -> Sequence[Any]:
        """Return the protected attributes that an item of this kind may have.

        Raises:
            PassedOverError: it is of a kind that is none of this migration's.
            TypeError, ValueError: its kind is not known.
        """
        ...

    def compounds_of(self, item: Item) -> Sequence[Any]:
        """Return the indexes of several attributes that an item of this kind may have.

        Raises:
            As `attributes_of`.
        """
        ...

    def erasable_of(self, item: Item) -> Collection[str]:
        """Return the attributes of `erasable` that hold tags in an item of this kind, which `attributes_of` took."""
        ...

    def binding(self, item: Item) -> tuple[Mapping[str, str] | None, str | None]:
        """Return what the values of an item are bound to.

        Raises:
            TypeError, ValueError: the item does not tell.
        """
        ...


def _same(value: Any) -> Any:
    return value


class _Attribute:
    """One of a `ProtectedTable`."""

    def __init__(self, table: TableDescription, name: str) -> None:
        protection = table.attributes[name]
        self.name = name
        self.encryptor, self.field, self.pad = table.encryptor, table.fields[name], protection.pad
        self.context, self.accepted = protection.context, protection.accepted
        self.indexed = [how for how in protection.indexes if how.companion not in table.key]
        self.companions = tuple(companion for how in self.indexed for companion in how.companions)
        self.indexes = tuple((_same, of) for own, of in table.indexes.of.items() if own == name)
        every = (each for _, of in self.indexes for each in of.each)
        self._indexes = [each for each in every if each.companions[0] not in table.key]
        self.of_plaintext, self._to_field = to_value(protection.type), PYTHON.conversion(protection.type).to_field
        self._from_field = WIRE.conversion(protection.type).from_field

    def to_field(self, value: Any) -> Any:
        return value if self._to_field is None else self._to_field(value)

    def as_plaintext(self, value: Any) -> Item:
        found: Item = value if self._from_field is None else self._from_field(value)
        return found

    def tags(self, value: Any, place: Place) -> Mapping[str, Any]:
        return tags_of(self._indexes, value, place, as_stored=wire_tag)


class _Table:
    """A `ProtectedTable`."""

    discriminator: str | None = None

    def __init__(self, table: TableDescription) -> None:
        self.name, self.key, self.tenant = table.name, table.key, table.tenant
        self.attributes: Sequence[Any] = tuple(_Attribute(table, name) for name in table.attributes)
        self.compounds: Sequence[MigratedCompound] = tuple(
            _compounds(table, {each.name: each for each in self.attributes})
        )
        self.erasable: Mapping[str, tuple[str, ...]] = {
            name: each.how.companions if name == each.how.companion else (name,)
            for each in table.indexes.companions.values()
            for name in (*each.how.companions, each.how.companion)
            if not set(table.key) & {each.how.companion}
        }
        hows = [each.how for each in table.indexes.companions.values()]
        self.prefixes: Mapping[str, str] = {
            name: how.prefix for how in hows if how.prefix is not None for name in how.companions
        }
        self.nested: Mapping[str, Shape] = table.nested
        self.legacy_items = table.legacy_items
        self._items = Items(table, WIRE)
        self.seal: MigratedSeal | None = None if table.seal is None else MigratedSeal(table, self._items)
        self.bound = table.bound

    def client(self, config: Any) -> None:
        return None

    def attributes_of(self, item: Item) -> Sequence[_Attribute]:
        return self.attributes

    def compounds_of(self, item: Item) -> Sequence[MigratedCompound]:
        return self.compounds

    def erasable_of(self, item: Item) -> Collection[str]:
        return {name for names in self.erasable.values() for name in names}

    def binding(self, item: Item) -> tuple[Mapping[str, str] | None, str | None]:
        row, tenant = self._items.binding(item)
        return (row if self.bound else None), tenant


def _compounds(table: TableDescription, attributes: Mapping[str, _Attribute]) -> Iterator[MigratedCompound]:
    for name, members in table.indexes.members.items():
        how = next(each.how for each in table.indexes.companions.values() if each.attribute == name)
        if how.companion not in table.key:
            found = {member: attributes.get(member) or PlainMember(member, _text) for member in members}
            yield MigratedCompound(how, found, table.indexes.of[name])


def _text(value: Any) -> str:
    text = WIRE.text_of(value)
    if text is None:
        raise UnitError("a plain attribute that is indexed with others has to be a text")
    return text


class _EntityTable(_Table):
    """The items of one entity of a `ProtectedTable`."""

    def __init__(self, table: ProtectedTable, entities: Entities) -> None:
        only = table.only_entity
        if only is None or not entities.each[only].attributes:
            raise ConfigurationError(
                f"{table.name} is migrated one entity at a time, if that protects anything: "
                "TableMigration(of_entity(table, name))"
            )
        super().__init__(entities.each[only])
        self.name, self._entities, self._only = table.name, entities, only
        self.discriminator = next(iter(entities.each[only].where), None)

    def attributes_of(self, item: Item) -> Sequence[_Attribute]:
        found = self._entities.fitting(item, WIRE)
        if len(found) != 1:
            raise self._entities.mismatch_error(found, self._only)
        if found[0] != self._only:
            raise PassedOverError("they are of other entities")
        return self.attributes


def migrated_table(table: ProtectedTable | MigratedTable) -> MigratedTable:
    """Return what a migration has to know about a description.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(table, ProtectedTable):
        return _Table(table) if table.entities is None else _EntityTable(table, table.entities)
    if isinstance(table, type) or not hasattr(table, "attributes_of"):
        given = f"class {table.__name__}" if isinstance(table, type) else type(table).__name__
        raise ConfigurationError(
            f"TableMigration(table): a ProtectedTable, or of PynamoDB MigratedModel(model), and no {given}"
        )
    return table

"""The description of a table: its key, its tenants, and which attributes are protected."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Protocol

from fieldcrypt import CompoundIndex, ConfigurationError, Encryptor, Field, IndexedBy, Protection
from fieldcrypt.spi import Accepted, FieldIndexes, MixedField, declare_table
from fieldcrypt_dynamodb.aio.steps import waiting
from fieldcrypt_dynamodb.item.checks import check_arguments, check_description, check_members
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.nested.declared import declared_path, declared_shape, with_path
from fieldcrypt_dynamodb.item.nested.shape import Shape
from fieldcrypt_dynamodb.item.plaintext import to_value
from fieldcrypt_dynamodb.item.tags.indexes import Indexes
from fieldcrypt_dynamodb.item.top.fields import TopFields
from fieldcrypt_dynamodb.item.values import check_type

__all__ = ["ItemSeal", "LegacyItemReader", "Protected", "TableDescription"]


class LegacyItemReader(Protocol):
    """Reads items that another scheme encrypted as a whole. They come in DynamoDB's own form."""

    def recognises(self, item: Any, /) -> bool:
        """Return True if an item has the form of this scheme's; proves nothing."""
        ...

    def read(self, item: Any, /) -> Any:
        """Return an item as the application had it, without what the scheme added.

        Raises:
            DecryptionError: it is not authentic.
            KeyProviderError: the scheme's keys cannot be had.
        """
        ...


Protected = Protection  # the name that reads well in a declaration


@dataclass(frozen=True, slots=True)
class ItemSeal:
    """An attribute that tells whether others of its item were removed, added or exchanged.

    Attributes:
        attribute: the attribute that holds the seal.
        over: the attributes that it covers, plain and protected ones.
        accept_unsealed: read items without a seal as well, until this day begins: while what exists is sealed.
            Anybody who can write to the table can take seals away until then.
        accept: each a `ProtectedTable`: read items that were sealed by these as well, after a change of the name, of
            what the seal covers, or of the tenant.
        accept_until: until when; needed with `accept`.
        accept_public_key, accept_foreign_keys: accept seals under data keys that others can have planted; see
            `Encryptor.field`.
    """

    attribute: str
    over: tuple[str, ...]
    accept_unsealed: date | None = None
    accept: Sequence[Any] = ()
    accept_until: date | None = None
    accept_public_key: bool = False
    accept_foreign_keys: bool = False


class TableDescription:
    """The description of a table, which the wrappers of a boto3 client, resource or Table work by.

        patients = ProtectedTable(
            "patients",
            encryptor,
            key=("clinic_id", "number"),
            tenant="clinic_id",
            attributes={"ssn": str, "email": Protected(str, index="email_tag")},
        )

    Args:
        name: the table's name, not its ARN.
        encryptor: where keys come from. It may be configured later.
        key: the names of the hash key and, if there is one, of the range key. To them a value is bound: copied to
            another item, it does not decrypt.
        attributes: the protected attributes, each with its type or a `Protected`, by name; or by path, if nested,
            `profile.ssn`, `addresses[].street`, or `phones[kind].number` to distinguish elements by their `kind` (SPEC
            section 2, "Nested values"). A name that has a dot itself needs `literal_name=True`.
        entities: instead of attributes, tenant, plain, seal and accept: the kinds of items in the table by name, each
            an `Entity` that has its own. Their fields are named `fields.entity.attribute`.
        fields: the logical name from which fields take theirs, `fields.attribute`, if not the table's: the table may be
            called something else then, as restored, copied and prefixed tables are. Values of two tables with one name
            could be exchanged, so an Encryptor takes a second one only if both have tenants, or with `same_place`.
        tenant: the attribute that names an item's tenant, a text or a number, if tenants have keys of their own.
        plain: the attributes that are plain on purpose, by name or path. If it is given, all that is neither protected
            nor in it is refused in writes and conditions, but for the key, the tenant and the like. A map is plain with
            all that is in it, but for what is protected there.
        bound: False binds values to table and attribute alone, as undecorated models of SQLAlchemy and PynamoDB do.
        seal: see `ItemSeal`.
        same_place: True if another table of the same logical name is in the Encryptor on purpose: while one is copied
            to the other, say. Values with the same key can then be moved between them.
        accept: read items that another scheme encrypted as a whole as well (`DynamoDbEncryptionClientReader`).
        accept_until: the day in UTC from which they are an error again; needed with `accept`.
        indexes: those of several attributes, `CompoundIndex("who_tag", of={"surname": "casefold", "born": None})`.

    Raises:
        ConfigurationError: the description contradicts itself.
        TypeError, ValueError: as for `Encryptor.field` and `Encryptor.blind_index`.
    """

    # What entities add: see `Entities` and `EntityDescription`.
    entities: Any = None
    guard: Any = None
    is_any: bool = False  # True for what entities have in common
    told_by: frozenset[str] = frozenset()
    where: Mapping[str, str] = MappingProxyType({})
    only_entity: str | None = None  # the only one whose items these are, by `of_entity`
    only_tenant: str | int | Decimal | None = None  # the only one whose items these are, by `of_tenant`

    def __init__(
        self,
        name: str,
        encryptor: Encryptor,
        *,
        key: Sequence[str],
        attributes: Mapping[str, Any] | None = None,
        entities: Mapping[str, Any] | None = None,
        fields: str | None = None,
        tenant: str | None = None,
        plain: Collection[str] | None = None,
        bound: bool = True,
        seal: ItemSeal | None = None,
        accept: Sequence[LegacyItemReader] = (),
        accept_until: date | None = None,
        same_place: bool = False,
        indexes: Sequence[CompoundIndex] = (),
    ) -> None:
        check_arguments(name, encryptor, key, {} if attributes is None else attributes, fields)
        self.encryptor = encryptor
        self.name = str.__str__(name)  # what a StrEnum adds is not stored
        self.key = tuple(key)
        self.fields_name = fields or self.name
        self.tenant = tenant
        self.bound = bound
        self._add_attributes(attributes or {}, indexes)
        self.warm_until: dict[str | None, float] = {}  # by tenant: until when its keys count as fetched
        self.legacy_items: Accepted | None = None
        readers: Any = accept
        if accept or accept_until is not None:
            self.legacy_items = Accepted(None, readers, accept_until)
        self._add_seal(seal)
        if entities is not None:
            if any(each is not None for each in (attributes, tenant, plain, seal, self.legacy_items, indexes or None)):
                raise ConfigurationError(
                    f"{name} has entities={{…}}: each has attributes, tenant and all else of its own"
                )
            has_tenants = self._describe(entities)
            self._declare_name(has_tenants=has_tenants, same_place=same_place, chosen=fields is not None)
            self._declare_entity_names(same_place=same_place)
            return
        check_description(self)
        self._add_shape(plain)
        check_members(self)
        self._declare_name(has_tenants=tenant is not None, same_place=same_place, chosen=fields is not None)

    def _declare_name(self, **how: bool) -> None:
        """Refuse a second table of the logical name."""
        self._named = how
        declare_table(self.encryptor, self.fields_name, self, table=self.name, **how)

    def _declare_entity_names(self, *, same_place: bool) -> None:
        for each in self.entities.each.values():  # another table's logical name may be `app.user`
            if each.tops or each.seals:
                how: Any = {"has_tenants": each.tenant is not None, "same_place": same_place, "chosen": True}
                declare_table(self.encryptor, each.fields_name, each, table=self.name, **how)

    def _describe(self, entities: Mapping[str, Any]) -> bool:
        """Describe the entities of the table, and return True if all that have protected values have tenants."""
        raise ConfigurationError(f"{self.name}: a ProtectedTable has entities")

    def _add_seal(self, seal: ItemSeal | None) -> None:
        self.seal = seal
        self.unsealed = None if seal is None or seal.accept_unsealed is None else Accepted(seal.accept_unsealed)
        self.previous_seals = None if seal is None else _accepted_seals(seal)
        self.seal_field: Field[bytes] | None = None
        if seal is not None:
            protection = Protection(
                bytes, accept_public_key=seal.accept_public_key, accept_foreign_keys=seal.accept_foreign_keys
            )
            self.seal_field = protection.field(self.encryptor, f"{self.fields_name}.{seal.attribute}", offload=waiting)

    def _add_shape(self, plain: Collection[str] | None) -> None:
        self.shape = declared_shape(self.paths, self.binding_attributes | self.previous_attributes, plain)
        shapes = {str(name): child for name, child in self.shape.steps.items() if isinstance(child, Shape)}
        self.nested = {name: shape for name, shape in shapes.items() if shape.attributes}
        self.plain_maps = {name: shape for name, shape in shapes.items() if not shape.attributes}
        self.checks_names = plain is not None or bool(self.nested)

    def _add_attributes(self, attributes: Mapping[str, Any], indexes: Sequence[CompoundIndex]) -> None:
        self.attributes = {
            attribute: declared if isinstance(declared, Protection) else Protection(declared)
            for attribute, declared in attributes.items()
        }
        self.paths = {
            attribute: declared_path(attribute, protection) for attribute, protection in self.attributes.items()
        }
        self.tops = frozenset(path.first for path in self.paths.values())  # what is protected, or has such values in it
        self.fields: dict[str, Field[Any]] = {}
        self.mixed: dict[str, MixedField] = {}  # which other forms are read as well, for now
        self.indexes = Indexes(self.name)
        for attribute, protection in self.attributes.items():
            self._add(attribute, protection)
        # Once per table, and not per wrapper of it: applications narrow wrappers to a tenant for every request.
        self.at_top = TopFields(self.paths, self.fields, self.mixed)
        types = {name: each.type for name, each in self.attributes.items()}
        self.indexes.add_compounds(indexes, types, self.encryptor, self.fields_name, bound=self.bound)

    def _add(self, attribute: str, protection: Protection) -> None:
        check_type(f"{self.name}.{attribute}", protection.type)
        if protection.storage != "binary":
            raise ConfigurationError(
                f"{self.name}.{attribute}: values are binary in DynamoDB, which text only makes longer"
            )
        path = self.paths[attribute]
        name = f"{self.fields_name}.{path.first}"
        protection = with_path(f"{self.name}.{attribute}", path, protection)
        field = self.fields[attribute] = protection.field(self.encryptor, name, offload=waiting)
        to_field = PYTHON.conversion(protection.type).to_field
        mixed = protection.mixed(self.encryptor, field, to_value(protection.type), to_field)
        if mixed is not None:
            self.mixed[attribute] = mixed
        nested = path.text if path.context else None

        def made(declared: Any) -> FieldIndexes:
            indexed = replace(protection, index=declared)
            return indexed.field_indexes(self.encryptor, name, protection.type, waiting, path=nested)

        self.indexes.add(attribute, protection.indexes, made(protection.indexes), bound=self.bound)
        self.indexes.in_key |= {
            declared.companion: made(declared) for declared in protection.indexes if declared.companion in self.key
        }

    @property
    def own(self) -> frozenset[str]:
        """The attributes that fieldcrypt fills with tags and seals, and the names under which searches ask for them."""
        return self.indexes.names | self._seal_attributes

    @property
    def _seal_attributes(self) -> frozenset[str]:
        previous = () if self.seal is None else (each.seal.attribute for each in self.seal.accept if each.seal)
        return self.seals.union(previous)

    def is_filled(self, name: str) -> bool:
        """Return True if items have tags or a seal under a name, and not only searches."""
        return name in self.indexes.companions or name in self._seal_attributes

    def named_like(self, name: str) -> tuple[str, IndexedBy] | None:
        """Return the index of several levels that a name seems to be of, but is not, after its attribute; or None."""
        return None if name in self.binding_attributes else self.indexes.named_like(name)

    @property
    def key_tags(self) -> dict[str, str]:
        """The key attributes that hold tags, each with the attribute whose tags those are."""
        return self.indexes.key_tags(self.key)

    @property
    def binding_attributes(self) -> frozenset[str]:
        """The attributes that say where a value is: the key's, and the tenant."""
        return frozenset(self.key) | ({self.tenant} if self.tenant is not None else frozenset())

    @property
    def previous_attributes(self) -> frozenset[str]:
        """The attributes that said where a value was, by previous declarations."""
        accepted = [each.accepted for each in self.attributes.values() if each.accepted is not None]
        previous = (field for each in accepted for field in each.previous_fields)
        return frozenset(name for field in previous for name in field.names) - self.binding_attributes

    @property
    def sealed(self) -> frozenset[str]:
        """The attributes that a seal covers."""
        return frozenset() if self.seal is None else frozenset(self.seal.over)

    @property
    def seals(self) -> frozenset[str]:
        """The attributes that hold a seal."""
        return frozenset() if self.seal is None else frozenset({self.seal.attribute})

    def field_name(self, attribute: str) -> str | None:
        """Return the name of an attribute's field, for messages; None if the attribute is not protected."""
        return self.fields[attribute].name if attribute in self.fields else None

    def __repr__(self) -> str:
        return f"ProtectedTable({self.name!r})"


def _accepted_seals(seal: ItemSeal) -> Accepted | None:
    if bool(seal.accept) != (seal.accept_until is not None):
        raise ConfigurationError("ItemSeal(accept=…) and accept_until=date(…) go together: every migration ends")
    if any(not isinstance(each, TableDescription) or each.seal is None for each in seal.accept):
        raise ConfigurationError("ItemSeal(accept=…) takes descriptions of tables that have a seal")
    return Accepted(seal.accept_until) if seal.accept else None

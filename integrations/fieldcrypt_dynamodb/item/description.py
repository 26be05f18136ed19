"""What a program says once about a table: its key, its tenants, and which attributes are protected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from fieldcrypt import BlindIndex, ConfigurationError, Encryptor, Field, IndexedBy
from fieldcrypt.schemes import LegacyReader
from fieldcrypt.spi import Accepted, MixedField
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.plaintext import to_value
from fieldcrypt_dynamodb.item.values import check_type

__all__ = ["ItemSeal", "OldItems", "Protected", "ProtectedTable"]


class OldItems(Protocol):
    """Reads items that another scheme encrypted as a whole, in either of boto3's forms."""

    def recognises(self, item: Any, /) -> bool:
        """Say whether an item has the form of this scheme's; proves nothing."""
        ...

    def read(self, item: Any, /) -> Any:
        """Return an item as the application had it, without what the scheme added.

        Raises:
            DecryptionError: it is not authentic.
            KeyProviderError: the scheme's keys cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Protected:
    """A protected attribute: `Protected(str, index="email_tag")`. A bare type, `str`, is short for `Protected(str)`.

    Attributes:
        type: of its values: str, bytes, bool, int, Decimal, float, date, datetime, time, UUID, list, dict, set, an Enum
            class, or `object` for any of these but Enum members.
        index: make it searchable: the name of the attribute that holds the tags, or an `IndexedBy` that says more.
        name: the field's name, if not `table.attribute`.
        pad: hide the exact length of values by padding them to a multiple of so many bytes (2 to 65,535).
        accept_public_key, accept_foreign_keys: see `Encryptor.field`.
        accept_plaintext: read plaintext as well, in the type's own form in DynamoDB, until this day begins in UTC, a
            year from now at the most: while a table that holds it is encrypted. Writes are encrypted all the same.
        accept: read values of other schemes, or of a former declaration, as well (`LegacyReader`, `PreviousField`).
        accept_until: until when; needed with `accept`.
    """

    type: Any
    index: str | IndexedBy | None = None
    name: str | None = None
    pad: int | None = None
    accept_public_key: bool = False
    accept_plaintext: date | None = None
    accept: Sequence[LegacyReader[Any]] = ()
    accept_until: date | None = None
    accept_foreign_keys: bool = False


@dataclass(frozen=True, slots=True)
class ItemSeal:
    """An attribute that tells whether others of its item were removed, added or exchanged.

    Attributes:
        attribute: the attribute that holds the seal.
        over: the attributes that it covers, plain and protected ones.
        accept_unsealed: read items without a seal as well, until this day begins: while what exists is sealed.
            Whoever can write to the table can take seals away until then.
        accept: read items that were sealed by these descriptions as well: after the table, what the seal covers, or
            the tenant, became another one.
        accept_until: until when; needed with `accept`.
        accept_public_key, accept_foreign_keys: believe seals of whoever can wrap data keys, too; see `Encryptor.field`.
    """

    attribute: str
    over: tuple[str, ...]
    accept_unsealed: date | None = None
    accept: Sequence[ProtectedTable] = ()
    accept_until: date | None = None
    accept_public_key: bool = False
    accept_foreign_keys: bool = False


class ProtectedTable:
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
        attributes: the protected attributes by name, each with its type or a `Protected`.
        tenant: the attribute that names an item's tenant, a text or a number, if tenants have keys of their own.
        bound: False binds values to table and attribute alone, as undecorated models of SQLAlchemy and PynamoDB do.
        seal: see `ItemSeal`.
        accept: read items that another scheme encrypted as a whole as well (`OldItemReader`).
        accept_until: the day in UTC from which they are an error again; needed with `accept`.

    Raises:
        ConfigurationError: the description contradicts itself.
        TypeError, ValueError: as for `Encryptor.field` and `Encryptor.blind_index`.
    """

    def __init__(
        self,
        name: str,
        encryptor: Encryptor,
        *,
        key: Sequence[str],
        attributes: Mapping[str, Any],
        tenant: str | None = None,
        bound: bool = True,
        seal: ItemSeal | None = None,
        accept: Sequence[OldItems] = (),
        accept_until: date | None = None,
    ) -> None:
        if not isinstance(encryptor, Encryptor):
            raise ConfigurationError(f"ProtectedTable(name, encryptor): a {type(encryptor).__name__} is no Encryptor")
        if not isinstance(name, str) or name.startswith("arn:"):
            raise ConfigurationError("ProtectedTable(name, encryptor): the name of a table, also where its ARN is used")
        if isinstance(key, str) or not 1 <= len(key) <= 2:
            raise ConfigurationError('key=("hash",) or key=("hash", "range"): the names of the table\'s key attributes')
        self.encryptor = encryptor
        self.name = str.__str__(name)  # what a StrEnum adds is not stored
        self.key = tuple(key)
        self.tenant = tenant
        self.bound = bound
        self.attributes = {attribute: _described(how) for attribute, how in attributes.items()}
        self.fields: dict[str, Field[Any]] = {}
        self.accepted: dict[str, Accepted] = {}  # what else is read, for now
        self.mixed: dict[str, MixedField] = {}  # by which it is
        self.indexes: dict[str, BlindIndex[Any]] = {}
        self.companions: dict[str, str] = {}  # of a searchable attribute, the attribute with its tags
        self.per_tenant: set[str] = set()  # searchable attributes with tags per tenant
        for attribute, how in self.attributes.items():
            self._add(attribute, how, encryptor)
        self.old_items: Accepted | None = None
        readers: Any = accept
        if accept or accept_until is not None:
            self.old_items = Accepted(None, readers, accept_until)
        self.seal = seal
        self.unsealed = None if seal is None or seal.accept_unsealed is None else Accepted(seal.accept_unsealed)
        self.former_seals = None if seal is None else _accepted_seals(seal)
        self.seal_field = None if seal is None else self._seal_field(seal, encryptor)
        self._check()

    def _seal_field(self, seal: ItemSeal, encryptor: Encryptor) -> Field[bytes]:
        return encryptor.field(
            f"{self.name}.{seal.attribute}",
            bytes,
            accept_public_key=seal.accept_public_key,
            accept_foreign_keys=seal.accept_foreign_keys,
            names_tenant=True,
        )

    def _add(self, attribute: str, how: Protected, encryptor: Encryptor) -> None:
        check_type(how.type)
        field_name = how.name or f"{self.name}.{attribute}"
        self.fields[attribute] = encryptor.field(
            field_name,
            how.type,
            pad=how.pad,
            accept_public_key=how.accept_public_key,
            accept_foreign_keys=how.accept_foreign_keys,
            names_tenant=True,
        )
        if how.accept_plaintext is not None or how.accept or how.accept_until is not None:
            accepted = self.accepted[attribute] = Accepted(how.accept_plaintext, how.accept, how.accept_until)
            conversions = to_value(how.type), PYTHON.conversion(how.type).to_field
            self.mixed[attribute] = MixedField(encryptor, self.fields[attribute], accepted, *conversions)
        if how.index is not None:
            index = IndexedBy(how.index) if isinstance(how.index, str) else how.index
            self.indexes[attribute] = index.blind_index(encryptor, field_name, how.type)
            self.companions[attribute] = index.companion
            if index.per_tenant:
                self.per_tenant.add(attribute)

    @property
    def own(self) -> frozenset[str]:
        """The attributes that fieldcrypt fills by itself: tags, and seals."""
        if self.seal is None:
            return frozenset(self.companions.values())
        previous_fields = {each.seal.attribute for each in self.seal.accept if each.seal is not None}
        return frozenset(self.companions.values()) | previous_fields | {self.seal.attribute}

    @property
    def described(self) -> frozenset[str]:
        """The attributes that say where a value is: the key's, and the tenant."""
        return frozenset(self.key) | ({self.tenant} if self.tenant is not None else frozenset())

    @property
    def former(self) -> frozenset[str]:
        """The attributes that said where a value was, by former declarations."""
        previous_fields = (former for accepted in self.accepted.values() for former in accepted.previous_fields)
        return frozenset(name for former in previous_fields for name in former.names) - self.described

    def field_name(self, attribute: str) -> str | None:
        """Return the name of an attribute's field, for messages; None if the attribute is not protected."""
        return self.fields[attribute].name if attribute in self.fields else None

    def _check(self) -> None:
        if not self.attributes:
            raise ConfigurationError(f"the table {self.name} has no protected attributes: attributes={{…}}")
        own = [*self.companions.values(), *([self.seal.attribute] if self.seal is not None else [])]
        for attribute in own:
            if own.count(attribute) > 1 or attribute in self.attributes or attribute in self.described:
                raise ConfigurationError(
                    f"the attribute {attribute!r} of {self.name} cannot hold tags or a seal as well"
                )
        for attribute in self.attributes:
            if attribute in self.described | self.former:
                raise ConfigurationError(f"{self.name}.{attribute} cannot be protected: it is a key, or the tenant")
        if self.per_tenant and self.tenant is None:
            raise ConfigurationError(f"{self.name} has tags per tenant, but no tenant=")
        if self.seal is not None:
            wrong = [each for each in self.seal.over if each == self.seal.attribute or each in self.key]
            if wrong or not self.seal.over or isinstance(self.seal.over, str):
                raise ConfigurationError("a seal covers attributes by name, not itself, nor keys, to which it is bound")

    def __repr__(self) -> str:
        return f"ProtectedTable({self.name!r})"


def _described(how: Any) -> Protected:
    return how if isinstance(how, Protected) else Protected(how)


def _accepted_seals(seal: ItemSeal) -> Accepted | None:
    if bool(seal.accept) != (seal.accept_until is not None):
        raise ConfigurationError("ItemSeal(accept=…) and accept_until=date(…) go together: every migration ends")
    if any(not isinstance(each, ProtectedTable) or each.seal is None for each in seal.accept):
        raise ConfigurationError("ItemSeal(accept=…) takes descriptions of tables that have a seal")
    return Accepted(seal.accept_until) if seal.accept else None

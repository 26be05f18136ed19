"""`ProtectedRecord`, which describes a record: its fields, and what they are bound to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from fieldcrypt._base.logical_names import Place
from fieldcrypt.batch import encrypt_fields
from fieldcrypt.declaration.compound_index import CompoundIndex, checked_compounds
from fieldcrypt.declaration.path import Path
from fieldcrypt.declaration.protection import Protection
from fieldcrypt.declaration.record.record_field import RecordField, check_apart
from fieldcrypt.declaration.record.record_indexes import RecordIndexes
from fieldcrypt.declaration.record.record_key import Binding, RecordKey, bound_member
from fieldcrypt.declaration.record.record_search import RecordSearch
from fieldcrypt.declaration.record.seal import RecordSeal, Sealing
from fieldcrypt.declaration.record.shape import Found, Shape
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, DecryptionError, FieldcryptError, PlaintextRefusedError, located
from fieldcrypt.events import Event, EventKind
from fieldcrypt.field import Field
from fieldcrypt.offload import Offload
from fieldcrypt.search.question import Question
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["ProtectedRecord"]

Record = Mapping[str, Any]


class ProtectedRecord:
    """Encrypts and decrypts the protected fields of records: dictionaries, wherever they are stored.

        patients = ProtectedRecord(
            "patients",
            encryptor,
            key="id",
            tenant="clinic_id",
            fields={"ssn": str, "email": Protection(str, index="email_tag"), "address.street": str},
        )
        stored = patients.encrypt({"id": 42, "clinic_id": "clinic-7", "ssn": "078-05-1120", …})

    Records are copied, not changed. None, missing members, and members that are not declared stay as they are;
    the tag of None, or of a value with nothing to tag, is None. A field's name is `record.field`, so that its values
    can be read through `Encryptor.field`, SQLAlchemy, PynamoDB or boto3 as well.

    Args:
        name: the logical name of the records, from which fields get theirs, whatever the name of their table is.
        encryptor: where keys come from. It may be configured later.
        fields: the protected fields by path, each with its type or a `Protection`: `ssn`, `address.street`,
            `phones[].number`, or `phones[kind].number` to distinguish elements by their `kind` (SPEC section 2, "Nested
            values"). A companion with tags stands next to its value.
        key: the member that is a record's key, or several in their order. Values are bound to it: copied to another
            record, they do not decrypt. Without a key they can be exchanged between records.
        tenant: the member that names a record's tenant, if tenants have keys of their own.
        indexes: of several members together, protected ones by their path and others by their name. A record that is
            encrypted has all members of such an index, or none of them.
        seal: binds members of a record to each other; see `RecordSeal`.
        same_place: True if other records of this name, with another declaration, are in the Encryptor on purpose:
            values with the same binding can then be moved between them.
        offload: see `Encryptor.field`.

    Raises:
        ConfigurationError: the declaration contradicts itself, or another one of the same name.
        TypeError, ValueError: as for `Encryptor.field` and `Encryptor.blind_index`; or what should be a path is none.
    """

    def __init__(
        self,
        name: str,
        encryptor: Encryptor,
        *,
        fields: Mapping[str, Protection | type],
        key: str | Sequence[str] = (),
        tenant: str | None = None,
        indexes: Sequence[CompoundIndex] = (),
        seal: RecordSeal | None = None,
        same_place: bool = False,
        offload: Offload | None = None,
    ) -> None:
        if not isinstance(encryptor, Encryptor):
            raise ConfigurationError(
                f"ProtectedRecord(name, encryptor): a {type(encryptor).__name__} is not an Encryptor"
            )
        if not isinstance(name, str) or not name:
            raise ConfigurationError('a record has a name, which those of its fields begin with: "patients"')
        if not isinstance(fields, Mapping) or not fields:
            raise ConfigurationError(f'{name} has no protected fields: fields={{"ssn": str}}')
        if not isinstance(key, Sequence) or not isinstance(seal, RecordSeal | None):
            raise ConfigurationError(
                f'{name}: key="id" or key=("country", "number"); seal=RecordSeal("seal", ("role",))'
            )
        self.name = name
        self.encryptor = encryptor
        self._key = RecordKey((key,) if isinstance(key, str) else tuple(key), tenant)
        self._protections = {path: _protection(how) for path, how in fields.items()}
        self._seal, self._offload = seal, offload
        self._fields = {
            path: RecordField(name, Path.of_declared(path, is_literal=how.literal_name), how, encryptor, offload)
            for path, how in self._protections.items()
        }
        for path in () if seal is None else seal.over:
            if path in self._fields and self._fields[path].path.first != path:
                raise ConfigurationError(f"{name}: a seal covers members at the top, so name the first part of {path}")
        previous = {name for how in self._protections.values() for name in _previous(how)}
        self._sealing = None if seal is None else Sealing(name, seal, self._key.key, encryptor, offload)
        types = {path: how.type for path, how in self._protections.items()}
        compounds = checked_compounds(indexes)
        self._indexes = RecordIndexes(name, compounds, self._fields, types, self._key, encryptor, offload)
        filled = [*self._indexes.compounds, *(() if seal is None else (seal.member,))]
        self._shape = Shape(self._fields.values(), self._key.members | previous, filled)
        self._indexes.check_members(self._shape.filled)
        check_apart(name, self._fields)
        declared = self._key, self._protections, self._seal, self._indexes.declared
        encryptor._names.declare(name, self, Place(None, declared, tenant is not None, same_place))

    @property
    def fields(self) -> dict[str, Field[Any]]:
        """The field of each path."""
        return {path: each.field for path, each in self._fields.items()}

    @discreet
    def encrypt(self, record: Record, *, tenant: Any = None) -> dict[str, Any]:
        """Return a record with its protected values encrypted, and with their tags.

        Args:
            record: a dictionary, or another mapping.
            tenant: the only tenant whose record it may be, even if the record itself does not name one.

        Raises:
            PlaintextRefusedError: the record has another shape than the paths, has tags already, lacks its key, its
                tenant or a member of an index of several, or is another tenant's.
            TypeError, ValueError: a value is not of its field's type, or out of range; or a tenant was named, where
                there are none.
            KeyProviderError, KeyStoreError, ConfigurationError: as for `Field.encrypt` and `BlindIndex.tag`.
        """
        named = self._key.named(tenant)
        each: Found | None = None
        try:
            new, found, binding = self._opened(record, named, reading=False)
            together = self._indexes.written(new)
        except (TypeError, ValueError) as error:
            raise PlaintextRefusedError(f"{self.name}: {error}") from None

        def parts() -> Iterator[tuple[Field[Any], Any, Mapping[str, str] | None]]:
            nonlocal each
            for each in found:
                yield each.field.field, each.value, binding.context(each.elements)

        try:
            for each, data in zip(found, encrypt_fields(parts(), tenant=binding.tenant), strict=True):
                each.container[each.at] = each.field.stored(data)
                if each.field.indexes.companions:
                    row = binding.context(each.elements)
                    each.container.update(each.field.tags(each.value, binding.tenant, row))
            each = None
            for compound, values in together:
                new.update(compound.tags(values, binding))
            if self._sealing is not None:
                self._sealing.add(new, binding)
        except (TypeError, ValueError, FieldcryptError) as error:
            self._add_place(error, each)
            raise
        return new

    @discreet
    def decrypt(self, record: Record, *, tenant: Any = None, whole: bool = True) -> dict[str, Any]:
        """Return a record as it was before it was encrypted, without tags.

        Args:
            record: what `encrypt` returned, or only some of its members; with its key, and its tenant.
            tenant: as for `encrypt`.
            whole: False if members may be missing on purpose, so that the seal cannot be verified.

        Raises:
            DecryptionError: a value does not belong to this field, this record or its tenant; or the record has another
                shape than the paths, or its seal is broken.
            TypeError: the record is not a mapping; or a tenant was named, where there are none.
            KeyProviderError, KeyStoreError, ConfigurationError: as for `Field.decrypt`.
        """
        if not isinstance(record, Mapping):
            raise TypeError(f"a record of {self.name} is a mapping, not {type(record).__name__}")
        named, each = self._key.named(tenant), None
        try:
            new, found, binding = self._opened(record, named, reading=True)
            if whole and self._sealing is not None:
                self._sealing.verify(record, binding)
            part = partial(bound_member, record)
            for each in found:
                context = binding.context(each.elements)
                each.container[each.at] = each.field.decrypt(each.value, binding.tenant, context, part)
        except FieldcryptError as error:
            self._add_place(error, each)
            raise
        except (TypeError, ValueError) as error:  # what a store holds is not misuse
            refused = located(DecryptionError(f"{self.name}: {error}"), tenant=named)
        else:
            return new
        self.encryptor.report(Event(EventKind.VALUE_REFUSED, tenant=named, place=self.name))
        raise refused  # here, where no chained exception has a value

    def _add_place(self, error: Exception, at: Found | None) -> None:
        where = "the seal" if at is None else at.field.path.text
        error.add_note(f"at {where} of a record of {self.name}")

    @discreet
    def encrypt_many(self, records: Iterable[Record], *, tenant: Any = None) -> list[dict[str, Any]]:
        """Return many records encrypted, as `encrypt` does one. A note of an exception says at which position."""
        return _each(partial(self.encrypt, tenant=tenant), records)

    @discreet
    def decrypt_many(
        self, records: Iterable[Record], *, tenant: Any = None, whole: bool = True
    ) -> list[dict[str, Any]]:
        """Return many records decrypted, likewise."""
        return _each(partial(self.decrypt, tenant=tenant, whole=whole), records)

    @discreet
    def tags(self, field: str, value: Any, *, tenant: Any = None, index: str | None = None) -> list[bytes | str]:
        """Return the tags to search for, bytes or text as in companions: records with any of them may match.

        They all match, unless tags are short: then compare after decryption, as `search` does.

        Args:
            field: the path of a field with an index for equality.
            value: of the field's type.
            tenant: whose records to search, if tags are per tenant.
            index: by which companion, if there are several.

        Raises:
            ConfigurationError: the field has no such index, or tags are per tenant and none is named.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tags`.
        """
        return self._indexes.tags(field, value, self._key.named(tenant), index)

    @discreet
    def search(self, field: str, question: Question, *, tenant: Any = None, index: str | None = None) -> RecordSearch:
        """Return the tags to search for records by, with what tells which of the records found match.

            found = patients.search("name", StartsWith("Mey"))
            rows = …  # WHERE name_prefix_3 IN (found.tags["name_prefix_3"])
            [each for each in patients.decrypt_many(rows) if found.matches(each)]

        Args:
            field: the path of a field with an index, or the companion of one of `indexes`.
            question: one of `fieldcrypt.search`, with values of the field's type; for several members, `AllEqual`.
            tenant: whose records to search; needed if tags are per tenant.
            index: by which companion, or index, if several could answer.

        Raises:
            ConfigurationError: no index answers the question, and the message says which would; or tags are per tenant
                and none is named.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tags`.
        """
        return self._indexes.search(field, question, self._key.named(tenant), index)

    def _opened(
        self, record: Record, tenant: str | None, *, reading: bool
    ) -> tuple[dict[str, Any], list[Found], Binding]:
        found: list[Found] = []
        new = self._shape.copied(record, found, reading=reading)
        if not found and self._sealing is None and tenant is None and (reading or not self._indexes.compounds):
            return new, found, Binding(None, None)  # without values, nothing is bound
        return new, found, self._key.binding(new, tenant)  # and not to what another thread made of the original

    def __reduce__(self) -> tuple[Any, ...]:
        how = {
            "fields": self._protections,
            "key": self._key.key,
            "tenant": self._key.tenant,
            "indexes": self._indexes.declared,
            "seal": self._seal,
            "same_place": True,  # as the original, whose readers cannot be compared with their copies
            "offload": self._offload,
        }
        return partial(ProtectedRecord, self.name, self.encryptor, **how), ()  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"ProtectedRecord({self.name!r})"


ProtectedRecord.__module__ = "fieldcrypt"  # what pickles call it, wherever it is defined


def _each(method: Callable[[Record], dict[str, Any]], records: Iterable[Record]) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    for record in records:
        try:
            done.append(method(record))
        except (TypeError, ValueError, FieldcryptError) as error:
            error.add_note(f"of the record at position {len(done)}, counted from 0")
            raise
    return done


def _protection(how: Any) -> Protection:
    return how if isinstance(how, Protection) else Protection(how)


def _previous(protection: Protection) -> Iterable[str]:
    """Return the members that values were bound to by previous declarations."""
    fields = protection.accepted.previous_fields if protection.accepted else ()
    return (name for field in fields for name in field.names)

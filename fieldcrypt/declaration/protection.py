"""`Protection`, which describes one protected field, wherever it is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import date
from functools import partial
from typing import Any, Literal

from fieldcrypt.declaration.field_indexes import FieldIndexes
from fieldcrypt.declaration.indexed_by import IndexedBy
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.field import Field
from fieldcrypt.format.context import application_context
from fieldcrypt.mixed_mode import Accepted, FromPlaintext, MixedField
from fieldcrypt.offload import Offload
from fieldcrypt.schemes import LegacyReader
from fieldcrypt.search.blind_index import BlindIndex

__all__ = ["Protection"]


@dataclass(frozen=True, slots=True)
class Protection:
    """A protected field: `Protection(str, index="email_tag")`. A bare type, `str`, is short for `Protection(str)`.

    Attributes:
        type: of its values: bytes, str, bool, int, float, Decimal, date, datetime, time, timedelta, UUID, list, dict,
            set, an Enum class, or `object` for any of these but Enum members. None where an annotation says it.
        name: the field's name, if not `record.field`.
        context: constant encryption context in addition to the name; keys must not begin with `fieldcrypt:`.
        pad: hide the exact length of values by padding them to a multiple of so many bytes (2 to 65,535).
        index: make it searchable: the name of the companion that holds the tags, an `IndexedBy` that says more, or
            several of these.
        accept_public_key, accept_foreign_keys: read values under data keys that others can have planted; see
            `Encryptor.field`.
        accept_plaintext: also read plaintext until this day begins in UTC, at most a year from now, while existing data
            is encrypted. Writes are always encrypted.
        accept: also read values of other schemes or previous declarations (`LegacyReader`, `PreviousField`).
        accept_until: until when; needed with `accept`.
        storage: "text" for stores that hold only text (SPEC section 13); a value takes a third more space.
        literal_name: True to take the name that it is declared by literally, dots included, as that of a member at the
            top, and not as a path: `{"profile.ssn": Protection(str, literal_name=True)}`.
        accepted: what the `accept` arguments allow together; None if nothing else is read.

    Raises:
        ConfigurationError: something would be accepted forever, or by something that is not a reader; or an argument
            has a wrong type.
        TypeError, ValueError: the context is not a mapping from text to text, or has a reserved key.
    """

    type: Any = None
    _: KW_ONLY
    name: str | None = None
    context: Mapping[str, str] | None = field(default=None, hash=False)
    pad: int | None = None
    index: str | IndexedBy | Sequence[str | IndexedBy] | None = None
    accept_public_key: bool = False
    accept_foreign_keys: bool = False
    accept_plaintext: date | None = None
    accept: Sequence[LegacyReader[Any]] = ()
    accept_until: date | None = None
    storage: Literal["binary", "text"] = "binary"
    literal_name: bool = False
    accepted: Accepted | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.storage not in ("binary", "text"):
            raise ConfigurationError('storage is "binary" or "text"')
        self._set("index", None if self.index is None else tuple(map(_index, _several(self.index))))
        self._set("accept", tuple(self.accept))
        if self.context is not None:
            self._set("context", application_context(self.context))
        if self.accept_plaintext is not None or self.accept or self.accept_until is not None:
            self._set("accepted", Accepted(self.accept_plaintext, self.accept, self.accept_until))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def indexes(self) -> tuple[IndexedBy, ...]:
        """Its blind indexes, each with its own companion; empty if it is not searchable."""
        return self.index or ()  # type: ignore[return-value]  # what __post_init__ made of it

    def field(
        self, encryptor: Encryptor, name: str, *, offload: Offload | None = None, names_tenant: bool = True
    ) -> Field[Any]:
        """Make the field.

        Args:
            encryptor: where keys come from.
            name: the field's name, unless the protection has one.
            offload, names_tenant: see `Encryptor.field`.

        Raises:
            TypeError, ValueError: as for `Encryptor.field`.
        """
        return encryptor.field(
            self.name or name,
            self.type,
            context=self.context,
            pad=self.pad,
            accept_public_key=self.accept_public_key,
            accept_foreign_keys=self.accept_foreign_keys,
            names_tenant=names_tenant,
            offload=offload,
        )

    def mixed(
        self,
        encryptor: Encryptor,
        field: Field[Any],
        from_plaintext: FromPlaintext | None = None,
        to_field: FromPlaintext | None = None,
    ) -> MixedField | None:
        """Make the MixedField that also reads everything else that is accepted; None if nothing else is.

        Args:
            encryptor: counts what else is read.
            field: which `field` made.
            from_plaintext, to_field: see `MixedField`.

        Raises:
            ConfigurationError: as for `MixedField`.
        """
        if self.accepted is None:
            return None
        return MixedField(encryptor, field, self.accepted, from_plaintext, to_field)

    def blind_indexes(
        self, encryptor: Encryptor, name: str, offload: Offload | None = None, *, path: str | None = None
    ) -> tuple[BlindIndex[Any], ...]:
        """Make the blind indexes, in the order of `indexes`.

        Args:
            encryptor, name, offload: as for `field`.
            path: as for `Encryptor.blind_index`.

        Raises:
            TypeError, ValueError, ConfigurationError: as for `Encryptor.blind_index`.
        """
        own_name = self.name or name
        return tuple(each.blind_index(encryptor, own_name, self.type, offload, path=path) for each in self.indexes)

    def field_indexes(
        self, encryptor: Encryptor, name: str, type: Any, offload: Offload | None = None, *, path: str | None = None
    ) -> FieldIndexes:
        """Make all its indexes.

        Args:
            encryptor, name, offload, path: as for `blind_indexes`.
            type: of the values that are indexed; usually the protection's.

        Raises:
            TypeError, ValueError, ConfigurationError: as for `Encryptor.blind_index`.
        """
        own_name = self.name or name
        made = ((each, each.search_index(encryptor, own_name, type, offload, path=path)) for each in self.indexes)
        return FieldIndexes(own_name, tuple(made))

    def __reduce__(self) -> tuple[Any, ...]:
        said = ((each, getattr(self, each.name)) for each in fields(self) if each.init)
        return partial(Protection, **{each.name: how for each, how in said if how != each.default}), ()


Protection.__module__ = "fieldcrypt"  # what pickles call it, wherever it is defined


def _several(index: Any) -> Sequence[Any]:
    return index if isinstance(index, (list, tuple)) else (index,)


def _index(index: Any) -> IndexedBy:
    if isinstance(index, str):
        return IndexedBy(index)
    if not isinstance(index, IndexedBy):
        raise ConfigurationError(
            f'index is the name of the companion for the tags, or IndexedBy("name", …), not {type(index).__name__}'
        )
    return index

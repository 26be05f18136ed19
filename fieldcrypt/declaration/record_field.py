"""A protected field of a record, at its top or nested."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fieldcrypt.declaration.path import Path
from fieldcrypt.declaration.protection import Protection
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, DecryptionError
from fieldcrypt.format import text_form
from fieldcrypt.format.context import PATH_KEY
from fieldcrypt.mixed_mode import PartOf, is_envelope
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.offload import Offload
from fieldcrypt.search.blind_index import BlindIndex

__all__ = ["RecordField"]

_OF_THE_RECORD = frozenset({"row", PATH_KEY, "element"})  # entries of the context that a record makes
_BYTES = (bytes, bytearray, memoryview)


class RecordField:
    """Encrypts, tags and decrypts the values at one path.

    Args:
        record: the record's logical name.
        path: where the values stand.
        protection: what they are.
        encryptor, offload: see `Encryptor.field`.

    Attributes:
        path: the same.
        field: which encrypts.
        indexes: the blind indexes, by the name of their companion, which stands beside the value.

    Raises:
        ConfigurationError, TypeError, ValueError: as for `Encryptor.field`, `Encryptor.blind_index` and `MixedField`.
    """

    __slots__ = ("_declared", "_is_text", "_mixed", "_per_tenant", "field", "indexes", "path")

    def __init__(
        self, record: str, path: Path, protection: Protection, encryptor: Encryptor, offload: Offload | None
    ) -> None:
        constant = protection.context or {}
        if any(key.partition(".")[0] in _OF_THE_RECORD for key in constant):
            raise ConfigurationError(f"{record}: the context of {path.text} has an entry that the record makes itself")
        name, context = f"{record}.{path.first}", path.context
        self.path = path
        self.field = replace(protection, context={**constant, **context}).field(encryptor, name, offload=offload)
        indexes = protection.blind_indexes(encryptor, name, offload, path=context.get(PATH_KEY))
        self.indexes: dict[str, BlindIndex[Any]] = {
            how.companion: index for how, index in zip(protection.indexes, indexes, strict=True)
        }
        self._declared = {how.companion: how for how in protection.indexes}
        self._per_tenant = frozenset(how.companion for how in protection.indexes if how.per_tenant)
        if len(self.indexes) < len(indexes):
            raise ConfigurationError(f"{record}: two indexes of {path.text} have one companion")
        self._mixed = protection.mixed(encryptor, self.field, _of_type(protection.type))
        self._is_text = protection.storage == "text"

    @property
    def is_per_tenant(self) -> bool:
        """True if one of its indexes has tags per tenant."""
        return bool(self._per_tenant)

    def stored(self, data: bytes) -> bytes | str:
        """Return an encrypted value in the form in which it is stored."""
        return text_form.encode(data) if self._is_text else data

    def tag(self, value: Any, tenant: str | None) -> dict[str, bytes | str | None]:
        """Return the tags of a value, by companion; None for a value with nothing to tag."""
        tags: dict[str, bytes | str | None] = dict.fromkeys(self.indexes)
        for companion, index in self.indexes.items():
            with suppress(NothingToTagError):
                tags[companion] = self._stored_tag(companion, index.tag(value, tenant=tenant))
        return tags

    def tags(self, value: Any, tenant: str | None, companion: str | None) -> list[bytes | str]:
        """Return all tags that a value may have been stored with, in the companion's form; of the only one, if None.

        Raises:
            ConfigurationError: there is no such companion, or its tags are per tenant and none is named.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tags`.
        """
        name = next(iter(self.indexes), None) if companion is None and len(self.indexes) < 2 else companion
        if name not in self.indexes:
            if not self.indexes:
                raise ConfigurationError(f"{self.field.name} has no blind index: Protection(…, index=…) declares one")
            raise ConfigurationError(
                f"{self.field.name}: name the companion to search by, index=…: {', '.join(self.indexes)}"
            )
        if tenant is None and name in self._per_tenant:
            raise ConfigurationError(f"{self.field.name} has tags per tenant: name the tenant, tenant=…")
        return [self._stored_tag(name, tag) for tag in self.indexes[name].tags(value, tenant=tenant)]

    def _stored_tag(self, companion: str, tag: bytes) -> bytes | str:
        stored = self._declared[companion].stored(tag)
        return stored.hex() if self._is_text and isinstance(stored, bytes) else stored

    def decrypt(
        self, stored: Any, tenant: str | None, context: Mapping[str, str] | None, part: PartOf | None = None
    ) -> Any:
        """Decrypt what is stored.

        Args:
            stored: what the record has.
            tenant, context: as for `Field.decrypt`.
            part: tells what it may have been bound to before (see `PreviousField`).
        """
        if stored.__class__ is bytes and self._mixed is None and not self._is_text:  # the usual case
            return self.field.decrypt(stored, tenant=tenant, context=context)
        try:
            data = self._binary(stored)
        except DecryptionError as error:
            refused = self.field.reported_error(error, tenant=tenant)
        else:
            if self._mixed is not None:
                return self._mixed.decrypt(data, tenant=tenant, context=context, part=part)
            return self.field.decrypt(data, tenant=tenant, context=context)
        raise refused  # here, where no chained exception carries the value

    def _binary(self, stored: Any) -> Any:
        """Return a value in binary form, and anything that mixed mode may accept unchanged."""
        if text_form.is_marked(stored):  # then it is a value, and never plaintext
            data = text_form.decode(stored)
            if self._is_text and is_envelope(data):
                return data
            raise DecryptionError
        is_bytes = isinstance(stored, _BYTES)
        if not (self._is_text and is_bytes) and (is_bytes or self._mixed is not None):
            return stored
        raise DecryptionError(f"{self.field.name} holds a value that is not encrypted")


def _of_type(type_: Any) -> Callable[[Any], Any] | None:
    """Return a function that accepts plaintext of a type; None for text and bytes, which mixed mode handles itself."""
    if type_ in (str, bytes):
        return None

    def value_of(value: Any) -> Any:
        if isinstance(type_, enum.EnumMeta) and isinstance(value, str) and value in type_.__members__:
            return type_.__members__[value]
        if type_ is not object and type(value) is not type_:
            raise TypeError
        return value

    return value_of

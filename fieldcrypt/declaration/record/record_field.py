"""A protected field of a record, at its top or nested."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from fieldcrypt.declaration.field_indexes import StoredTags
from fieldcrypt.declaration.path import Elements, Path
from fieldcrypt.declaration.protection import Protection
from fieldcrypt.declaration.record.record_search import as_stored
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, DecryptionError
from fieldcrypt.format import text_form
from fieldcrypt.format.context import PATH_KEY
from fieldcrypt.mixed_mode import PartOf, is_envelope
from fieldcrypt.offload import Offload

__all__ = ["RecordField", "check_apart"]

_OF_THE_RECORD = frozenset({"row", PATH_KEY, "element"})  # entries of the context that a record makes
_BYTES = (bytes, bytearray, memoryview)


class RecordField:
    """Encrypts, tags and decrypts the values at one path.

    Args:
        record: the record's logical name.
        path: where the values are.
        protection: what they are.
        encryptor, offload: see `Encryptor.field`.

    Attributes:
        path: the same.
        field: encrypts the values.
        indexes: its indexes, whose companions stand next to the value.
        is_text: True if values and tags are stored as text.

    Raises:
        ConfigurationError, TypeError, ValueError: as for `Encryptor.field`, `Encryptor.blind_index` and `MixedField`.
    """

    __slots__ = ("_mixed", "field", "indexes", "is_text", "path")

    def __init__(
        self, record: str, path: Path, protection: Protection, encryptor: Encryptor, offload: Offload | None
    ) -> None:
        constant = protection.context or {}
        if any(key.partition(".")[0] in _OF_THE_RECORD for key in constant):
            raise ConfigurationError(f"{record}: the context of {path.text} has an entry that the record makes itself")
        name, context = f"{record}.{path.first}", path.context
        self.path = path
        self.field = replace(protection, context={**constant, **context}).field(encryptor, name, offload=offload)
        self.indexes = protection.field_indexes(encryptor, name, protection.type, offload, path=context.get(PATH_KEY))
        self._mixed = protection.mixed(encryptor, self.field, _of_type(protection.type))
        self.is_text = protection.storage == "text"

    def stored(self, data: bytes) -> bytes | str:
        """Return an encrypted value in the form in which it is stored."""
        return text_form.encode(data) if self.is_text else data

    def tags(self, value: Any, tenant: str | None, row: Mapping[str, str] | None) -> StoredTags:
        """Return the tags to store next to a value, by companion; None for a value with nothing to tag.

        Args:
            value: of the field's type.
            tenant: the record's.
            row: what the value is bound to.
        """
        return as_stored(self.indexes.tags(value, tenant=tenant, row=row), is_text=self.is_text)

    def values(self, record: Any) -> Iterator[Any]:
        """Return its values in a decrypted record."""
        return _values_at(record, self.path.steps)

    def decrypt(
        self, stored: Any, tenant: str | None, context: Mapping[str, str] | None, part: PartOf | None = None
    ) -> Any:
        """Decrypt what is stored.

        Args:
            stored: what the record has.
            tenant, context: as for `Field.decrypt`.
            part: tells what it may have been bound to before (see `PreviousField`).
        """
        if stored.__class__ is bytes and self._mixed is None and not self.is_text:  # the usual case
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
            if self.is_text and is_envelope(data):
                return data
            raise DecryptionError
        is_bytes = isinstance(stored, _BYTES)
        if not (self.is_text and is_bytes) and (is_bytes or self._mixed is not None):
            return stored
        raise DecryptionError(f"{self.field.name} holds a value that is not encrypted")


def check_apart(record: str, fields: Mapping[str, RecordField]) -> None:
    """Refuse two paths of one field, whose values could be exchanged within a record.

    Raises:
        ConfigurationError: there are such paths.
    """
    paths: dict[frozenset[tuple[str, str]], str] = {}
    for path, each in fields.items():
        other = paths.setdefault(frozenset(each.field.context.items()), path)
        if other != path:
            raise ConfigurationError(
                f"{record}: {other} and {path} are one field, {each.field.name}, so values could be exchanged between "
                "them: give one another name, Protection(…, name=…)"
            )


def _values_at(record: Any, steps: tuple[str | Elements, ...]) -> Iterator[Any]:
    if not steps:
        yield record
    elif isinstance(steps[0], Elements):
        for each in record if isinstance(record, (list, tuple)) else ():
            yield from _values_at(each, steps[1:])
    elif isinstance(record, Mapping):
        yield from _values_at(record.get(steps[0]), steps[1:])


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

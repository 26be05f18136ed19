"""A protected attribute as the engine of migrations asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fieldcrypt.migration import Examination, Finding, Kind, is_envelope
from fieldcrypt.migration.engine.unit import Cell, Place, ProtectedField
from fieldcrypt_dynamodb.migration.target import MigratedAttribute
from fieldcrypt_dynamodb.plaintext import stored

__all__ = ["MigratedField", "OfOldScheme"]


class OfOldScheme(NamedTuple):
    """A value of an item that another scheme encrypted as a whole.

    Attributes:
        value: as it was before that, in DynamoDB's own form.
    """

    value: Any

    def __repr__(self) -> str:  # without the value
        return "OfOldScheme(…)"


class MigratedField(ProtectedField):
    """A protected attribute, which is migrated in place: a `ProtectedField`. Values are in DynamoDB's own form.

    Args:
        attribute: says what it is.
    """

    plain_name = None

    def __init__(self, attribute: MigratedAttribute) -> None:
        self._attribute = attribute
        self.name = self.stored_name = attribute.name
        self.tag_name = attribute.companion
        self.begin()

    def begin(self) -> None:
        """Forget which data keys are old, as each step does: they may have been rotated."""
        of = self._attribute
        self._examination = Examination(of.encryptor, of.field, of.accepted, of.pad, of.of_plaintext)

    def accepts_plaintext(self) -> bool:
        """Return True if plaintext is read now."""
        return self._attribute.accepted is not None and self._attribute.accepted.takes_plaintext()

    def examine(self, cell: Cell, place: Place) -> Finding:
        """Return what an attribute has (see `ProtectedField.examine`)."""
        if not isinstance(cell.stored, OfOldScheme):
            return self._examination.examine(stored(cell.stored), place[1], place[0])
        value = stored(cell.stored.value)
        return Finding(Kind.OTHER_SCHEME, None if value is None else self._attribute.of_plaintext(value))

    def of_plain(self, cell: Cell, place: Place) -> Finding:
        """Return nothing: it is migrated in place."""
        return Finding(Kind.NULL)

    def check_due(self, found: Finding) -> None:
        """Look whether what was found may be encrypted again (see `Examination.check_due`)."""
        self._examination.check_due(found)

    def seal(self, value: Any, place: Place) -> Any:
        """Return the protected form of a value."""
        return {"B": self._attribute.field.encrypt(value, tenant=place[1], context=place[0])}

    def tag(self, value: Any, place: Place) -> Any:
        """Return the tag of a value."""
        return None if value is None else {"B": self._attribute.tag(value, place[1])}

    def is_same(self, one: Any, other: Any) -> bool:
        """Return True if two values are one."""
        return bool(one == other)

    def as_plaintext(self, value: Any) -> Any:
        """Return a value as it is without protection.

        Raises:
            ValueError: it has the form of a protected one.
        """
        plain = self._attribute.as_plaintext(value)
        if is_envelope(stored(plain)):
            raise ValueError(f"{self.name}: as plaintext it could not be told from an encrypted value")
        return plain

    def declared(self) -> Iterator[str]:
        """Yield what decides what is written (see `digest.about`)."""
        of = self._attribute
        yield from (of.name, of.field.name, repr(of.field), str(of.pad), str(of.companion))
        if of.index is not None:
            how = of.index.normaliser
            yield from (str(getattr(how, "__qualname__", how)), str(of.index.tag_size), str(of.index.per_tenant))
        if of.accepted is not None:
            yield str(of.accepted.plaintext_until is not None)
            yield from (repr(former) for former in of.accepted.formers)
            yield from (type(reader).__qualname__ for reader in of.accepted.readers)

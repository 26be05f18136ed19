"""A protected attribute as the engine of migrations asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fieldcrypt.migration import ExaminedValue, ValueStatus
from fieldcrypt.spi import element_context, is_envelope
from fieldcrypt.spi.migration import Cell, Examination, Place, ProtectedField, UnitError, described_index, name_of
from fieldcrypt_dynamodb.item.plaintext import is_kept, stored
from fieldcrypt_dynamodb.migration.target import MigratedAttribute

__all__ = ["MigratedField", "LegacyValue", "NestedField", "as_cell"]


class LegacyValue(NamedTuple):
    """A value of an item that another scheme encrypted as a whole, as it was before that."""

    value: Any

    def __repr__(self) -> str:  # without the value
        return "LegacyValue(…)"


def as_cell(tag: Any) -> Any:
    """Return a tag, or a set of tags, in DynamoDB's own form, in the one order in which sets can be compared."""
    return {"BS": sorted(map(bytes, tag["BS"]))} if tag is not None and "BS" in tag else tag


class MigratedField(ProtectedField):
    """A protected attribute, which is migrated in place: a `ProtectedField`. Values are in DynamoDB's own form.

    It remembers which data keys are old, and may be used for one step.
    """

    def __init__(self, attribute: MigratedAttribute) -> None:
        self._attribute = of = attribute
        self.name = self.stored_name = of.name
        self.tag_names, self.indexes = of.companions, of.indexes
        self._examination = Examination(of.encryptor, of.field, of.accepted, of.pad, of.of_plaintext, of.to_field)

    @property
    def is_told_by_form(self) -> bool:
        accepted = self._attribute.accepted
        return accepted is None or not (accepted.readers or accepted.previous_fields)

    def accepts_plaintext(self) -> bool:
        return self._attribute.accepted is not None and self._attribute.accepted.accepts_plaintext()

    def examine(self, cell: Cell, place: Place) -> ExaminedValue:
        if not isinstance(cell.stored, LegacyValue):
            found = self._examination.examine(stored(cell.stored), place.tenant, place.context, place.part)
            if found.status is ValueStatus.PLAINTEXT and not is_kept(
                cell.stored, self._attribute.as_plaintext(found.value)
            ):
                raise UnitError(f"{self.name}: its type does not hold the number, or the bytes, as they are stored")
            return found
        value = stored(cell.stored.value)
        return ExaminedValue(ValueStatus.OTHER_SCHEME, None if value is None else self._attribute.of_plaintext(value))

    def has_form(self, cell: Cell) -> bool:
        return isinstance(cell.stored, LegacyValue) or is_envelope(stored(cell.stored))

    def waits_until(self) -> float | None:
        return self._examination.waits_until

    def check_due(self, found: ExaminedValue) -> None:
        self._examination.check_due(found)

    def seal(self, value: Any, place: Place) -> Any:
        return {"B": self._attribute.field.encrypt(value, tenant=place.tenant, context=place.context)}

    def tags(self, value: Any, place: Place) -> Mapping[str, Any]:
        return {name: as_cell(tag) for name, tag in self._attribute.tags(value, place).items()}

    def as_plaintext(self, value: Any) -> Any:
        plain = self._attribute.as_plaintext(value)
        if is_envelope(stored(plain)):
            raise UnitError(f"{self.name}: as plaintext it could not be told from an encrypted value")
        return plain

    def declared(self) -> Iterator[str]:
        """Yield what decides what is written (see `digest.about`)."""
        of = self._attribute
        yield from (of.name, of.field.name, repr(of.field), str(of.pad), str(next(iter(of.companions), None)))
        if of.context is not None:
            yield repr(sorted(of.context.items()))
        for index in of.indexed:
            if index.is_plain:  # as it was before there were others
                yield from (name_of(index.normaliser), str(index.tag_size), str(index.per_tenant))
            else:
                yield from described_index(index)
        if of.accepted is not None:
            yield str(of.accepted.plaintext_until is not None)
            yield from (each.journal_text for each in of.accepted.previous_fields)
            yield from (type(reader).__qualname__ for reader in of.accepted.readers)


class NestedField(ProtectedField):
    """One value of a protected attribute in a map or a list.

    Args:
        field: the attribute.
        stored_name: which of its values.
        elements: the texts of the list elements around it, to which it is bound.
    """

    def __init__(self, field: MigratedField, stored_name: str, elements: Sequence[str]) -> None:
        self._field, self._elements = field, element_context(elements) if elements else {}
        self.name, self.stored_name, self.tag_names = field.name, stored_name, field.tag_names
        self.indexes = field.indexes

    @property
    def is_told_by_form(self) -> bool:
        return self._field.is_told_by_form

    def accepts_plaintext(self) -> bool:
        return self._field.accepts_plaintext()

    def examine(self, cell: Cell, place: Place) -> ExaminedValue:
        return self._field.examine(cell, self._place(place))

    def has_form(self, cell: Cell) -> bool:
        return self._field.has_form(cell)

    def waits_until(self) -> float | None:
        return self._field.waits_until()

    def check_due(self, found: ExaminedValue) -> None:
        self._field.check_due(found)

    def seal(self, value: Any, place: Place) -> Any:
        return self._field.seal(value, self._place(place))

    def tags(self, value: Any, place: Place) -> Mapping[str, Any]:
        return self._field.tags(value, place)

    def as_plaintext(self, value: Any) -> Any:
        return self._field.as_plaintext(value)

    def _place(self, place: Place) -> Place:
        return place._replace(context={**(place.context or {}), **self._elements}) if self._elements else place

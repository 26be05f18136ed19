"""An item as it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from fieldcrypt import FieldcryptError
from fieldcrypt.spi import key_id_of
from fieldcrypt.spi.migration import Cell, Change, CompoundField, Key, PassedOverError, Place, ProtectedField, UnitError
from fieldcrypt_dynamodb.item.nested.occurrences import Occurrence, occurrences, with_replaced
from fieldcrypt_dynamodb.item.nested.shape import Found
from fieldcrypt_dynamodb.item.plaintext import is_null, part_of
from fieldcrypt_dynamodb.item.values import bytes_of, to_python
from fieldcrypt_dynamodb.migration.field import LegacyValue, MigratedField, NestedField, as_cell
from fieldcrypt_dynamodb.migration.target import Item, MigratedTable

__all__ = ["MigratedItem"]


class MigratedItem:
    """An item of a table as it was read, in DynamoDB's own form: a `Unit`.

    Attributes:
        is_shredded: its seal is under a data key that was shredded.
    """

    def __init__(self, raw: Item, table: MigratedTable, field_of: Callable[[Any], Any]) -> None:
        self.raw, self.table = raw, table
        self._field_of = field_of
        self.is_shredded = False

    @property
    def raw_key(self) -> dict[str, Any]:
        """Its key, in DynamoDB's own form."""
        return {name: self.raw[name] for name in self.table.key}

    @property
    def key(self) -> Key:
        """Its key, for people."""
        return tuple(to_python(part) for part in self.raw_key.values())

    @cached_property
    def fields(self) -> Sequence[MigratedField]:
        """The protected attributes that it may have.

        Raises:
            PassedOverError, TypeError, ValueError: it is of no class that is known.
        """
        return [self._field_of(attribute) for attribute in self.table.attributes_of(self.raw)]

    @property
    def compounds(self) -> Sequence[CompoundField]:
        """The indexes of several attributes that it may have.

        Raises:
            As `fields`.
        """
        return [self._field_of(compound) for compound in self.table.compounds_of(self.raw)]

    @property
    def tag_names(self) -> frozenset[str]:
        """All its companions."""
        return frozenset(name for field in (*self.fields, *self.compounds) for name in field.tag_names)

    def under(self, key_id: bytes) -> Iterator[str]:
        """Yield the names of the values, and the seal, that are under a data key."""
        try:
            attributes = self.table.attributes_of(self.raw)
        except (PassedOverError, TypeError, ValueError):  # its class is not known
            attributes = self.table.attributes
        names = {attribute.name for attribute in attributes}
        is_nested = [each for each in self._occurrences().values() if _is_under(each.value, key_id)]
        yield from (each.attribute for each in is_nested)
        for name in names if self.table.seal is None else {*names, self.table.seal.attribute}:
            if _is_under(self.raw.get(name), key_id):
                yield name

    def cells(self) -> Sequence[tuple[ProtectedField, Cell]]:
        """See `Unit.cells`.

        What has nothing that is protected, and does not tell what it would be bound to, is passed over: an application
        that reads it by this declaration would get an error.
        """
        nested = {name for shape in self.table.nested.values() for name in shape.attributes}
        found: list[tuple[ProtectedField, Cell]] = [
            (field, self._cell(field)) for field in self.fields if field.name not in nested
        ]
        found += self._nested_cells({field.name: field for field in self.fields if field.name in nested})
        found += [(field, self._compound_cell(field)) for field in self.compounds]
        has_seal = self.table.seal is not None and self.table.seal.is_on(self.raw)
        if not has_seal and all(
            (field.is_compound or cell.stored is None) and not cell.has_tags for field, cell in found
        ):
            try:
                self.place()
            except (FieldcryptError, TypeError, ValueError):
                what = self.table.tenant or "key"
                raise PassedOverError(
                    f"they have nothing protected, and no {what} that values could be bound to"
                ) from None
        return found

    def _nested_cells(self, fields: Mapping[str, MigratedField]) -> Iterator[tuple[ProtectedField, Cell]]:
        """Yield what is in maps and lists, and the tags of what is no longer there."""
        try:
            found = occurrences(self.raw, self.table.nested)
        except (TypeError, ValueError) as error:
            raise UnitError(str(error)) from None
        for at, each in found.items():
            field = fields[each.attribute]
            yield NestedField(field, at, each.elements), Cell(each.value, self._tags(field))
        for name in fields.keys() - {each.attribute for each in found.values()}:
            field = fields[name]
            yield NestedField(field, Occurrence.of(name, None), ()), Cell(None, self._tags(field))

    def _occurrences(self) -> Mapping[Occurrence, Found]:
        try:
            return occurrences(self.raw, self.table.nested)
        except (TypeError, ValueError):  # `cells` says so
            return {}

    def folded(self, change: Change) -> Change:
        """Return a change in which values in maps and lists are changes of the attributes at the top of the item."""
        values = {at: value for at, value in change.values.items() if isinstance(at, Occurrence)}
        if values:
            new = with_replaced(self.raw, self.table.nested, values)
            change.values = {at: value for at, value in change.values.items() if at not in values} | new
        change.read = {at.root if isinstance(at, Occurrence) else at for at in change.read}
        return change

    def _compound_cell(self, field: CompoundField) -> Cell:
        """Return the cells of its members, if any of them is there."""
        cells = {}
        for name, member in field.members.items():
            raw = self.raw.get(member.read_names[0])
            cells[name] = (
                self._cell(member) if isinstance(member, MigratedField) else Cell(None if is_null(raw) else raw)
            )
        return Cell(cells, self._tags(field))

    def _tags(self, field: ProtectedField) -> Mapping[str, Any]:
        return {name: as_cell(self.tag(name)) for name in field.tag_names}

    def tag(self, companion: str) -> Any:
        """Return what is in a companion; None if it is a text of others, which lacks the prefix of tags."""
        stored, prefix = self.raw.get(companion), self.table.prefixes.get(companion, "")
        is_of_others = stored is not None and not stored.get("S", prefix).startswith(prefix)
        return None if is_of_others else stored

    def _cell(self, field: MigratedField) -> Cell:
        value = self.raw.get(field.stored_name)
        tags = self._tags(field)
        if is_null(value):
            return Cell(None, tags)
        opened = self.legacy_item
        return Cell(value if opened is None else LegacyValue(opened.get(field.stored_name)), tags)

    @cached_property
    def _place(self) -> Place:
        return Place(*self.table.binding(self.raw), part_of(self.raw))

    def place(self) -> Place:
        return self._place

    @cached_property
    def legacy_item(self) -> Mapping[str, Any] | None:
        """The item as it was before another scheme encrypted it as a whole; None if none did.

        Raises:
            DecryptionError: it is not authentic.
        """
        readers: Any = () if self.table.legacy_items is None else self.table.legacy_items.readers
        return next((reader.read(self.raw) for reader in readers if reader.recognises(self.raw)), None)

    def __repr__(self) -> str:  # without what is in it
        return f"MigratedItem({self.key!r})"


def _is_under(value: Any, key_id: bytes) -> bool:
    data = bytes_of(value)
    return data is not None and key_id_of(data) == key_id.hex()

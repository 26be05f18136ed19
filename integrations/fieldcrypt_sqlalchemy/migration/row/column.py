"""A protected column in a migration: what is stored, what that is, and what to store instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, and_, not_, or_, type_coerce
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import NullType, TypeDecorator

from fieldcrypt import DecryptionError
from fieldcrypt.migration import ExaminedValue, ValueStatus
from fieldcrypt.schemes import LegacyReader
from fieldcrypt.spi import Accepted, Reading, is_envelope
from fieldcrypt.spi.migration import (
    Cell,
    Examination,
    MarkedError,
    Place,
    ProtectedField,
    UnitError,
    Which,
    described_index,
    is_exactly,
    name_of,
    tags_of,
)
from fieldcrypt_sqlalchemy.column.tagger import Tagger
from fieldcrypt_sqlalchemy.column.type import Encrypted, is_searchable
from fieldcrypt_sqlalchemy.migration.row.stored_form import as_told, stored_form
from fieldcrypt_sqlalchemy.migration.row.tagged_columns import tags_as_told

__all__ = ["MigratedColumn"]

_DIALECT = DefaultDialect()
_OPENS = "opens: it is an encrypted value, and is not encrypted once more"
_OTHER = "has no need of it, for `backfill` encrypts what is there"
_NOT_TAKEN = {
    ValueStatus.NULL: "is empty",
    ValueStatus.ACTIVE: _OPENS,
    ValueStatus.OLD_KEY: _OPENS,
    ValueStatus.OLD_FORM: _OPENS,
    ValueStatus.OTHER_SCHEME: _OTHER,
    ValueStatus.PLAINTEXT: _OTHER,
    ValueStatus.SHREDDED: "is an encrypted value whose keys were destroyed",
    ValueStatus.UNREADABLE: "does not open, and is no text that only begins as a value does: it was damaged, comes "
    "from another row, or its key is not in this key store. It is not taken for plaintext",
}


class MigratedColumn(ProtectedField):
    """A protected column.

    Args:
        name: the attribute's, for messages.
        plain_name, plain: the plaintext attribute that it is filled from, and its column; None: in place.
        readers: read values of another scheme in the plaintext column.
    """

    def __init__(
        self,
        dialect: Dialect,
        name: str,
        column: Column[Any],
        plain_name: str | None = None,
        plain: Column[Any] | None = None,
        readers: Sequence[LegacyReader[Any]] = (),
    ) -> None:
        type_ = column.type
        assert isinstance(type_, Encrypted) and type_.encryptor is not None and type_.name is not None  # noqa: S101, PT018
        self.name = name if plain_name is None else f"{plain_name} -> {name}"
        self.column, self.plain, self.type, self._encryptor = column, plain, type_, type_.encryptor
        self._raw_plain = readers
        self._to_field, self._from_field, self._field = type_.prepared()
        self.form = stored_form(type_, dialect)
        self.begin()
        self._own_type = _read_in_python(plain)
        self._old_plain = Reading(self._field, Accepted.for_job(readers)) if readers else None
        self.tagger: Tagger | None = type_.tagger if is_searchable(column) else None
        self.indexes = () if self.tagger is None else ((_same, self.tagger.indexes),)
        companions = {} if self.tagger is None else self.tagger.companions(column)
        self.companions = tuple(companions.values())
        self.stored_name = column.name
        self._stored_as = {declared: each.name for declared, each in companions.items()}
        self.tag_names = tuple(self._stored_as.values())
        self.plain_name = None if plain is None else plain.name
        # In the order of a Cell.
        self.names = [self.stored_name, *self.tag_names, *(() if plain is None else (plain.name,))]

    def begin(self) -> None:
        """Forget which data keys are old, because keys may have been rotated since the last step."""
        from_plaintext, accepted = self.type.from_plaintext(self._field.type), self.type.accepted
        pad = self.type.protection.pad
        self._examination = Examination(self._encryptor, self._field, accepted, pad, from_plaintext, self._to_field)

    def selected(self) -> list[Any]:
        """Return what is read of it in a row, in the order of a Cell."""
        found: list[Any] = [type_coerce(self.column, self.form.read_as)]
        found += (type_coerce(each, NullType()) for each in self.companions)
        if self.plain is None:
            return found
        as_stored = None if self._own_type is None else self._own_type.impl_instance
        read_as = NullType() if self._raw_plain else as_stored
        return [*found, self.plain if read_as is None else type_coerce(self.plain, read_as)]

    def cell(self, values: Any) -> Cell:
        """Take the next values of a row."""
        stored = as_told(next(values))
        if self.plain is not None and stored in (b"", ""):  # the default of a new column that is NOT NULL
            stored = None
        tags = {name: tags_as_told(next(values)) for name in self.tag_names}
        return Cell(stored, tags, None if self.plain is None else next(values))

    def is_of(self, which: Which, at: Callable[[Any], Any]) -> Any:
        """Return the condition that a row is of a kind by this column; `at` says what stands for one of the model's."""
        stored = at(self.column)
        if self.plain is None:
            ours = self.form.is_ours(stored)
            return ours if which is Which.FILLED else and_(stored.is_not(None), not_(ours))
        if which is Which.FILLED:
            return stored.is_not(None)
        plain = at(self.plain).is_not(None)
        if which is Which.PLAIN:
            return plain
        is_odd = and_(stored.is_not(None), not_(self.form.is_ours(stored)))
        return or_(and_(plain, stored.is_(None)), and_(is_odd, or_(plain, self.form.is_filled(stored))))

    def declared(self) -> Iterator[str]:
        """Yield all of the declaration that decides what is written, and where."""
        yield from (self.name, str(self.type.name), repr(self.type.type_), repr(self.type.protection.pad))
        yield from (
            self._field.type.__name__,
            self.stored_name,
            repr(next(iter(self.tag_names), None)),
            repr(self.plain_name),
        )
        if self.type.text is not None:
            yield repr(self.type.text.type)
        if self.type.protection.context is not None:
            yield repr(sorted(self.type.protection.context.items()))
        if self.type.accepted is not None:
            yield from (each.journal_text for each in self.type.accepted.previous_fields)
        for index in self.type.protection.indexes:
            if index.is_plain:  # as it was before there were others
                yield f"{index.companion} {name_of(index.normaliser)} {index.tag_size} {index.per_tenant}"
            else:
                yield from described_index(index)

    @property
    def is_told_by_form(self) -> bool:
        accepted = self.type.accepted
        return accepted is None or not (accepted.readers or accepted.previous_fields)

    def accepts_plaintext(self) -> bool:
        return self.type.accepted is not None and self.type.accepted.accepts_plaintext()

    def examine(self, cell: Cell, place: Place) -> ExaminedValue:
        try:
            stored = self.form.load(cell.stored)
        except MarkedError:
            raise
        except DecryptionError:
            return ExaminedValue(ValueStatus.UNREADABLE)
        return self._examination.examine(stored, place.tenant, place.context, place.part)

    def has_form(self, cell: Cell) -> bool:
        try:
            return is_envelope(self.form.load(cell.stored))
        except DecryptionError:
            return False

    def waits_until(self) -> float | None:
        return self._examination.waits_until

    def taken_for_plaintext(self, cell: Cell, place: Place) -> Any:
        """Return what begins as a value does, and is none, as the plaintext that a person says it is.

        Raises:
            UnitError: it is something else, and what. What has the whole form of a value is one, though it be damaged.
            DecryptionError: plaintext is no longer accepted.
            As `Examination.examine`.
        """
        if self.plain is not None:
            raise UnitError(f"{self.name}: its plaintext is next to it, which `backfill --mend` encrypts")
        try:
            found = self.examine(cell, place)
        except MarkedError:
            found = self._examination.examine(cell.stored, place.tenant, place.context, place.part)
            if found.status is not ValueStatus.PLAINTEXT:
                raise UnitError(f"{self.name} is declared without accept_plaintext, or is of another type") from None
            self.check_due(found)
            return found.value
        raise UnitError(f"{self.name} {_NOT_TAKEN[found.status]}")

    def check_due(self, found: ExaminedValue) -> None:
        self._examination.check_due(found)

    def examine_plaintext(self, cell: Cell, place: Place) -> ExaminedValue:
        """See `ProtectedField.examine_plaintext`.

        Raises:
            TypeError, ValueError: the protected column's type does not take it.
            DecryptionError: it is of another scheme, and cannot be read.
        """
        if cell.plain is None:
            return ExaminedValue(ValueStatus.NULL)
        if self._old_plain is not None:
            data = as_told(cell.plain)
            if any(reader.recognises(data) for reader in self._raw_plain):
                return self._old_plain.read(data, place.tenant, place.context)
        value = self._read_plain(cell.plain)
        value = value if self._to_field is None or value is None else self._to_field(value)
        return ExaminedValue(ValueStatus.NULL) if value is None else ExaminedValue(ValueStatus.PLAINTEXT, value)

    def _read_plain(self, stored: Any) -> Any:
        """Return what the application reads of a plaintext column; for one of its own types row by row.

        So that one row that cannot be read, of a type that decrypts for one, does not keep the others from it.
        """
        if self._own_type is None:
            return stored
        try:
            return self._own_type.process_result_value(stored, _DIALECT)
        except Exception:  # noqa: BLE001 (whatever the application's type raises)
            refused = DecryptionError(f"{self.name}: the type of the plaintext column does not read it")
        raise refused  # here, so that nothing is behind it

    def seal(self, value: Any, place: Place) -> Any:
        return self.form.dump(self._field.encrypt(value, tenant=place.tenant, context=place.context))

    def tags(self, value: Any, place: Place) -> Mapping[str, Any]:
        if self.tagger is None:
            return {}
        try:
            tags: Mapping[str, Any] = self.tagger.stored_tags_of_field(value, place.tenant, place.context)
        except (TypeError, ValueError):
            return tags_of(self.tagger.indexes.each, value, place, self._stored_as)
        return {self._stored_as[name]: list(tag) if isinstance(tag, tuple) else tag for name, tag in tags.items()}

    def is_same(self, one: Any, other: Any) -> bool:
        if is_exactly(one, other):
            return True
        if self._from_field is None or not isinstance(one, bytes) or not isinstance(other, bytes):
            return False
        return is_exactly(self._from_field(one), self._from_field(other))  # what pickles has several forms of one value

    def as_plaintext(self, value: Any) -> Any:
        data = self.form.dump_plaintext(value)
        if is_envelope(data):
            raise UnitError(f"{self.name}: the value looks like an encrypted one, and could not be read as plaintext")
        return data


def _same(value: Any) -> Any:
    return value


def _read_in_python(plain: Column[Any] | None) -> TypeDecorator[Any] | None:
    """Return the type of a column if it is one of the application's own, that makes values in Python."""
    type_ = None if plain is None else plain.type
    if not isinstance(type_, TypeDecorator) or type(type_).process_result_value is TypeDecorator.process_result_value:
        return None
    return type_

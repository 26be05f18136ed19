"""A unit of a migration, a row or an item, and its change."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from fieldcrypt.declaration.field_indexes import FieldIndexes
from fieldcrypt.errors import DecryptionError, FieldcryptError
from fieldcrypt.format import text_form
from fieldcrypt.migration.reports import Key
from fieldcrypt.mixed_mode.previous_field import PartOf
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus

__all__ = [
    "Cell",
    "Change",
    "MarkedError",
    "PassedOverError",
    "Place",
    "ProtectedField",
    "Unit",
    "UnitError",
    "UnreadableUnit",
    "UntaggedError",
    "is_exactly",
    "redacted_error",
]


class Place(NamedTuple):
    """What the values of a unit are bound to.

    Attributes:
        context: of the row.
        tenant: whose keys they use.
        part: tells what they may have been bound to before (see `PreviousField`).
    """

    context: Mapping[str, str] | None
    tenant: str | None
    part: PartOf | None = None


class PassedOverError(Exception):
    """A unit does not belong to this migration, and why: it may be another service's, in a shared table."""


class MarkedError(DecryptionError):
    """A text begins as a value does, but is not one: old plaintext, or a damaged value."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} begins with {text_form.PREFIX!r} but is not an encrypted value. If it is old plaintext, and was "
            "not planted, name its row: `fieldcrypt migrate mend --as-plaintext KEY` encrypts it"
        )


class UnitError(ValueError):
    """Why something cannot be done to a unit, in a message without its values."""


class UntaggedError(UnitError):
    """Some tags of a value cannot be made, for example because it is beyond the bounds that an index declares.

    Attributes:
        tags: those that can be, by companion.
    """

    def __init__(self, message: str, tags: dict[str, Any]) -> None:
        super().__init__(message)
        self.tags = tags


def redacted_error(name: str, error: Exception) -> Exception:
    """Return an error that a report may show: those of an application's types may contain the value.

    Args:
        name: the field's, or the part's.
    """
    if not isinstance(error, (FieldcryptError, UnitError)):
        return UnitError(f"{name}: its type does not take the value ({type(error).__name__})")
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)  # its frames have the values


_COMPARED = frozenset({str, bytes, int, bool, type(None)})  # equal values of one of these types are one value


def is_exactly(one: Any, other: Any) -> bool:
    """Return True if two values are the same, including their types: for `==`, 1 is True and 0.0 is -0.0."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind in _COMPARED:
        return bool(one == other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_exactly(value, other[name]) for name, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_exactly, one, other))
    if isinstance(one, float):
        return repr(one) == repr(other)
    return bool(one == other or (one != one and other != other))  # the NaN of Decimal


class Cell(NamedTuple):
    """What a unit stores for one protected field, as the store returns it; None where there is nothing.

    Attributes:
        stored: in the protected field.
        tags: in its companions, if it is searchable.
        plain: in the plaintext field next to it, if it is filled from one.
    """

    stored: Any
    tags: Mapping[str, Any] = MappingProxyType({})
    plain: Any = None

    @property
    def has_tags(self) -> bool:
        """True if there is something in one of its companions."""
        return any(tag is not None for tag in self.tags.values())

    def __repr__(self) -> str:  # without what is in it
        return "Cell(…)"


class ProtectedField(Protocol):
    """A protected field: it classifies its values, and makes their protected form, in the store's representation.

    Those of stores inherit from this class. All that they raise but errors of keys (`KeyProviderError`,
    `KeyStoreError`) counts as a failure of one unit.

    Attributes:
        name: its name in messages.
        stored_name: where the protected value is written.
        tag_names: its companions, where its tags are written; none if it is not searchable.
        plain_name: where the plaintext is that it is filled from; None if it is migrated in place.
        is_compound: True if it has tags alone, of the values of other fields (see `CompoundField`).
        indexes: make its tags, each with what converts the field's values to its own; empty if it is not searchable.
    """

    name: str
    stored_name: str
    tag_names: tuple[str, ...] = ()
    plain_name: str | None = None
    is_compound: bool = False
    indexes: Sequence[tuple[Callable[[Any], Any], FieldIndexes]] = ()

    @property
    def is_told_by_form(self) -> bool:
        """False if a value in our form may be due: another scheme's, or one of a previous declaration."""
        return True

    @property
    def read_names(self) -> tuple[str, ...]:
        """The names of what its value is made from."""
        return (self.stored_name,) if self.plain_name is None else (self.stored_name, self.plain_name)

    def as_it_becomes(self, cell: Cell, values: Mapping[str, Any]) -> Cell:
        """Return what a compound is made from once values of its members are written; a field's own cell stays."""
        return cell

    @abstractmethod
    def accepts_plaintext(self) -> bool:
        """Return True if plaintext in its place is read now, so that going back is possible."""

    @abstractmethod
    def examine(self, cell: Cell, place: Place) -> ExaminedValue:
        """Classify what is in the protected field (see `Examination.examine`)."""

    def has_form(self, cell: Cell) -> bool:
        """Return True if what is in the protected field has the form of a protected value, authentic or not."""
        return True

    def examine_plaintext(self, cell: Cell, place: Place) -> ExaminedValue:
        """Classify the plaintext next to it, as a value of the field; `ValueStatus.NULL` if there is none."""
        return ExaminedValue(ValueStatus.NULL)

    def waits_until(self) -> float | None:
        """Return when values that were examined will be under an old data key (see `Examination.waits_until`)."""
        return None

    @abstractmethod
    def check_due(self, found: ExaminedValue) -> None:
        """Raise DecryptionError if what was found must not become authentic (see `Examination.check_due`)."""

    @abstractmethod
    def seal(self, value: Any, place: Place) -> Any:
        """Return the protected form of a value, as it is stored."""

    def tags(self, value: Any, place: Place) -> Mapping[str, Any]:
        """Return the tags of a value by companion, as they are stored and read; None where it has none.

        Raises:
            UntaggedError: some of them cannot be made.
        """
        return {}

    def is_same(self, one: Any, other: Any) -> bool:
        """Return True if two values, or None, are the same: nothing is lost if one replaces the other."""
        return is_exactly(one, other)

    @abstractmethod
    def as_plaintext(self, value: Any) -> Any:
        """Return a value as it was stored in place before it was protected.

        Raises:
            ValueError: it could not be told from a protected one.
        """


class Unit(Protocol):
    """A unit as it was read: a row, or an item."""

    @property
    def key(self) -> Key:
        """Its key, as a report shows it."""
        ...

    def cells(self) -> Sequence[tuple[ProtectedField, Cell]]:
        """Return its protected fields with what is stored of them, and compounds behind the fields that they are of.

        Raises:
            PassedOverError: it does not belong to this migration. Every step skips it.
        """
        ...

    def place(self) -> Place:
        """Return what its values are bound to.

        Raises:
            FieldcryptError, TypeError, ValueError: it does not tell.
        """
        ...


class UnreadableUnit(NamedTuple):
    """A unit that cannot be read: a `Unit` at which every step fails.

    Attributes:
        key: as far as it can be read.
        reason: why the rest cannot be, in words that say nothing of its values.
        position: as in `Page.position`; None if its key cannot be read as one.
    """

    key: Key
    reason: str
    position: Any = None

    def cells(self) -> Sequence[tuple[ProtectedField, Cell]]:
        """Raise UnitError."""
        raise UnitError(self.reason)

    def place(self) -> Place:
        """Raise UnitError."""
        raise UnitError(self.reason)


@dataclass(slots=True)
class Change:
    """The change of a unit.

    Attributes:
        values: what to write, by name; None empties the field.
        read: the names of what it was made from, which must not have changed when it is written.
        failure: what keeps some of it from being done.
    """

    values: dict[str, Any] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    failure: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Note what keeps some of it from being done; a missing tag is the least of it."""
        if self.failure is None or isinstance(self.failure, UntaggedError):
            self.failure = error

    def __repr__(self) -> str:  # without what is in it
        return f"Change({', '.join(self.values)})"

"""The source of a migration: what a store does with the data."""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from fieldcrypt.migration.engine.journal import Portion
from fieldcrypt.migration.engine.unit import Change, ProtectedField, Unit
from fieldcrypt.migration.reports import Key
from fieldcrypt.migration.sample import Sample

__all__ = ["Batch", "Counted", "Page", "RefusedError", "Source", "Which", "Written"]

Batch = Any  # what binds a write and its entry in the journal together: a transaction, or None
T = TypeVar("T")


class Which(enum.Enum):
    """Kinds of units, distinguished by the form of what is stored, without decrypting it.

    A field has our form if it begins with a version byte (text: with `fc1.`) and is as long as a value is at least.
    """

    ALL = "all"
    DUE = "due"  # a field is filled, and not with our form; or it is not filled, and there is plaintext next to it
    FILLED = "filled"  # a field in place has our form; or one that is filled from another has anything
    PLAIN = "plain"  # a field in place is filled and has not our form; or there is plaintext next to one


class Counted(NamedTuple):
    """What the store counted in one statement: all units, and those of the requested kind."""

    total: int
    those: int


class Page(NamedTuple):
    """Units that were read together.

    Attributes:
        units: in the order of the store; none of them twice.
        position: behind which to go on; None if nothing was read, or no key could be.
        is_last: nothing is left of the portion.
        which: what kind of units was asked for.
        is_apart: what cannot be read stands before the one unit that can: it is read again by its key alone.
    """

    units: Sequence[Unit]
    position: Any
    is_last: bool
    which: Which = Which.ALL
    is_apart: bool = False


@dataclass
class Written:
    """The result of writing a page.

    Attributes:
        changed: units that were written: the store said so of each.
        failures: why units could not be changed, or not all of what was to be.
    """

    looked_at: int = 0
    changed: int = 0
    failures: dict[Key, Exception] = field(default_factory=dict)


class RefusedError(Exception):
    """The store refused a batch, perhaps because of one of its units, and rolled it back: a constraint, or a trigger.

    The reason is what is said of the unit if it is alone: nothing secret, and no value, nor any error behind it.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Source(Protocol):
    """The units of one table or collection: a part of a migration. Those of stores inherit from this class.

    Whatever it raises for a store that refuses or cannot be reached is turned into words by the migration's
    `translated_errors`. All methods may be called by several threads.

    Attributes:
        name: what the part is called in reports and in the journal: two tables, also of two schemas, never alike.
        fields: all its protected fields.
    """

    name: str
    fields: Sequence[ProtectedField]

    @abstractmethod
    def problems(self, step: str) -> list[str]:
        """Return what prevents a step, in messages that say what to do; nothing has been written yet.

        For the step "look" it is what keeps units from being looked at. For "plan" it is all that keeps a backfill from
        being done: what is missing, is of another type than declared, or could make a step miss units or meet others.
        Examples are keys that are not unique, and keys that the store sorts otherwise than it compares them.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return the declaration of a checkpoint: readable words and a digest (`digest.about`).

        Two declarations that would write anything else, or elsewhere, are never described alike.
        """

    def check_can_undo(self) -> None:
        """Raise ConfigurationError if something that fields do not cover, such as seals, prevents going back."""
        return

    def cautions(self) -> Sequence[str]:
        """Return what to know before a backfill, although nothing prevents it."""
        return ()

    def left_out(self) -> Sequence[str]:
        """Return what may still have plaintext and is not part of the migration, with what encrypts it."""
        return ()

    def remarks(self) -> Sequence[str]:
        """Return what is left for the user to do once the part is finished."""
        return ()

    @property
    def is_told_by_form(self) -> bool:
        """False if the store cannot count everything that is due, because some of it looks like values that are not."""
        return all(field.is_told_by_form for field in self.fields)

    @abstractmethod
    def estimate(self, which: Which = Which.ALL) -> int:
        """Return about how many units `page` will return of those of a kind, for progress and samples; cheap."""

    @abstractmethod
    def count(self, which: Which) -> Counted:
        """Let the store itself count, by one statement that reads everything that is committed.

        It may not go by the key, nor by pages: it is what these are compared with.
        """

    @abstractmethod
    def page(self, portion: Portion, which: Which, size: int) -> Page:
        """Read the next units of a portion: those of a kind, so many at most. Nothing is locked.

        A store that cannot tell the kind may return more units than those. One that cannot read a unit returns what is
        before it, and then the `UnreadableUnit` in a page with no others but the one that says how to go on.
        """

    @abstractmethod
    def pages(self, which: Which, sample: Sample | None = None) -> Iterator[Sequence[Unit]]:
        """Yield all units of a kind, and no others, page by page, the way that steps go; or so many as a sample takes.

        A page may be empty, so that progress is reported.
        """

    def prepare(self, step: str, unit: Any) -> Change:
        """Return what a step writes into a unit next to its fields, and before them.

        Raises:
            FieldcryptError, TypeError, ValueError: the unit as a whole is not to be changed.
        """
        return Change()

    def complete(self, step: str, unit: Any, change: Change) -> Change:
        """Return the change of a unit with what depends on the whole of it: a new seal."""
        return change

    def is_whole_due(self, unit: Any) -> bool:
        """Return True if a backfill writes to a unit for what depends on the whole of it: a seal.

        Raises:
            FieldcryptError, TypeError, ValueError: it cannot, because what there is does not hold.
        """
        return False

    def wrong(self, unit: Any) -> Sequence[str]:
        """Return what is wrong with a unit as a whole, beyond its fields."""
        return ()

    @abstractmethod
    def transact(self, work: Callable[[Batch], T]) -> T:
        """Do work that writes units and the journal, and return what it returns.

        Where the store has transactions it is one, rolled back if the work raises, and done again if it met others
        (so that the work may be called several times). Where it has none, the work is called once: it writes the units
        first and the journal last, so that a kill between leaves units that are done twice, to no effect.

        Raises:
            RefusedError: one of the units keeps the whole from being committed.
        """

    @abstractmethod
    def write(
        self,
        batch: Batch,
        portion: Portion,
        page: Page,
        changes: Sequence[Change],
        again: Callable[[Any], Change],
        beat: Callable[[], None],
    ) -> Written:
        """Write the changes of a page's units, under the condition that these have not changed.

        A unit that was changed since it was read is read again, and `again` returns its new change. One that is gone is
        left out. A write that the store did not perform is a failure of that unit, with its key, and is never counted
        as changed.

        Args:
            batch: of `transact`.
            portion, page, changes: what was read, and a change for each unit. New units between them may be done as
                well.
            again: returns the change of a unit that was read again.
            beat: is called before each request of a store that writes unit by unit, so that the lease does not end
                meanwhile, and nothing is written when it has.

        Raises:
            RefusedError: one of several units keeps the others from being written: each is written alone then.
        """

    def position_of(self, unit: Any) -> Any:
        """Return the position behind a unit that was read, as in `Page.position`: its key."""
        return unit.key

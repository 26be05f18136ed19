"""What a store has to be able to write down of a migration: how far it is."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration.workers import is_dead

__all__ = [
    "WRITING",
    "Counts",
    "Journal",
    "LostPortionError",
    "Nothing",
    "Portion",
    "Run",
    "at_work_error",
    "is_free",
    "other_declaration_error",
    "rivals",
]

WRITING = frozenset({"backfill", "undo", "finish"})  # the steps that write, of which one is done at a time
_SKEW = 5.0  # seconds that the clocks of two machines may differ


class LostPortionError(Exception):
    """A portion was taken over by another worker, or its run was begun again: this worker goes elsewhere."""


class Nothing(enum.Enum):
    """Why there is no portion to work at."""

    DONE = "done"  # all portions are
    WAIT = "wait"  # others are at work at the last ones
    PAUSED = "paused"  # somebody asked all to stop


class Counts(NamedTuple):
    """Units that were looked at, that were changed, and that could not be."""

    done: int
    changed: int
    failed: int


_NOTHING = Counts(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Run:
    """A step over one part, as it is written down.

    Attributes:
        about: what it was begun for: `Source.describe`, and the options that change what is written.
        total: units, about, at its beginning.
        done, changed, failed: of them so far, in all processes.
        began, ended: seconds since 1970; None if it has not.
        paused: somebody asked all to stop.
        workers: who has a portion that is not finished.
    """

    step: str
    part: str
    about: str
    total: int
    done: int
    changed: int
    failed: int
    began: float
    ended: float | None = None
    paused: bool = False
    workers: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """One word for it: running, stopped (nobody is at work), paused, done or failed."""
        if self.ended is None:
            return "paused" if self.paused else "running" if self.workers else "stopped"
        return "failed" if self.failed else "done"

    def is_resumed(self, about: str, *, restart: bool) -> bool:
        """Return True if whoever begins the step goes on with this run, and False if there is to be a new one.

        Raises:
            ConfigurationError: it was begun about something else (`other_declaration_error`).
        """
        if self.ended is not None or restart:
            return False
        if self.about != about:
            raise other_declaration_error(self.part, self, about)
        return True


@dataclass(frozen=True, slots=True)
class Portion:
    """Units that one worker works at: a range of keys, or a segment.

    Attributes:
        position: what is done of it, in the form of `Page.position`; None: nothing is.
        until: where it ends, in the store's form; None: with the last unit.
        counts: of what is done of it.
    """

    run: Run
    number: int
    position: Any = None
    until: Any = None
    counts: Counts = _NOTHING

    def behind(self, position: Any, more: Counts) -> Portion:
        """Return what is left of it when it is done up to a position."""
        counts = Counts(*(one + other for one, other in zip(self.counts, more, strict=True)))
        return replace(self, position=self.position if position is None else position, counts=counts)


class Journal(Protocol):
    """How far the steps over one part are, written down in the database of its data.

    At any time one of the steps that write (`WRITING`) has portions, of each part: `begin` refuses while another one
    of them is at work (`at_work_error`), and `claim` looks again where two may have begun at once.

    Attributes:
        lease: seconds after which a portion of which nothing was heard is anybody's.
    """

    lease: float

    def exists(self) -> bool:
        """Return True if there is a place to write to."""
        ...

    def create(self) -> None:
        """Make the place unless there is one, also if others make it at the same time.

        A store whose place is made by its administrator does nothing here, and tells in `Source.problems`.
        """

    def runs(self) -> Sequence[Run]:
        """Return all steps that were begun."""
        ...

    def find(self, step: str) -> Run | None:
        """Return a step that was begun, with all that its portions have counted so far."""
        ...

    def begin(self, step: str, about: str, total: int, *, restart: bool, drops: Sequence[str]) -> Run:
        """Return the run of a step that is to be worked at: one that was begun, or a new one (`Run.is_resumed`).

        One that is resumed is not paused any more. Either way the runs of the steps in `drops` are forgotten in the
        same transaction: they look the other way.

        Raises:
            ConfigurationError: another step that writes is at work, or another worker at this one and `restart` was
                said (`at_work_error`); or what was begun was about something else.
        """
        ...

    def note(self, run: Run, counts: Counts) -> bool:
        """Write down that a run was done in one piece; return False if it was forgotten meanwhile."""
        ...

    def claim(self, run: Run, worker: str, units: int) -> Portion | Nothing:
        """Return a portion to work at, leased to a worker; the run ends when there is none left to be done.

        A portion whose lease is free (`is_free`) goes on behind what is done of it. A new one has so many units, where
        the store makes them as they are asked for.

        Raises:
            ConfigurationError: another step that writes has a portion (`at_work_error`).
        """
        ...

    def goes_on(self, run: Run) -> bool:
        """Return False if somebody asked all to stop; called before each page.

        Raises:
            MigrationError: another region has taken the run over.
        """
        ...

    def hold(self, batch: Any, portion: Portion, worker: str) -> None:
        """Prolong the lease of a worker's portion: in a batch of `Source.transact`, or by itself if that is None.

        In a transaction nobody else has it until that ends.

        Raises:
            LostPortionError: it is another worker's by now, or is finished, or the run was forgotten.
        """

    def advance(self, batch: Any, portion: Portion, worker: str, counts: Counts, *, finished: bool) -> None:
        """Write down how far a portion is, with the units where the store has transactions, and after them elsewhere.

        Args:
            portion: as it is now, behind what was done.
            counts: what was done since it was last written down.
            finished: nothing is left of it.

        Raises:
            LostPortionError: as for `hold`.
        """

    def release(self, run: Run, worker: str) -> None:
        """Give up what a worker has of a run, which did not come to its end, so that nobody waits for its lease.

        If the store is away, it does nothing and raises nothing: the lease ends by itself, and what stopped the worker
        is the error to be told.
        """

    def pause(self) -> None:
        """Have all workers of all steps stop at their next checkpoint, and those that wait."""


def is_free(worker: str | None, leased_until: float, now: float, lease: float) -> bool:
    """Return True if a portion is nobody's: never leased, released, expired, or its process is no more.

    A lease that ends later than one that begins now is the mistake of a clock, and has ended.
    """
    return worker is None or leased_until < now or leased_until > now + lease + _SKEW or is_dead(worker)


def rivals(step: str) -> frozenset[str]:
    """Return the steps that must not be at work while a step is."""
    return WRITING - {step} if step in WRITING else frozenset({"undo"} if step == "mend" else ())


def at_work_error(part: str, step: str, worker: str, lease: float) -> ConfigurationError:
    """Return the error of a step that cannot begin because somebody is at work."""
    return ConfigurationError(
        f"{part}: the {step} is being done by {worker}: wait for its end, or pause it; if that process is no "
        f"more, wait {lease:.0f} seconds and run this again"
    )


def other_declaration_error(part: str, old: Run, about: str) -> ConfigurationError:
    """Return the error of a step that was begun for something else."""
    return ConfigurationError(
        f"{part}: the {old.step} was begun for {old.about}, and is now for {about}: finish it as it was, or say "
        "restart=True to begin it again; what is done stays done"
    )

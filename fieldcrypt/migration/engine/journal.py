"""The journal of a migration: how far each step is, as a store writes it down."""

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

WRITING = frozenset({"backfill", "undo", "finish", "drop"})  # the steps that write; only one is done at a time
_SKEW = 5.0  # seconds that the clocks of two machines may differ


class LostPortionError(Exception):
    """A portion was taken over by another worker, or its run was started again: this worker turns to another."""


class Nothing(enum.Enum):
    """Why there is no portion to work on."""

    DONE = "done"  # all portions are done
    WAIT = "wait"  # others are working on the last ones
    PAUSED = "paused"  # all were asked to stop


class Counts(NamedTuple):
    """How many units were examined, changed, and failed."""

    done: int
    changed: int
    failed: int


_NOTHING = Counts(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Run:
    """A step over one part, as the journal has it.

    Attributes:
        about: what it was begun for: `Source.describe`, and the options that change what is written.
        total: units, about, at its beginning.
        done, changed, failed: of them so far, in all processes.
        began, ended: seconds since 1970; None if it has not.
        paused: True if all were asked to stop.
        workers: those with a portion that is not finished.
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
        """Its state: running, stopped (no worker is at work), paused, done or failed."""
        if self.ended is None:
            return "paused" if self.paused else "running" if self.workers else "stopped"
        return "failed" if self.failed else "done"

    def is_resumed(self, about: str, *, restart: bool) -> bool:
        """Return True if this run is to be resumed, and False if a new one is to be started.

        Raises:
            ConfigurationError: it was begun for another declaration (`other_declaration_error`).
        """
        if self.ended is not None or restart:
            return False
        if self.about != about:
            raise other_declaration_error(self.part, self, about)
        return True


@dataclass(frozen=True, slots=True)
class Portion:
    """Units that one worker works on: a range of keys, or a segment.

    Attributes:
        position: how much of it is done, in the form of `Page.position`; None: nothing.
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

    At any time one of the steps that write (`WRITING`) has portions, of each part. `begin` refuses while another one
    of them is at work (`at_work_error`), and `claim` looks again where two may have begun at once.

    Attributes:
        lease: seconds without a sign of life after which any worker may take a portion over.
    """

    lease: float

    def exists(self) -> bool:
        """Return True if the journal exists in the store."""
        ...

    def create(self) -> None:
        """Create the journal unless it exists, even if others create it at the same time.

        A store whose place is made by its administrator does nothing here, and tells in `Source.problems`.
        """

    def runs(self) -> Sequence[Run]:
        """Return all steps that were begun."""
        ...

    def find(self, step: str) -> Run | None:
        """Return a step that was begun, with everything that its portions have counted so far."""
        ...

    def begin(self, step: str, about: str, total: int, *, restart: bool, drops: Sequence[str]) -> Run:
        """Return the run of a step to work on: one that was begun, or a new one (`Run.is_resumed`).

        One that is resumed is not paused any more. Either way the runs of the steps in `drops` are forgotten in the
        same transaction: they look the other way.

        Raises:
            ConfigurationError: another step that writes is at work, or another worker is at this one and `restart` is
                True (`at_work_error`); or it was begun for another declaration.
        """
        ...

    def note(self, run: Run, counts: Counts) -> bool:
        """Note that a run was done in one piece; return False if it was forgotten meanwhile."""
        ...

    def claim(self, run: Run, worker: str, units: int) -> Portion | Nothing:
        """Return a portion to work on, leased to a worker; the run ends when none is left.

        A portion whose lease is free (`is_free`) goes on behind what is done of it. A new one has so many units, where
        the store makes them as they are asked for.

        Raises:
            ConfigurationError: another step that writes has a portion (`at_work_error`).
        """
        ...

    def goes_on(self, run: Run) -> bool:
        """Return False if all were asked to stop; called before each page.

        Raises:
            MigrationError: another region has taken the run over.
        """
        ...

    def hold(self, batch: Any, portion: Portion, worker: str) -> None:
        """Prolong the lease of a worker's portion: in a batch of `Source.transact`, or by itself if that is None.

        In a transaction nobody else has it until that ends.

        Raises:
            LostPortionError: it is another worker's now, or is finished, or the run was forgotten.
        """

    def advance(self, batch: Any, portion: Portion, worker: str, counts: Counts, *, finished: bool) -> None:
        """Note how far a portion is: in the transaction of its units where the store has transactions, else after them.

        Args:
            portion: as it is now, behind what was done.
            counts: what was done since it was last written down.
            finished: nothing is left of it.

        Raises:
            LostPortionError: as for `hold`.
        """

    def release(self, run: Run, worker: str) -> None:
        """Release a worker's portion of an unfinished run, so that others need not wait for its lease.

        If the store is away, it does nothing and raises nothing: the lease ends by itself, and what stopped the worker
        is the error to report.
        """

    def pause(self) -> None:
        """Ask all workers of all steps to stop at their next checkpoint, including those that wait."""


def is_free(worker: str | None, leased_until: float, now: float, lease: float) -> bool:
    """Return True if no worker holds a portion: never leased, released, expired, or its process has ended.

    A lease that ends later than one that begins now comes from a wrong clock, and has ended.
    """
    return worker is None or leased_until < now or leased_until > now + lease + _SKEW or is_dead(worker)


def rivals(step: str) -> frozenset[str]:
    """Return the steps that must not be at work while a step is."""
    return WRITING - {step} if step in WRITING else frozenset({"undo"} if step == "mend" else ())


def at_work_error(part: str, step: str, worker: str, lease: float) -> ConfigurationError:
    """Return the error of a step that cannot begin because another worker is at work."""
    return ConfigurationError(
        f"{part}: the {step} is being done by {worker}: wait for its end, or pause it; if that process has "
        f"ended, wait {lease:.0f} seconds and run this again"
    )


def other_declaration_error(part: str, old: Run, about: str) -> ConfigurationError:
    """Return the error of a step that was begun for another declaration."""
    return ConfigurationError(
        f"{part}: the {old.step} was begun for {old.about}, and is now for {about}: finish it as it was, or set "
        "restart=True to start it again; what is done stays done"
    )

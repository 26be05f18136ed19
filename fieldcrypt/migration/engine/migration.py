"""A migration: the steps, as a program calls them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from threading import Event

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration.engine.backfill import Backfill, texts_of, waiting
from fieldcrypt.migration.engine.defects import StatusCounts
from fieldcrypt.migration.engine.erasure import ErasesIndexes
from fieldcrypt.migration.engine.journal import Counts
from fieldcrypt.migration.engine.runner import Part
from fieldcrypt.migration.engine.steps import Finish, Step, Undo
from fieldcrypt.migration.engine.unit import ProtectedField, UnitError
from fieldcrypt.migration.engine.worker import Worker
from fieldcrypt.migration.failures import Failures
from fieldcrypt.migration.job import OnProgress
from fieldcrypt.migration.reports import (
    MAX_FAILURES,
    Key,
    MigrationPlan,
    MigrationStatus,
    StepReport,
    StepStatus,
    VerifyReport,
    skipped,
)
from fieldcrypt.migration.sample import Sample
from fieldcrypt.migration.workers import Pace, work_together, worker_name
from fieldcrypt.mixed_mode.value_status import ValueStatus
from fieldcrypt.progress import Meter
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["StoredMigration"]

_LOOKED_AT = ("rows", "total", "left")


class StoredMigration(ErasesIndexes):
    """The steps of a migration over the parts that a store has made.

    Args:
        name: what the checkpoints are kept under.
        parts: at least one.
    """

    def __init__(self, name: str, parts: Sequence[Part]) -> None:
        self.name = name
        self._parts = parts

    def translated_errors(self, step: str) -> AbstractContextManager[None]:
        """Return a context manager that translates the store's own exceptions into the errors of a migration.

        Raises:
            MigrationError: the store refuses, or was lost.
            ConfigurationError: it has changed since the step began.
        """
        return nullcontext()

    def check_workers(self, workers: int) -> None:
        """Raise ConfigurationError if so many threads cannot work on the store."""

    @discreet
    def plan(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> MigrationPlan:
        """Return what the values are, and which schema change is needed first. Locks and writes nothing.

        Args:
            sample: examine a random sample of units. Default: all.
            on_progress: is called after each page.

        Raises:
            MigrationError: the store refuses.
            KeyProviderError, KeyStoreError: keys cannot be had.
        """
        with self.translated_errors("plan"):
            needed = tuple(problem for part in self._parts for problem in part.source.problems("plan"))
            if any(part.source.problems("look") for part in self._parts):
                return MigrationPlan(0, 0, {}, {}, needed)
            cautions = tuple(each for part in self._parts for each in part.source.cautions())
            meter = self._meter("plan", on_progress)
            looks = [part.look(sample, meter, partial(StatusCounts, part.source)) for part in self._parts]
        rows, total, left = (sum(getattr(look, name) for look in looks) for name in _LOOKED_AT)
        fields: dict[str, Counter[ValueStatus]] = {}
        stale_tags, passed_over = Counter[str](), Counter[str]()
        for kinds in (look.found for look in looks):
            fields |= kinds.counts
            stale_tags += kinds.stale_tags
            passed_over += kinds.passed_over
        remarks = (*cautions, *self._left_out, *waiting(self._fields, (look.found.settling for look in looks)))
        stale_seals = sum(look.found.stale_seals for look in looks)
        return MigrationPlan(rows, total, fields, stale_tags, needed, left, passed_over, remarks, stale_seals)

    @discreet
    def backfill(
        self,
        *,
        workers: int = 1,
        batch: int = 1000,
        rate: float | None = None,
        restart: bool = False,
        mend: bool = False,
        newer_plaintext: bool | Collection[Key | str] = False,
        on_progress: OnProgress = None,
    ) -> StepReport:
        """Encrypt values that are not protected as declared, and set the blind index tags.

        A unit is written only if it has not changed since it was read, so no concurrent write is lost. A protected
        field that is filled from another, and already has a value, keeps that value: it is re-encrypted if it is under
        an old key, a previous declaration or another scheme. Keys are fetched while nothing is locked.

        Args:
            workers: number of threads; other processes may work on it too.
            batch: units per transaction and checkpoint.
            rate: units per second, of all workers of this process together.
            restart: start again, whatever was begun.
            mend: encrypt the plaintext next to a value that does not open, as is necessary after rows were moved to
                another key or tenant meanwhile. Do not set it if the plaintext is out of date.
            newer_plaintext: where the plaintext next to an encrypted value differs, it is newer: encrypt it. True for
                all units, or the keys of units as `verify` reported them: if these no longer have plaintext, their
                values are removed, and keys that no unit has are failures. It always starts again.
            on_progress: is called after each batch, by one worker at a time.

        Raises:
            ValueError: `batch` or `workers` is less than 1.
            ConfigurationError: tables or fields are not as declared, it was begun for another declaration, or another
                step is at work.
            MigrationError: the store refuses, or was lost. What is done stays; run it again to go on.
            KeyProviderError, KeyStoreError: keys cannot be had; likewise.
        """
        newer = newer_plaintext if isinstance(newer_plaintext, bool) else texts_of(newer_plaintext) or False
        step = Backfill(mend, newer)
        report = self._run(step, on_progress, workers=workers, batch=batch, rate=rate, restart=restart or bool(newer))
        return report._replace(remarks=waiting(self._fields, (step.settling,)))

    @discreet
    def verify(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> VerifyReport:
        """Decrypt all units, or a sample, and compare them with any plaintext next to them. Locks nothing.

        Values that were encrypted in place have nothing to compare with: two exchanged values are found if they are
        bound to their units, or by their blind index tags.

        Args:
            sample: examine a random sample of units. Default: all, as `finish` requires.
            on_progress: is called after each page.

        Raises:
            As `plan`; ConfigurationError if tables or fields are not as declared.
        """
        with self.translated_errors("verify"):
            self._check("verify", self._parts)
            meter = self._meter("verify", on_progress)
            looks = [part.verify(sample, meter) for part in self._parts]
        rows, total, left = (sum(getattr(look, name) for look in looks) for name in _LOOKED_AT)
        wrong, differing = (sum(getattr(look.found, name) for look in looks) for name in ("wrong", "differing"))
        reasons: dict[Key, str] = {}
        for look in looks:
            for key, reason in islice(look.found.reasons.items(), MAX_FAILURES - len(reasons)):
                reasons[key] = f"{reasons[key]}; {reason}" if key in reasons else reason
        passed_over = sum((look.found.passed_over for look in looks), Counter[str]())
        remarks = (*self._left_out, *skipped(passed_over))
        return VerifyReport(rows, wrong, reasons, sample, total, left, differing, remarks)

    @discreet
    def finish(self, *, batch: int = 1000, stale_plaintext: bool = False, on_progress: OnProgress = None) -> StepReport:
        """Remove plaintext wherever the encrypted field next to it has the same value. This cannot be undone.

        Run it when no process reads or writes the plaintext any more. Plaintext that differs from the encrypted value
        may be newer, and stays: that is a failure. The report says what is left to do to schema and declaration. An
        interrupted finish goes over everything again.

        Args:
            batch: units per transaction.
            stale_plaintext: remove plaintext that differs too, because it is out of date: all writers have used the
                encrypted field.
            on_progress: is called after each batch.

        Raises:
            ConfigurationError: `verify` has not examined all units since the backfill, or found defects; with
                `stale_plaintext`, defects other than plaintext that differs.
            As `backfill`.
        """
        report = self._run(Finish(stale_plaintext), on_progress, batch=batch, restart=True)
        if report.failed or not report.complete:
            return report
        remarks = dict.fromkeys(each for part in self._parts for each in part.source.remarks())
        return report._replace(remarks=(*self._left_out, *remarks))

    @discreet
    def undo(self, *, batch: int = 1000, on_progress: OnProgress = None) -> StepReport:
        """Undo a backfill: empty the new field, or decrypt in place. Units that would lose data stay as they are.

        It is complete if no protected value is left. The application must write plaintext again by then, or it adds
        more.

        Raises:
            ConfigurationError: it is finished; or there is no form to go back to.
            As `backfill`.
        """
        return self._run(Undo(), on_progress, batch=batch)

    def pause(self) -> None:
        """Stop all processes at their next checkpoint; running the step again resumes it."""
        with self.translated_errors("pause"):
            for _, journal in self._parts:
                if journal.exists():
                    journal.pause()

    def status(self) -> MigrationStatus:
        """Return how far each step is, and which workers are at work."""
        with self.translated_errors("status"):
            runs = [run for _, journal in self._parts if journal.exists() for run in journal.runs()]
        found = (StepStatus._make(getattr(run, name) for name in StepStatus._fields) for run in runs)
        steps = sorted((each._replace(total=max(each.total, each.done)) for each in found), key=lambda each: each.began)
        return MigrationStatus(self.name, tuple(steps))

    def _run(
        self,
        step: Step,
        on_progress: OnProgress,
        parts: Sequence[Part] | None = None,
        *,
        workers: int = 1,
        batch: int,
        rate: float | None = None,
        restart: bool = False,
    ) -> StepReport:
        """Let workers do a step on parts, by default all, and let the store count what is left."""
        parts = self._parts if parts is None else parts
        if batch < 1 or workers < 1:
            raise ValueError("batch and workers are at least 1")
        pace = Pace(rate)
        if rate is not None:
            batch = min(batch, max(1, int(rate)))  # so that a page takes a second, and not the time of a lease
        self.check_workers(workers)
        with self.translated_errors(step.name):
            self._check(step.name, parts)
            for source, journal in parts:
                step.check(source, journal)
            failures, stop = Failures(), Event()
            runs = [part.begin(step, restart=restart) for part in parts]
            done, changed, failed = (sum(getattr(run, name) for run in runs) for name in Counts._fields)
            meter = Meter(step.name, sum(run.total for run in runs), done, changed, failed, on_progress)
            for part, run in zip(parts, runs, strict=True):
                made = [
                    Worker(part, step, worker_name(number), batch, pace, meter, failures, stop)
                    for number in range(workers)
                ]
                work_together([partial(worker.run, run) for worker in made], stop)
            ended = [part.ended(step, run) for part, run in zip(parts, runs, strict=True)]
        known = [run for run, _ in ended if run is not None]
        done, changed, failed = (sum(getattr(run, name) for run in known) for name in Counts._fields)
        total, left = (sum(counted[at] for _, counted in ended) for at in range(2))
        is_dropped = len(known) < len(ended)
        has_ended = not is_dropped and all(run.ended is not None for run in known)
        if is_dropped:
            done, changed, failed = meter.counts
        for key in step.unmet() if has_ended else ():
            failures.add(key, UnitError("there is no such row"))
            failed += 1
        is_complete = has_ended and left == 0
        return StepReport(done, changed, failed, failures.found, is_complete, (), total, left, is_dropped)

    def _check(self, step: str, parts: Sequence[Part]) -> None:
        """Raise an error if a step cannot be done, before anything is; else create the journal."""
        found = [problem for part in parts for problem in part.source.problems(step)]
        if found:
            raise ConfigurationError("; ".join(dict.fromkeys(found)))
        for _, journal in parts:
            journal.create()

    @property
    def _left_out(self) -> tuple[str, ...]:
        return tuple(each for part in self._parts for each in part.source.left_out())

    @property
    def _fields(self) -> Iterator[ProtectedField]:
        return (field for part in self._parts for field in part.source.fields)

    def _meter(self, step: str, on_progress: OnProgress) -> Meter:
        return Meter(step, sum(part.source.estimate() for part in self._parts), on_progress=on_progress)

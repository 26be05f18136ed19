"""A migration of a model: the steps, as a program calls them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import (
    Meter,
    MigrationPlan,
    MigrationStatus,
    Pace,
    Progress,
    Sample,
    StepReport,
    VerifyReport,
    worker_name,
)
from fieldcrypt.schemes import OldReader
from fieldcrypt_sqlalchemy.migration.checkpoints import Checkpoints
from fieldcrypt_sqlalchemy.migration.errors import MigrationError, in_words
from fieldcrypt_sqlalchemy.migration.looking import Counts, Verification, rows_of
from fieldcrypt_sqlalchemy.migration.part import Part
from fieldcrypt_sqlalchemy.migration.parts import parts_of
from fieldcrypt_sqlalchemy.migration.remarks import after_finish
from fieldcrypt_sqlalchemy.migration.run import Run
from fieldcrypt_sqlalchemy.migration.schema import problems
from fieldcrypt_sqlalchemy.migration.steps import Backfill, Finish, Step, Undo
from fieldcrypt_sqlalchemy.migration.worker import Failures, Worker

__all__ = ["Migration"]

_COUNTED = ("total", "done", "changed", "failed")

OnProgress = Callable[[Progress], object] | None


class Migration:
    """Takes the protected columns of a model from what is stored to what is declared, while others read and write.

        migration = Migration(engine, Patient, {"ssn_plain": "ssn"})   # into a new column
        migration = Migration(engine, Patient)                         # in place: also after a rotation

    Every step can be interrupted, killed, run by several processes at once, and repeated: what is done is written down
    in the same transaction, in the tables `fieldcrypt_migrations` and `fieldcrypt_migration_ranges` of the database.
    With an AsyncEngine: `await connection.run_sync(lambda sync: Migration(sync.engine, Patient).backfill())`.

    Args:
        engine: where the rows are.
        model: a mapped class, with those derived from it, or a Table.
        copies: from which plaintext attribute to which protected one. None: all protected ones are migrated in place,
            from what their `Encrypted(…, accept_plaintext=…, accept=…)` accepts.
        readers: read values of another scheme in the plaintext columns.
        name: what its checkpoints are kept under. Default: the name of the model's table.

    Raises:
        ConfigurationError: there are no such attributes, or the table has no primary key.
    """

    def __init__(
        self,
        engine: Engine,
        model: Any,
        copies: Mapping[str, str] | None = None,
        *,
        readers: Sequence[OldReader[Any]] = (),
        name: str | None = None,
    ) -> None:
        self._engine = engine
        self._copies = dict(copies or {})
        self._parts = parts_of(model, self._copies, readers, engine.dialect)
        self.name = name or self._parts[0].name
        self._checkpoints = Checkpoints(engine, self.name)

    def plan(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> MigrationPlan:
        """Say what the values are, and what has to be done to the schema before. Locks and writes nothing.

        Args:
            sample: look at so many rows, at random. Default: at all.
            on_progress: is called after each page.

        Raises:
            MigrationError: the database refuses.
            KeyProviderError, KeyStoreError: keys cannot be had.
        """
        with self._in_words("plan"):
            needed = problems(self._engine, self._parts, "plan")
            counts, totals = Counts(), self._totals() if not needed else {}
            meter = Meter("plan", sum(totals.values()), on_progress=on_progress)
            for part in self._parts if not needed else ():
                for row in rows_of(self._engine, part, totals[part.name], sample, meter):
                    counts.add(part, row)
        return MigrationPlan(counts.rows, sum(totals.values()), counts.kinds, counts.stale_tags, tuple(needed))

    def backfill(
        self,
        *,
        workers: int = 1,
        batch: int = 1000,
        rate: float | None = None,
        restart: bool = False,
        on_progress: OnProgress = None,
    ) -> StepReport:
        """Encrypt what is not protected as it is declared, and set the blind index tags.

        A row is changed as it is when it is locked: nothing that somebody else has written is lost. Nor is a column
        overwritten that is filled, if it is filled from another. Keys are fetched while nothing is locked.

        Args:
            workers: threads that work at it; other processes may work at it too.
            batch: rows a transaction, and a checkpoint.
            rate: rows a second, of all workers of this process.
            restart: begin anew, whatever was begun.
            on_progress: is called after each batch, by one worker at a time.

        Raises:
            ValueError: a batch is a row at least, and so are the workers.
            ConfigurationError: tables or columns are not as the model says; or it was begun as something else.
            MigrationError: the database refuses, or was lost. What is done stays; run it again to go on.
            KeyProviderError, KeyStoreError: keys cannot be had; likewise.
        """
        return self._run(Backfill(), workers, batch, rate, on_progress, restart=restart)

    def verify(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> VerifyReport:
        """Decrypt all rows, or some, and compare: with the plaintext, where there is a column of it. Locks nothing.

        What was encrypted in place has nothing to be compared with: two values that were exchanged are found if they
        are bound to their rows, or by their blind index tags.

        Args:
            sample: look at so many rows, at random. Default: at all, which `finish` asks for.
            on_progress: is called after each page.

        Raises:
            As `plan`; ConfigurationError if tables or columns are not as the model says.
        """
        verification = Verification()
        with self._in_words("verify"):
            self._check("verify")
            totals = self._totals()
            meter = Meter("verify", sum(totals.values()), on_progress=on_progress)
            for part in self._parts:
                before = verification.wrong, verification.rows
                run = None if sample is not None else self._begin("verify", part, restart=True)
                for row in rows_of(self._engine, part, totals[part.name], sample, meter):
                    verification.add(part, row)
                if run is not None:
                    rows, wrong = verification.rows - before[1], verification.wrong - before[0]
                    self._checkpoints.note(replace(run, done=rows, failed=wrong))
        return VerifyReport(verification.rows, verification.wrong, verification.reasons, sample)

    def finish(self, *, batch: int = 1000, on_progress: OnProgress = None) -> StepReport:
        """Remove the plaintext: of plaintext columns, wherever the encrypted one can be read. There is no way back.

        For when no process is left that reads or writes the plaintext column. What is left to be done to schema and
        declaration is in the report.

        Raises:
            ConfigurationError: `verify` has not looked at all rows since the backfill, or found something.
            As `backfill`.
        """
        with self._in_words("finish"):
            self._check("finish")
            for part in self._parts:
                self._check_verified(part)
        report = self._run(Finish(), 1, batch, None, on_progress)
        if report.failed or not report.complete:
            return report
        return report._replace(remarks=after_finish(self._parts, self._engine.dialect.name))

    def undo(self, *, batch: int = 1000, on_progress: OnProgress = None) -> StepReport:
        """Take back what a backfill did: empty the new column, or decrypt in place. Rows that would lose by it stay.

        Raises:
            ConfigurationError: it is finished; or there is no form to go back to.
            As `backfill`.
        """
        with self._in_words("undo"):
            self._check("undo")
            for part in self._parts:
                self._check_can_undo(part)
                for step in ("backfill", "verify"):
                    self._checkpoints.drop(step, part.name)
        return self._run(Undo(), 1, batch, None, on_progress)

    def pause(self) -> None:
        """Have all processes stop at their next checkpoint; whoever runs the step again goes on."""
        self._checkpoints.pause()

    def status(self) -> MigrationStatus:
        """Say how far the steps are, and who is at work."""
        if not self._checkpoints.exist():
            return MigrationStatus(self.name, ())
        return self._checkpoints.status()

    # What steps have in common

    def _run(
        self,
        step: Step,
        workers: int,
        batch: int,
        rate: float | None,
        on_progress: OnProgress,
        *,
        restart: bool = False,
    ) -> StepReport:
        if batch < 1 or workers < 1:
            raise ValueError("a batch is a row at least, and there is a worker at least")
        if workers > 1 and self._engine.dialect.is_async:
            raise ConfigurationError("with an AsyncEngine there is one worker: run the step in several processes")
        failures, stop, pace = Failures(), Event(), Pace(rate)
        with self._in_words(step.name):
            self._check(step.name)
            runs = [(part, self._begin(step.name, part, restart=restart)) for part in self._parts]
            counted = {name: sum(getattr(run, name) for _, run in runs) for name in _COUNTED}
            meter = Meter(step.name, **counted, on_progress=on_progress)
            for part, run in runs:
                made = [
                    Worker(
                        self._engine,
                        self._checkpoints,
                        step,
                        part,
                        worker_name(number),
                        batch,
                        pace,
                        meter,
                        failures,
                        stop,
                    )
                    for number in range(workers)
                ]
                _work(made, run, stop)
            ended = [self._checkpoints.find(step.name, part.name) for part, _ in runs]
        known = [run for run in ended if run is not None]
        rows, changed, failed = (sum(getattr(run, name) for run in known) for name in _COUNTED[1:])
        complete = all(run.ended is not None for run in known) and len(known) == len(runs)
        return StepReport(rows, changed, failed, failures.found, complete)

    def _begin(self, step: str, part: Part, *, restart: bool = False) -> Run:
        return self._checkpoints.begin(step, part, _about(part), restart=restart)

    def _totals(self) -> dict[str, int]:
        with self._engine.connect() as connection:
            return {part.name: part.count(connection) for part in self._parts}

    def _check(self, step: str) -> None:
        """Raise what keeps a step from being done, before anything is; and make the tables for checkpoints."""
        found = problems(self._engine, self._parts, step)
        if found:
            raise ConfigurationError("; ".join(found))
        self._checkpoints.create()

    def _check_verified(self, part: Part) -> None:
        backfill, verify = (self._checkpoints.find(step, part.name) for step in ("backfill", "verify"))
        if (
            verify is None
            or verify.ended is None
            or (backfill is not None and verify.began < (backfill.ended or time.time()))
        ):
            raise ConfigurationError(f"{part.name}: verify all rows first, after the backfill is done")
        if verify.failed:
            raise ConfigurationError(
                f"{part.name}: verify found {verify.failed:,} rows that are not as they should be: mend them, and "
                "verify again"
            )

    def _check_can_undo(self, part: Part) -> None:
        backfill, finish = (self._checkpoints.find(step, part.name) for step in ("backfill", "finish"))
        if finish is not None and (backfill is None or backfill.began <= finish.began):
            raise ConfigurationError(f"{part.name}: the migration is finished, or about to be: there is no way back")
        for column in part.columns:
            accepted = column.type.accepted
            if column.plain is None and (accepted is None or not accepted.takes_plaintext()):
                raise ConfigurationError(
                    f"{part.name}.{column.name} was encrypted in place, and accepts no plaintext to go back to: what "
                    "is encrypted anew, or of another scheme, stays as it is"
                )

    @contextmanager
    def _in_words(self, step: str) -> Iterator[None]:
        """Say what the database said, and what is wrong with the tables if they changed meanwhile."""
        try:
            yield
        except DBAPIError as error:
            refused, reason = error, in_words(error)
        else:
            return
        try:
            found = problems(self._engine, self._parts, step)
        except DBAPIError:
            found = []
        if found:
            raise ConfigurationError(
                f"{step} was stopped, for the tables are not as the model says: {'; '.join(found)}. What is done stays"
            ) from refused
        raise MigrationError(
            f"{self.name}: the database stopped the {step}: {reason}. What is done stays; run it again to go on"
        ) from refused


def _about(part: Part) -> str:
    """Say what a run is about, so that one that was begun is not gone on with as another."""
    columns = ", ".join(f"{each.name} ({each.type.name})" for each in part.columns)
    key = ", ".join(f"{each.name} {type(each.type).__name__}" for each in part.key)
    return f"{columns} by {key}"


def _work(workers: Sequence[Worker], run: Run, stop: Event) -> None:
    """Have workers work until all are done; what one raises stops the others at their next checkpoint."""
    if len(workers) == 1:
        workers[0].run(run)
        return

    def work(worker: Worker) -> None:
        try:
            worker.run(run)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(len(workers), thread_name_prefix="fieldcrypt") as pool:
        futures = [pool.submit(work, worker) for worker in workers]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            raise

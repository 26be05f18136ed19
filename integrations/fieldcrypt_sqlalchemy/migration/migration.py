"""A migration of a model: the steps, as a program calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from fieldcrypt.migration import (
    Meter,
    MigrationPlan,
    MigrationStatus,
    Sample,
    StepReport,
    VerifyReport,
)
from fieldcrypt.migration.job import OnProgress
from fieldcrypt.schemes import OldReader
from fieldcrypt_sqlalchemy.migration.checkpoints import Checkpoints
from fieldcrypt_sqlalchemy.migration.guards import check_can_undo, check_verified
from fieldcrypt_sqlalchemy.migration.looking import Counts, Verification, rows_of
from fieldcrypt_sqlalchemy.migration.parts import parts_of
from fieldcrypt_sqlalchemy.migration.remarks import after_finish
from fieldcrypt_sqlalchemy.migration.runner import Runner
from fieldcrypt_sqlalchemy.migration.schema import problems
from fieldcrypt_sqlalchemy.migration.steps import Backfill, Finish, Undo

__all__ = ["Migration"]


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
        # What others have committed is seen when a row is locked, and MySQL locks no more than the rows.
        isolation = "SERIALIZABLE" if engine.dialect.name == "sqlite" else "READ COMMITTED"
        self._engine = engine = engine.execution_options(isolation_level=isolation)
        self._copies = dict(copies or {})
        self._parts = parts_of(model, self._copies, readers, engine.dialect)
        self.name = name or self._parts[0].name
        self._checkpoints = Checkpoints(engine, self.name)
        self._runner = Runner(engine, self.name, self._checkpoints, self._parts)

    def plan(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> MigrationPlan:
        """Say what the values are, and what has to be done to the schema before. Locks and writes nothing.

        Args:
            sample: look at so many rows, at random. Default: at all.
            on_progress: is called after each page.

        Raises:
            MigrationError: the database refuses.
            KeyProviderError, KeyStoreError: keys cannot be had.
        """
        with self._runner.in_words("plan"):
            needed = problems(self._engine, self._parts, "plan")
            counts, totals = Counts(), self._runner.totals() if not needed else {}
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
        return self._runner.run(Backfill(), workers, batch, rate, on_progress, restart=restart)

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
        with self._runner.in_words("verify"):
            self._runner.check("verify")
            totals = self._runner.totals()
            meter = Meter("verify", sum(totals.values()), on_progress=on_progress)
            for part in self._parts:
                before = verification.wrong, verification.rows
                run = None if sample is not None else self._runner.begin("verify", part, restart=True)
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
        with self._runner.in_words("finish"):
            self._runner.check("finish")
            for part in self._parts:
                check_verified(self._checkpoints, part)
        report = self._runner.run(Finish(), 1, batch, None, on_progress)
        if report.failed or not report.complete:
            return report
        return report._replace(remarks=after_finish(self._parts, self._engine.dialect.name))

    def undo(self, *, batch: int = 1000, on_progress: OnProgress = None) -> StepReport:
        """Take back what a backfill did: empty the new column, or decrypt in place. Rows that would lose by it stay.

        Raises:
            ConfigurationError: it is finished; or there is no form to go back to.
            As `backfill`.
        """
        with self._runner.in_words("undo"):
            self._runner.check("undo")
            for part in self._parts:
                check_can_undo(self._checkpoints, part)
                for step in ("backfill", "verify"):
                    self._checkpoints.drop(step, part.name)
        return self._runner.run(Undo(), 1, batch, None, on_progress)

    def pause(self) -> None:
        """Have all processes stop at their next checkpoint; whoever runs the step again goes on."""
        with self._runner.in_words("pause"):
            if self._checkpoints.exist():
                self._checkpoints.pause()

    def status(self) -> MigrationStatus:
        """Say how far the steps are, and who is at work."""
        if not self._checkpoints.exist():
            return MigrationStatus(self.name, ())
        return self._checkpoints.status()

    def values_under(self, key_id: bytes) -> dict[str, int]:
        """Return how many values of each column are under a data key; nothing of those that have none.

        The database counts: it reads the whole table, and nothing is decrypted.

        Raises:
            MigrationError: the database refuses.
        """
        with self._runner.in_words("count"), self._engine.connect() as connection:
            counted = {
                f"{part.name}.{each.name}": part.under(connection, each, key_id)
                for part in self._parts
                for each in part.columns
            }
        return {name: count for name, count in counted.items() if count}

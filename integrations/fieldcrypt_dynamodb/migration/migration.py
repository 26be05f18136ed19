"""A migration of a table: the steps, as a program calls them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import (
    Failures,
    Meter,
    MigrationPlan,
    MigrationStatus,
    Pace,
    Progress,
    Sample,
    StepReport,
    VerifyReport,
    work_together,
    worker_name,
)
from fieldcrypt_dynamodb.description import ProtectedTable
from fieldcrypt_dynamodb.migration.access import Client, TableAccess
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.checkpoints import Checkpoints
from fieldcrypt_dynamodb.migration.item import Examiner
from fieldcrypt_dynamodb.migration.looking import Counts, Verification, pages, under
from fieldcrypt_dynamodb.migration.schema import mismatch, problems, regions_of
from fieldcrypt_dynamodb.migration.steps import Backfill, Finish, Step, Undo
from fieldcrypt_dynamodb.migration.target import MigratedTable, described
from fieldcrypt_dynamodb.migration.worker import Worker

__all__ = ["TableMigration"]

_MOST_SEGMENTS = 1_000  # of each of which there is a checkpoint

OnProgress = Callable[[Progress], object] | None


class TableMigration:
    """Takes the protected attributes of a table from what is stored to what is declared, while others read and write.

        migration = TableMigration(patients)                # a ProtectedTable; clients as boto3 is configured
        migration = TableMigration(MigratedModel(Patient))  # of PynamoDB: fieldcrypt_pynamodb.migration

    Attributes are encrypted in place, from what their `accept_plaintext` and `accept` accept, and anew after a
    rotation. Every step can be interrupted, killed, run by several processes at once, and repeated. An item is written
    under the condition that what is written anew is as it was read: nothing that somebody else has written is lost.

    IAM actions: on the table `dynamodb:DescribeTable`, `dynamodb:DescribeTimeToLive` and `dynamodb:Scan`; for backfill
    and undo `dynamodb:GetItem` and `dynamodb:UpdateItem`; and see `CheckpointTable`.

    Args:
        table: the description of the table, whose protected attributes say what they accept.
        client_factory: makes a boto3 DynamoDB client, called at first use and again in a forked child. Default: one
            that waits 5 seconds for a connection, 30 for an answer, and makes 5 attempts.
        region: of the default client, if not the one that boto3 is configured for.
        checkpoints: the table that is written down in how far it is, or its name. `create_table` makes it.
        capacity: so many read, and as many write, capacity units a second may be used by all workers of a process;
            None: as many as there are.
        segments: into how many parts the table is divided for workers, 1 to 1,000.
        name: what its checkpoints are kept under. Default: the table's name.

    Raises:
        ConfigurationError: there are both a factory and a region, or too many segments.
    """

    def __init__(
        self,
        table: ProtectedTable | MigratedTable,
        client_factory: Callable[[], Any] | None = None,
        *,
        region: str | None = None,
        checkpoints: CheckpointTable | str = "fieldcrypt-migrations",
        capacity: float | None = None,
        segments: int = 16,
        name: str | None = None,
    ) -> None:
        if client_factory is not None and region is not None:
            raise ConfigurationError("TableMigration takes a client_factory or a region: a factory knows its region")
        if not 1 <= segments <= _MOST_SEGMENTS:
            raise ConfigurationError(f"a table is divided into 1 to {_MOST_SEGMENTS:,} segments")
        self._table = described(table)
        self._client = Client(client_factory, region)
        if isinstance(checkpoints, str):
            checkpoints = CheckpointTable(checkpoints, client_factory, region=region)
        self.checkpoints = checkpoints
        self._capacity = capacity
        self._segments = segments
        self.name = name or self._table.name

    def plan(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> MigrationPlan:
        """Say what the values are, and what has to be done to the tables before. Writes nothing.

        Args:
            sample: look at so many items, at random. Default: at all.
            on_progress: is called after each page.

        Raises:
            MigrationError: DynamoDB refuses.
            KeyProviderError, KeyStoreError: keys cannot be had.
        """
        access = self._access()
        found = access.describe()
        unfit = mismatch(self._table, found)
        if found is None or unfit is not None:
            return MigrationPlan(0, 0, {}, {}, (str(unfit),))
        counts, examiner, total = Counts(self._table.name), Examiner(self._table), int(found.get("ItemCount", 0))
        meter = Meter("plan", total, on_progress=on_progress)
        for page in pages(access, total, sample, meter):
            for raw in page:
                counts.add(examiner.item(raw))
        needed = tuple(self._problems(access, found))
        return MigrationPlan(counts.rows, max(total, counts.rows), counts.kinds, counts.stale_tags, needed)

    def backfill(
        self,
        *,
        workers: int = 1,
        batch: int = 1000,
        rate: float | None = None,
        restart: bool = False,
        on_progress: OnProgress = None,
    ) -> StepReport:
        """Encrypt what is not protected as it is declared, and set blind index tags and seals.

        Args:
            workers: threads that work at it; other processes of the same region may work at it too.
            batch: items a page, and a checkpoint, at most; DynamoDB's pages have 1 MB.
            rate: items a second, of all workers of this process.
            restart: begin anew, whatever was begun.
            on_progress: is called after each page, by one worker at a time.

        Raises:
            ValueError: a batch is an item at least, and so are the workers.
            ConfigurationError: the tables are not as they have to be, another region is at work at it, or it was begun
                as something else.
            MigrationError: DynamoDB refuses, or cannot be reached. What is done stays; run it again to go on.
            KeyProviderError, KeyStoreError: keys cannot be had; likewise.
        """
        return self._run(Backfill(), workers, batch, rate, on_progress, restart=restart)

    def verify(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> VerifyReport:
        """Decrypt all items, or some, and compare with their tags and seals.

        Two values that were exchanged are found if they are bound to their items, or by their tags. Where many items
        share a hash key a sample says less than its words: its items come from so many random places of the table.

        Args:
            sample: look at so many items, at random. Default: at all, which `finish` asks for.
            on_progress: is called after each page.

        Raises:
            As `plan`; ConfigurationError if the tables are not as they have to be.
        """
        access = self._access()
        total = self._checked(access)
        verification, examiner = Verification(), Examiner(self._table)
        checkpoints = self._checkpoints()
        run = None if sample is not None else checkpoints.begin("verify", self._about(), 1, total, restart=True)
        meter = Meter("verify", total, on_progress=on_progress)
        for page in pages(access, total, sample, meter):
            for raw in page:
                verification.add(examiner.item(raw))
        if run is not None:
            checkpoints.note(run, verification.rows, 0, verification.wrong)
        return VerifyReport(verification.rows, verification.wrong, verification.reasons, sample)

    def finish(self, *, batch: int = 1000, on_progress: OnProgress = None) -> StepReport:
        """Look once more whether plaintext or other schemes are left, and end the migration. There is no way back.

        In place nothing has to be removed. What is left to be done to the declaration is in the report.

        Raises:
            ConfigurationError: `verify` has not looked at all items since the backfill, or found something.
            As `backfill`.
        """
        checkpoints = self._checkpoints()
        self._check_verified(checkpoints)
        report = self._run(Finish(), 1, batch, None, on_progress)
        if report.failed:
            checkpoints.drop("finish")
        if report.failed or not report.complete:
            return report
        mixed = [each.name for each in self._table.attributes if each.accepted is not None]
        remarks = [f"take accept_plaintext, accept and accept_until away from {self._table.name}.{n}" for n in mixed]
        if self._table.old_items is not None:
            remarks.append(f"take accept and accept_until away from {self._table.name}")
        if self._table.seal is not None and self._table.seal.is_optional:
            remarks.append(f"take accept_unsealed away from the seal of {self._table.name}")
        remarks.append("plaintext is in backups, point-in-time recovery, exports and streams until these expire")
        return report._replace(remarks=tuple(remarks))

    def undo(self, *, batch: int = 1000, on_progress: OnProgress = None) -> StepReport:
        """Take back what a backfill did: decrypt in place, and take tags and seals away.

        A value comes back as the declared type is written, which may be another way of writing it: 1 for 1.0.

        Raises:
            ConfigurationError: it is finished; or plaintext is not accepted, so that nobody could read it.
            As `backfill`.
        """
        checkpoints = self._checkpoints()
        if checkpoints.find("finish") is not None:
            raise ConfigurationError(f"{self.name}: the migration is finished, or about to be: there is no way back")
        for attribute in self._table.attributes:
            if attribute.accepted is None or not attribute.accepted.takes_plaintext():
                raise ConfigurationError(
                    f"{self._table.name}.{attribute.name} accepts no plaintext to go back to: what is encrypted anew, "
                    "or of another scheme, stays as it is"
                )
        if self._table.seal is not None and not self._table.seal.is_optional:
            raise ConfigurationError(f"{self._table.name} accepts no items without a seal to go back to")
        self._checked(self._access())
        checkpoints.refuse_other_region("undo")
        for step in ("backfill", "verify"):
            checkpoints.drop(step)
        return self._run(Undo(), 1, batch, None, on_progress)

    def pause(self) -> None:
        """Have all processes stop at their next checkpoint; whoever runs the step again goes on."""
        self._checkpoints().pause()

    def status(self) -> MigrationStatus:
        """Say how far the steps are, and who is at work."""
        if not self.checkpoints.regions():
            return MigrationStatus(self.name, ())
        return self._checkpoints().status()

    def values_under(self, key_id: bytes) -> dict[str, int]:
        """Return how many values of each attribute, and seals, are under a data key; nothing of those that have none.

        All items are read, and nothing is decrypted.

        Raises:
            MigrationError: DynamoDB refuses.
        """
        access = self._access()
        counted: Counter[str] = Counter()
        for page in pages(access, 0, None, Meter("count", 0)):
            for raw in page:
                counted.update(under(self._table, raw, key_id))
        return dict(counted)

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
            raise ValueError("a batch is an item at least, and there is a worker at least")
        access, checkpoints = self._access(), self._checkpoints()
        total = self._checked(access)
        run = checkpoints.begin(step.name, self._about(), self._segments, total, restart=restart)
        failures, stop, pace, examiner = Failures(), Event(), Pace(rate), Examiner(self._table)
        meter = Meter(step.name, total, run.done, run.changed, run.failed, on_progress)
        made = [
            Worker(access, checkpoints, step, examiner, worker_name(at), batch, pace, meter, failures, stop)
            for at in range(workers)
        ]
        work_together([partial(worker.run, run) for worker in made], stop)
        ended = checkpoints.find(step.name) or run
        return StepReport(ended.done, ended.changed, ended.failed, failures.found, ended.ended is not None)

    def _access(self) -> TableAccess:
        return TableAccess(self._client(), self._table.name, self._capacity)

    def _checkpoints(self) -> Checkpoints:
        return Checkpoints(self.checkpoints, self.name, str(self._client().meta.region_name))

    def _checked(self, access: TableAccess) -> int:
        """Raise what keeps a step from being done, before anything is; return how many items there are, about."""
        found = access.describe()
        unfit = mismatch(self._table, found)
        if found is None or unfit is not None:
            raise ConfigurationError(str(unfit))
        needed = list(self._problems(access, found))
        if needed:
            raise ConfigurationError("; ".join(needed))
        return int(found.get("ItemCount", 0))

    def _problems(self, access: TableAccess, found: Any) -> list[str]:
        needed = list(problems(self._table, found, access.expires_by()))
        mine = str(self._client().meta.region_name)
        regions, known = regions_of(found, mine), self.checkpoints.regions()
        if not known:
            needed.append(
                f"there is no table {self.checkpoints.name} for checkpoints in {self.checkpoints.region}: make it, "
                f"migration.checkpoints.create_table({sorted(regions) if len(regions) > 1 else ''})"
            )
        elif not regions <= known and not self.checkpoints.is_named:
            needed.append(
                f"{self._table.name} is in {', '.join(sorted(regions))}, of which one region only may write: have the "
                f"table {self.checkpoints.name} in all of them, or name its one region to all, "
                "checkpoints=CheckpointTable(…, region=…)"
            )
        return needed

    def _about(self) -> str:
        """Say what a run is about, so that one that was begun is not gone on with as another."""
        return ", ".join(f"{each.name} ({each.field.name})" for each in self._table.attributes)

    def _check_verified(self, checkpoints: Checkpoints) -> None:
        backfill, verify = (checkpoints.find(step) for step in ("backfill", "verify"))
        since = None if backfill is None else backfill.ended or time.time()
        if verify is None or verify.ended is None or (since is not None and verify.began < since):
            raise ConfigurationError(f"{self.name}: verify all items first, after the backfill is done")
        if verify.failed:
            raise ConfigurationError(
                f"{self.name}: verify found {verify.failed:,} items that are not as they should be: mend them, and "
                "verify again"
            )

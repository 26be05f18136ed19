"""What the steps of a migration return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from fieldcrypt.format._text import counted
from fieldcrypt.migration.sample import Sample
from fieldcrypt.mixed_mode.value_status import ValueStatus

__all__ = [
    "MAX_FAILURES",
    "MigrationPlan",
    "MigrationStatus",
    "StepReport",
    "StepStatus",
    "VerifyReport",
    "format_key",
    "skipped",
]

MAX_FAILURES = 1000  # that a report keeps, so that it fits in memory

Key = tuple[Any, ...]  # of a row or item


def format_key(key: Key) -> str:
    """Return a key for display."""
    return ", ".join(map(str, key))


def skipped(passed_over: Mapping[str, int]) -> list[str]:
    """Return why rows do not belong to a migration, in words."""
    return [f"{counted(count, 'row')} skipped: {reason}" for reason, count in passed_over.items()]


class MigrationPlan(NamedTuple):
    """The values as they are, and the schema changes that are needed first.

    Attributes:
        rows: how many were looked at.
        total: how many there are.
        fields: by field, or column, how many values are of which status.
        stale_tags: by field, how many rows have no blind index tag or an old one.
        needed: what has to change before a backfill can run, in words; statements where they are known.
        left: how many were not seen although the database counts them, so that no step would reach them.
        passed_over: why rows do not belong to this migration, with their numbers: every step skips them.
        remarks: what to know before a backfill, although nothing prevents it: triggers, constraints and defaults of a
            column that becomes ciphertext, and columns that are left out. Or a newer data key is waiting, so that it is
            too early to re-encrypt.
        stale_seals: how many have no seal, or not one as it is declared now.
    """

    rows: int
    total: int
    fields: Mapping[str, Counter[ValueStatus]]
    stale_tags: Mapping[str, int]
    needed: tuple[str, ...]
    left: int = 0
    passed_over: Mapping[str, int] = MappingProxyType({})
    remarks: tuple[str, ...] = ()
    stale_seals: int = 0

    @property
    def due(self) -> int:
        """How many values, tags and seals a backfill would write, of those that were examined."""
        values = sum(count for counts in self.fields.values() for status, count in counts.items() if status.is_due)
        return values + sum(self.stale_tags.values()) + self.stale_seals


class StepReport(NamedTuple):
    """What a backfill, an undo or a finish did, in all processes that worked on it.

    Attributes:
        rows: how many were looked at.
        changed: how many were written.
        failed: how many could not be.
        failures: the reasons by key, of the first 1,000 failures in this process, without values. Failures in other
            processes, or before it was resumed, were reported there.
        complete: True if it reached its end, and the database itself then counts nothing left. False if it was paused,
            or something is left: run it again.
        remarks: what is left for you to do; for rows that were mended by their keys, what was done.
        total: how many there are, as the database counted them at the end.
        left: in how many of them the database counts something to do: those that failed, and those that others wrote in
            the old form meanwhile. Failures of another kind, such as a value that does not decrypt, are not counted.
        dropped: True if a step in the other direction was begun meanwhile, so that this one's journal was deleted; the
            numbers are those of this process.
    """

    rows: int
    changed: int
    failed: int
    failures: Mapping[Key, Exception]
    complete: bool = True
    remarks: tuple[str, ...] = ()
    total: int = 0
    left: int = 0
    dropped: bool = False


class VerifyReport(NamedTuple):
    """The result of a verification.

    Attributes:
        rows: how many were looked at.
        wrong: how many of them have defects.
        reasons: why, by key, of the first 1,000.
        differing: in how many of these the only defect is that the plaintext next to a value differs.
        sample: the sample, if not all rows were examined.
        total: how many there are, as the database counted them.
        left: how many more it counts that are not protected, or that were never seen.
        remarks: what was not verified, because it is not part of the migration: columns that may have plaintext, and
            rows that are skipped.
    """

    rows: int
    wrong: int
    reasons: Mapping[Key, str]
    sample: Sample | None = None
    total: int = 0
    left: int = 0
    differing: int = 0
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = " in what is part of this migration" if self.remarks else ""
        if self.wrong:
            text = f"rows with defects: {self.wrong:,} of {self.rows:,}"
        elif self.sample is None:
            one = self.rows == 1
            text = ("the only row is correct" if one else f"all {self.rows:,} rows are correct") + where
        else:
            text = f"none of {counted(self.rows, 'row')}, taken at random, is wrong{where}: with "
            text += f"{self.sample.confidence:.4g} confidence fewer than {self.sample.share:.4g} of all are"
        more = f"; not protected, or not seen: {self.left:,} more, of {self.total:,} in all"
        return text + more if self.left else text


class StepStatus(NamedTuple):
    """How far a step is.

    Attributes:
        step: backfill, verify, undo or finish.
        part: the table that it is about.
        state: running, paused, done, or failed (some rows could not be changed, or are wrong).
        total, done, changed, failed: rows. `changed` of a verify: those that failed only because the plaintext next to
            their value is another one.
        began, ended: seconds since 1970.
        workers: those at work, or those that were when it ended abruptly.
    """

    step: str
    part: str
    state: str
    total: int
    done: int
    changed: int
    failed: int
    began: float
    ended: float | None
    workers: tuple[str, ...]


class MigrationStatus(NamedTuple):
    """How far a migration is.

    Attributes:
        name: its name.
        steps: that were begun, in the order of their beginning.
    """

    name: str
    steps: tuple[StepStatus, ...]

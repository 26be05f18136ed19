"""A migration from its beginning to its end, of which no step comes to its end at the first time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, Row, event, inspect

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import StepReport
from fieldcrypt_sqlalchemy.migration import Migration
from tests.migration.story.kind import Kind
from tests.migration.story.scene import CHECKPOINTS, Scene
from tests.migration.story.way import WAYS

__all__ = ["tell"]

_KILLS = 3
Rows = dict[int, Row[Any]]


class Killed(BaseException):
    """The process is no more."""


def tell(engine: Engine, others: Engine, kind: Kind, way: str, seed: int) -> Counter[str]:
    """Tell a story, and return how often what happened.

    Args:
        engine: the migration's.
        others: of those who write, who wait for nobody; of the same database.
        kind: of the table's primary key.
        way: where its column is migrated, by its name in `WAYS`.
        seed: of all that is random.

    Raises:
        AssertionError: something is lost or left, or a number is wrong.
    """
    story = Story(engine, others, kind, way, Random(seed))
    story.scene.begin()
    if kind.refused:
        story.is_refused()
    else:
        story.forth()
        if goes_back := story.chance.random() < 0.4:
            story.back()
        if not goes_back or story.chance.random() < 0.4:
            story.verified()
            story.finished()
    story.tally["runs"] += 1
    return story.tally


class Story:
    """One migration of one table (see `tell`)."""

    def __init__(self, engine: Engine, others: Engine, kind: Kind, way: str, chance: Random) -> None:
        self.tally: Counter[str] = Counter()
        self.way, self.chance = WAYS[way], chance
        self.scene = Scene(others, kind, self.way, chance, self.tally)
        self.batch = chance.randint(1, 6)
        self.engine = engine.execution_options()  # whose events are its own
        event.listen(self.engine, "before_cursor_execute", self._before_statement)
        event.listen(self.engine, "commit", self._before_commit)
        self.written = False
        self.others_write = False
        self.dies_after: int | None = None
        self._has_read = False
        self._job: Migration | None = None

    # What goes on meanwhile

    def _before_commit(self, _: Any) -> None:
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                raise Killed

    def _before_statement(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        self._before_commit(None)
        # Most of all between the reading of a page and its writing, and there so that some of its rows are met.
        if self.others_write and self.chance.random() < (0.6 if self._has_read else 0.05):
            for _time in range(self.chance.randint(1, 4) if self._has_read else 1):
                self.scene.write()
        self._has_read = statement.startswith("SELECT") and "patients" in statement
        self.written |= statement.startswith("UPDATE patients")

    def _on_progress(self, _: Any) -> None:
        if self.others_write:
            self.scene.write()

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Have others write meanwhile."""
        self.others_write = True
        yield
        self.others_write = False

    def job(self) -> Migration:
        """Return the migration, as it is in the process that lives now."""
        if self._job is None:
            self._job = Migration(self.engine, self.scene.table, self.way.copies)
        return self._job

    def step(self, name: str, **options: Any) -> Any:
        """Do a step to its end."""
        if name != "verify":
            options |= {"batch": self.batch}
        return getattr(self.job(), name)(on_progress=self._on_progress, **options)

    def killed(self, name: str, **options: Any) -> Any:
        """Do a step, which is killed at some statement or commit; return its report if it was done before."""
        self.dies_after = self.chance.randint(0, 90)
        try:
            return self.step(name, **options)
        except Killed:
            self.tally["kills"] += 1
            self._job = None
            return None
        finally:
            self.dies_after = None
            with self.engine.begin() as connection:  # as if its lease had ended
                if inspect(connection).has_table(CHECKPOINTS[1]):
                    connection.exec_driver_sql(f"UPDATE {CHECKPOINTS[1]} SET leased_until = 0")
            self.scene.check()

    # What is so by then

    def _left(self, rows: Rows) -> set[int]:
        """Return the rows that are to be encrypted."""
        if self.way.copied:
            return {mark for mark, row in rows.items() if row.plain is not None and row.ssn is None}
        return {mark for mark, row in rows.items() if row.ssn is not None and not self.way.is_sealed(row.ssn)}

    def _damaged(self) -> set[int]:
        return {mark for mark, patient in self.scene.expected.items() if patient.is_damaged}

    def _has_numbers(self, report: StepReport, looked_at: int, changed: int, failed: set[int], left: int) -> None:
        """Check all of a report on a step that was done in one piece, while nobody wrote."""
        found = report.rows, report.changed, report.failed, report.total, report.left, report.complete
        assert found == (looked_at, changed, len(failed), len(self.scene.expected), left, left == 0), report
        assert {repr(key) for key in report.failures} == self.scene.keys_of(failed)

    # The steps

    def is_refused(self) -> None:
        """No step begins, and nothing is written."""
        before = repr(self.scene.rows())
        for name in ("backfill", "undo", "verify", "finish"):
            with pytest.raises(ConfigurationError):
                self.step(name)
        assert not self.written
        assert repr(self.scene.rows()) == before
        self.tally["refusals"] += 1

    def forth(self) -> None:
        """Backfill, killed and while others write; or while nobody does, and then the numbers are exact."""
        if self.chance.random() < 0.4:
            self._counted()
        with self._busy():
            for _ in range(_KILLS):
                self.killed("undo" if self.chance.random() < 0.2 else "backfill")
        self.filled()

    def _counted(self) -> None:
        """Backfill, killed and while nobody writes: what was rolled back is counted once, when it was done again."""
        rows = self.scene.rows()
        due = self._left(rows)
        counts = None
        for _ in range(_KILLS):
            if counts is None:
                self.killed("backfill")
                counts = self._ended("backfill")
        if counts is None:
            self.step("backfill")
            counts = self._ended("backfill")
        failed = set() if self.way.copied else self._damaged()
        assert counts == (len(rows), len(due), len(failed))

    def _ended(self, name: str) -> tuple[int, int, int] | None:
        """Return how many rows a step that has ended has looked at, changed, and failed to change."""
        steps = {step.step: step for step in self.job().status().steps if step.ended is not None}
        return None if name not in steps else (steps[name].done, steps[name].changed, steps[name].failed)

    def filled(self) -> None:
        """Backfill: every row is encrypted, or in the report by its key."""
        self.step("backfill")  # goes on with what was begun, behind which others may have written
        rows = self.scene.rows()
        due = self._left(rows)
        failed = set() if self.way.copied else self._damaged()
        report = self.step("backfill")
        self._has_numbers(report, len(rows), len(due), failed, 0)
        self.scene.check()
        for mark, row in self.scene.rows().items():
            is_filled = self.scene.expected[mark].value is not None or self.scene.expected[mark].is_damaged
            assert self.way.is_sealed(row.ssn) if is_filled else row.ssn is None

    def back(self) -> None:
        """Undo: nothing encrypted is left but what is in the report by its key; and backfill again."""
        with self._busy():
            self.killed("undo")
        self.step("undo")
        rows = self.scene.rows()
        filled = {mark for mark, row in rows.items() if row.ssn is not None}
        if not self.way.copied:
            filled = {mark for mark in filled if self.way.is_sealed(rows[mark].ssn)}
        kept = {mark for mark in filled if not self.way.can_be_plain(self.scene.expected[mark].value)}
        kept |= self._damaged()
        report = self.step("undo")
        self._has_numbers(report, len(filled), len(filled - kept), kept, len(kept))
        self.scene.check()
        for mark, row in self.scene.rows().items():
            if mark not in kept:
                assert row.ssn == (None if self.way.copied else self.way.plain(self.scene.expected[mark].value))
        self.tally["undone"] += 1
        self.filled()

    def verified(self) -> None:
        """Verify: what is damaged is found, and what is plaintext; it keeps the finish from beginning until mended."""
        with self._busy():
            self.killed("verify")
        self.is_found_wrong(self._left(self.scene.rows()) | self._damaged())
        self.filled()
        if self._damaged():
            self.is_found_wrong(self._damaged())
            before = repr(self.scene.rows())
            with pytest.raises(ConfigurationError):
                self.step("finish")
            assert repr(self.scene.rows()) == before
            self._mend()
        self.is_found_wrong(set())

    def is_found_wrong(self, wrong: set[int]) -> None:
        """Verify finds these rows, and no others."""
        report = self.step("verify")
        total = len(self.scene.expected)
        assert (report.rows, report.wrong, report.total, report.left) == (total, len(wrong), total, 0)
        assert {repr(key) for key in report.reasons} == self.scene.keys_of(wrong)

    def _mend(self) -> None:
        """Have the migration mend what is damaged from the plaintext beside it, or the application write it again."""
        if not self.way.copied:
            self.scene.mend()
            self.filled()
            return
        report = self.step("backfill", mend=True, restart=True)
        assert (report.changed, report.failed) == (len(self._damaged()), 0)
        for mark in self._damaged():
            self.scene.is_mended(mark)
        self.scene.check()

    def finished(self) -> None:
        """Finish, killed and while others write: no plaintext is left, but what is told by its key."""
        self.scene.only_encrypted = True
        stale = self.chance.random() < 0.5
        with self._busy():
            for _ in range(2):
                self.killed("finish", stale_plaintext=stale)
        rows = self.scene.rows()
        plain = {mark for mark, row in rows.items() if self.way.copied and row.plain is not None}
        value: Callable[[int], Any] = lambda mark: self.scene.expected[mark].value  # noqa: E731
        kept = {mark for mark in plain if (value(mark) is None if stale else value(mark) != rows[mark].plain)}
        report = self.step("finish", stale_plaintext=stale)
        self._has_numbers(report, len(plain), len(plain - kept), kept, len(kept))
        self.scene.check()
        assert {mark for mark, row in self.scene.rows().items() if self.way.copied and row.plain is not None} == kept

"""Steps of a migration that meet each other, are killed, or have writers beside them, over a store in memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fieldcrypt import ConfigurationError, _system
from fieldcrypt.migration import ExaminedValue, ValueStatus
from fieldcrypt.migration.engine.unit import Cell, Place
from fieldcrypt.spi import is_envelope
from tests.migration.memory_data import ENCRYPTOR, data_of, said
from tests.migration.memory_migration import LEASE, Killed, MemoryMigration, Process, Row, number_of


def kill_at(number: int) -> Process:
    """A process that is killed at its so manieth call of the store."""
    process = Process()

    def at(call: str) -> None:
        if len(process.calls) >= number:
            raise Killed

    process.at = at
    return process


class TestStepsThatMeet:
    @pytest.mark.parametrize(("one", "other"), [("backfill", "undo"), ("undo", "backfill"), ("finish", "backfill")])
    def test_they_exclude_each_other(self, one: str, other: str) -> None:
        """Whoever comes while another step has a portion is told who it is, and nothing of that is forgotten."""
        data = data_of(9)
        job = MemoryMigration(data, ENCRYPTOR)
        if one != "backfill":
            job.backfill()
            job.verify()
        refused = []

        def meet(progress: Any) -> None:
            if progress.done == 9:
                return  # the last portion is nobody's any more
            with pytest.raises(ConfigurationError, match=f"the {one} is being done by"):
                getattr(MemoryMigration(data, ENCRYPTOR), other)()
            refused.append(progress.done)

        assert getattr(job, one)(batch=4, on_progress=meet).complete
        assert refused

    def test_two_that_begin_at_once(self) -> None:
        """If both have begun, the one that claims first goes on, and the other one is refused at its first claim."""
        data = data_of(9)
        MemoryMigration(data, ENCRYPTOR).backfill()
        process = Process()

        def begin_too(call: str) -> None:
            if call == "claim" and process.calls.count("claim") == 1:
                undo = MemoryMigration(data, ENCRYPTOR)._parts[0].journal
                run = undo.begin("undo", "x", 9, restart=False, drops=())
                undo.claim(run, "somewhere 1 0", 4)

        process.at = begin_too
        with pytest.raises(ConfigurationError, match="the undo is being done by somewhere 1 0"):
            MemoryMigration(data, ENCRYPTOR, process).backfill()

    def test_undo_forgets_what_was_done_the_other_way(self, copied: bool) -> None:
        """And a backfill forgets an undo, so that each goes over everything."""
        data = data_of(20, copied=copied)
        plain = {n: (row.stored, row.plain) for n, row in data.rows.items()}
        job = MemoryMigration(data, ENCRYPTOR, copied=copied)
        job.backfill()
        with pytest.raises(Killed):
            MemoryMigration(data, ENCRYPTOR, kill_at(40), copied=copied).undo(batch=1)
        data.now += LEASE + 1
        assert 0 < sum(is_envelope(row.stored) for row in data.rows.values()) < 20
        assert number_of(job.backfill())[-2:] == (0, True)
        assert number_of(job.undo()) == (20, 20, 0, 20, 0, True)
        assert {n: (row.stored, row.plain) for n, row in data.rows.items()} == plain
        assert [step.step for step in job.status().steps] == ["undo"]

    def test_undo_ends_with_a_look_at_everything(self, copied: bool) -> None:
        """What the application encrypts behind it is left, and it is not complete."""
        data = data_of(3, copied=copied)
        job = MemoryMigration(data, ENCRYPTOR, copied=copied)
        job.backfill()
        value = data.rows[0].stored

        def write(progress: Any) -> None:
            data.rows[0].stored = value

        report = job.undo(on_progress=write)
        assert (report.left, report.complete) == (1, False)

    def test_undo_takes_tags_of_values_that_are_gone(self, copied: bool) -> None:
        """Whoever wrote NULL to the field left the tag."""
        data = data_of(3, copied=copied)
        job = MemoryMigration(data, ENCRYPTOR, copied=copied, indexed=True)
        job.backfill()
        data.rows[1].stored = data.rows[1].plain = None
        assert job.undo().complete
        assert [row.tag for row in data.rows.values()] == [None] * 3

    def test_undo_leaves_other_schemes_alone(self, copied: bool) -> None:
        """No backfill has made what it finds in place; beside its plaintext it is no loss."""
        data = data_of(2, copied=copied)
        job = MemoryMigration(data, ENCRYPTOR, copied=copied)
        job.backfill()
        field = job.source.fields[0]
        examine, other = field.examine, data.rows[0].stored

        def of_another(cell: Cell, place: Any) -> ExaminedValue:
            found = examine(cell, place)
            return found._replace(status=ValueStatus.OTHER_SCHEME) if cell.stored == other else found

        field.examine = of_another  # type: ignore[method-assign]
        report = job.undo()
        assert (report.changed, report.failed, report.complete) == (1 + copied, 0, True)
        assert data.rows[0].stored == (None if copied else other)

    def test_undo_stops_when_plaintext_is_not_accepted_any_more(self) -> None:
        """It looks before each page, so that little is written that nobody reads."""
        data = data_of(9, copied=False)
        job = MemoryMigration(data, ENCRYPTOR, copied=False)
        job.backfill()

        def end(progress: Any) -> None:
            job.source.fields[0].accepts_plaintext = lambda: False  # type: ignore[method-assign]

        with pytest.raises(ConfigurationError, match="declare accept_plaintext with a day in the future"):
            job.undo(batch=2, on_progress=end)
        assert sum(is_envelope(row.stored) for row in data.rows.values()) == 7

    def test_a_step_that_was_dropped_says_so(self) -> None:
        """By another one that was begun when its lease had ended; it is not paused, and never complete."""
        data = data_of(9)
        job = MemoryMigration(data, ENCRYPTOR)

        def undo(progress: Any) -> None:
            data.now += LEASE + 1
            MemoryMigration(data, ENCRYPTOR).undo()

        report = job.backfill(batch=2, on_progress=undo)
        assert (report.changed, report.complete, report.dropped) == (2, False, True)

    def test_a_worker_that_slept_finds_out_that_its_lease_has_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the clock that the lease goes by, before it writes another unit."""
        data = data_of(9)
        now = [0.0]
        monkeypatch.setattr(_system, "wall_clock", lambda: now[0])
        process = Process()
        job = MemoryMigration(data, ENCRYPTOR, process)
        write = job.source.write

        def sleep(*arguments: Any) -> Any:
            now[0] += LEASE
            held = process.calls.count("hold")
            arguments[-1]()
            assert process.calls.count("hold") == held + 1
            return write(*arguments)

        job.source.write = sleep  # type: ignore[assignment, method-assign]
        assert job.backfill().complete

    def test_a_backfill_is_not_gone_on_with_as_another(self) -> None:
        """An index that was declared meanwhile makes it another one: it is refused, unless begun again."""
        data = data_of(20)
        with pytest.raises(Killed):
            MemoryMigration(data, ENCRYPTOR, kill_at(30)).backfill(batch=1)
        data.now += LEASE + 1
        job = MemoryMigration(data, ENCRYPTOR, indexed=True)
        with pytest.raises(ConfigurationError, match="restart=True to start it again"):
            job.backfill()

    def test_finish_never_resumes(self) -> None:
        """Plaintext that was planted behind a finish that was killed is found by the next one."""
        data = data_of(20, copied=False)
        job = MemoryMigration(data, ENCRYPTOR, copied=False)
        job.backfill()
        job.verify()
        data.rows[19].stored = b"first"
        with pytest.raises(Killed):
            MemoryMigration(data, ENCRYPTOR, kill_at(20), copied=False).finish(batch=1)
        data.now += LEASE + 1
        data.rows[0].stored = b"planted"
        assert set(job.finish().failures) == {(0,), (19,)}

    def test_verify_is_forgotten_by_the_next_backfill(self) -> None:
        """Also if that has nothing to do."""
        data = data_of(3)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        job.verify()
        job.backfill()
        with pytest.raises(ConfigurationError, match="verify all rows first"):
            job.finish()

    @pytest.mark.parametrize("ahead", [LEASE + 60, 3600])
    def test_a_lease_of_a_clock_that_is_wrong_has_ended(self, ahead: float) -> None:
        """Nobody waits an hour for a dead worker of a machine whose clock was ahead."""
        data = data_of(20)
        with pytest.raises(Killed):
            MemoryMigration(data, ENCRYPTOR, kill_at(30)).backfill(batch=1)
        for portion in data.portions.values():
            portion["until"] = data.now + ahead
        assert MemoryMigration(data, ENCRYPTOR).backfill().complete

    def test_a_pause_reaches_those_that_wait(self) -> None:
        """A worker that waits for the last portion of another one stops."""
        data = data_of(5)
        with pytest.raises(Killed):
            MemoryMigration(data, ENCRYPTOR, kill_at(10)).backfill(batch=9)
        process = Process()
        job = MemoryMigration(data, ENCRYPTOR, process)

        def pause(call: str) -> None:
            if call == "claim" and process.calls.count("claim") == 2:
                job.pause()

        process.at = pause
        assert job.backfill().complete is False
        assert job.status().steps[0].state == "paused"


class TestKills:
    def test_wherever_it_is_killed_it_comes_to_its_end(self, copied: bool) -> None:
        """At each call of the store, in each step: nothing is lost or left, and the numbers of the last run add up."""
        for number in range(1, 400):
            data = data_of(5, copied=copied)
            died = 0
            for step in ("backfill", "verify", "finish"):
                try:
                    getattr(MemoryMigration(data, ENCRYPTOR, kill_at(number), copied=copied), step)(
                        **({} if step == "verify" else {"batch": 2})
                    )
                except Killed:
                    died += 1
                    data.now += LEASE + 1
                report = getattr(MemoryMigration(data, ENCRYPTOR, copied=copied), step)()
                assert report.wrong == 0 if step == "verify" else report.complete, (number, step, report)
                if step == "backfill":
                    assert report.rows == report.total or died == 0 or copied
            assert said(data) == {n: f"text {n}" for n in range(5)}
            assert all(row.plain is None and is_envelope(row.stored) for row in data.rows.values())
            if not died:
                return
        pytest.fail("it never came to its end without being killed")

    def test_a_kill_counts_nothing_twice(self, copied: bool) -> None:
        """What is done, and that it is done, are one: so rows looked at are as many as there are."""
        for number in range(1, 60):
            data = data_of(7, copied=copied)
            try:
                MemoryMigration(data, ENCRYPTOR, kill_at(number), copied=copied).backfill(batch=2)
            except Killed:
                data.now += LEASE + 1
                if "backfill" in data.runs and data.runs["backfill"].ended is None:
                    report = MemoryMigration(data, ENCRYPTOR, copied=copied).backfill(batch=2)
                    assert number_of(report) == (7, 7, 0, 7, 0, True)


class Writers(RuleBasedStateMachine):
    """Random steps, kills and writes, in any order: the application's values are never lost."""

    def __init__(self) -> None:
        super().__init__()
        self.data = data_of(6)
        self.expected: dict[int, str | None] = {n: f"text {n}" for n in range(6)}
        self.finished = False

    def job(self, process: Process | None = None) -> MemoryMigration:
        return MemoryMigration(self.data, ENCRYPTOR, process)

    @rule(step=st.sampled_from(["backfill", "verify", "finish", "undo"]), at=st.integers(1, 60))
    def do(self, step: str, at: int) -> None:
        """A step, killed or not."""
        try:
            report = getattr(self.job(kill_at(at)), step)(**({} if step == "verify" else {"batch": 2}))
        except Killed:
            self.data.now += LEASE + 1
        except ConfigurationError:
            pass
        else:
            if step == "backfill" and report.complete:
                assert all(row.stored is not None or row.plain in (None, "") for row in self.data.rows.values())
            if step == "finish" and report.complete:
                assert all(row.plain is None for row in self.data.rows.values())
            if step == "undo" and report.complete:
                assert all(row.stored is None for row in self.data.rows.values())

    @rule(row=st.integers(0, 9), value=st.sampled_from(["a", "b", "c"]))
    def write_plain(self, row: int, value: str) -> None:
        """An old process that knows the plaintext column alone."""
        found = self.data.rows.setdefault(row, Row())
        found.plain, self.expected[row] = value, value

    @rule(row=st.integers(0, 9), value=st.sampled_from(["a", "b", "c"]))
    def write_both(self, row: int, value: str) -> None:
        """A process of the time between."""
        field = self.job().source.fields[0]
        self.data.rows[row] = Row(field.seal(value, Place({"row": str(row)}, None)), value)
        self.expected[row] = value

    @rule(row=st.integers(0, 9))
    def delete(self, row: int) -> None:
        """A row is deleted."""
        self.data.rows.pop(row, None)
        self.expected.pop(row, None)

    @invariant()
    def the_last_write_is_there(self) -> None:
        """In the plaintext column, as long as it is filled, or else in the encrypted one."""
        protected = said(self.data)
        for key, row in self.data.rows.items():
            assert self.expected[key] == (row.plain if row.plain is not None else protected[key])


Writers.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


TestWriters = Writers.TestCase

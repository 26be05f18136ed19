"""The engine of migrations, on a store in memory: complete means counted, steps exclude each other, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_bytes
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyRecord,
    LocalKeyProvider,
    MemoryKeyStore,
    WrappedKey,
    _system,
)
from fieldcrypt.migration import ExaminedValue, MigrationError, ValueStatus
from fieldcrypt.migration.engine.backfill import Backfill
from fieldcrypt.migration.engine.digest import name_of
from fieldcrypt.migration.engine.migration import texts_of
from fieldcrypt.migration.engine.source import Which
from fieldcrypt.migration.engine.unit import Cell, Place, is_exactly
from fieldcrypt.spi import is_envelope
from tests.migration.memory_migration import LEASE, Data, Killed, MemoryMigration, Process, Row, number_of

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())

Make = Callable[..., MemoryMigration]


def data_of(rows: int, *, copied: bool = True) -> Data:
    """Rows with plaintext: beside the protected field, or in its place."""
    return Data({n: Row(plain=f"text {n}") if copied else Row(stored=b"text %d" % n) for n in range(rows)})


def said(data: Data) -> dict[int, Any]:
    """What every row says, decrypted if it is protected and else as plaintext."""
    job = MemoryMigration(data, ENCRYPTOR, copied=False)
    return {unit.key[0]: job.source.fields[0].examine(unit.cells()[0][1], unit.place()).value for unit in units(data)}


def units(data: Data) -> Any:
    """All rows, as they are read."""
    return next(iter(MemoryMigration(data, ENCRYPTOR, copied=False).source.pages(Which.ALL)))


def kill_at(number: int) -> Process:
    """A process that is killed at its so manieth call of the store."""
    process = Process()

    def at(call: str) -> None:
        if len(process.calls) >= number:
            raise Killed

    process.at = at
    return process


@pytest.fixture(params=[True, False], ids=["copied", "in place"])
def copied(request: pytest.FixtureRequest) -> bool:
    """Whether the protected field is filled from another one."""
    found: bool = request.param
    return found


class TestComplete:
    def test_the_numbers_add_up(self, copied: bool) -> None:
        """Rows that were looked at, changed and failed, all that there are, and what the store counts as left."""
        data = data_of(7, copied=copied)
        job = MemoryMigration(data, ENCRYPTOR, copied=copied)
        assert number_of(job.backfill(batch=2)) == (7, 7, 0, 7, 0, True)
        assert job.verify()[:2] == (7, 0)
        assert job.status().steps[0].state == "done"

    def test_rows_that_no_page_returns_are_counted(self, copied: bool) -> None:
        """Then nothing is called complete, and nothing can be finished: by plan, backfill, verify and the status."""
        data = data_of(9, copied=copied)
        data.hidden = {3, 4}
        job = MemoryMigration(data, ENCRYPTOR, copied=copied)
        assert job.plan().left == 2
        assert number_of(job.backfill()) == (7, 7, 0, 9, 2, False)
        assert job.status().steps[0].state == "failed"
        report = job.verify()
        assert (report.rows, report.wrong, report.left, report.total) == (7, 0, 2, 9)
        assert "not protected, or not seen: 2 more" in str(report)
        with pytest.raises(ConfigurationError, match="verify found 2 rows"):
            job.finish()

    def test_a_write_that_did_not_meet_its_row_is_a_failure(self, copied: bool) -> None:
        """With its key; it is not counted as changed, and the step is not complete."""
        data = data_of(5, copied=copied)
        data.swallowed = {2}
        report = MemoryMigration(data, ENCRYPTOR, copied=copied).backfill()
        assert number_of(report) == (5, 4, 1, 5, 1, False)
        assert list(report.failures) == [(2,)]

    def test_what_others_write_behind_the_workers_is_left(self, copied: bool) -> None:
        """A row of plaintext that came since is counted at the end; the next backfill takes it."""
        data = data_of(3, copied=copied)
        job = MemoryMigration(data, ENCRYPTOR, copied=copied)

        def plant(progress: Any) -> None:
            data.rows[0] = Row(plain="late") if copied else Row(stored=b"late")

        report = job.backfill(on_progress=plant)
        assert (report.failed, report.left, report.complete) == (0, 1, False)
        assert number_of(job.backfill())[-2:] == (0, True)

    def test_a_step_counts_what_it_looks_at(self) -> None:
        """A finish has nothing to do with rows that have no plaintext, and comes to the end of its count."""
        data = data_of(5)
        for number in (1, 2):
            data.rows[number].plain = None
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        job.verify()
        told: list[str] = []
        assert job.finish(batch=2, on_progress=lambda progress: told.append(str(progress))).rows == 3
        assert told[-1].startswith("finish: 3 of 3, 3 changed, 0 failed")
        assert [(step.done, step.total) for step in job.status().steps] == [(5, 5), (5, 5), (3, 3)]

    def test_what_is_none_to_the_application_is_not_left(self) -> None:
        """A row whose plaintext is no value is looked at, and keeps nothing from being complete."""
        data = data_of(2)
        data.rows[2] = Row(plain="")
        job = MemoryMigration(data, ENCRYPTOR)
        assert number_of(job.backfill()) == (3, 2, 0, 3, 0, True)
        assert job.verify()[:2] == (3, 0)
        assert number_of(job.finish())[-2:] == (0, True)

    def test_one_row_never_stops_the_others(self) -> None:
        """Whatever the application's own code raises for it, and whatever constraint it meets."""
        data = data_of(6)
        data.rows[1].plain = 5  # at which the field raises what no library raises
        data.unique = {"text 3"}
        report = MemoryMigration(data, ENCRYPTOR).backfill(batch=4)
        assert number_of(report) == (6, 4, 2, 6, 2, False)
        assert set(report.failures) == {(1,), (3,)}

    def test_planted_key_records_do_not_stop_a_job(self, copied: bool) -> None:
        """Each process would begin anew to open them in vain: it goes on until it has come behind them."""
        store, provider = MemoryKeyStore(), LocalKeyProvider.generate()
        MemoryMigration(data_of(1), Encryptor(provider, store)).backfill()
        (real,) = store.list(None)
        assert isinstance(real, KeyRecord)
        for number in range(40):
            wraps = (WrappedKey(real.wraps[0].name, token_bytes(60)),)
            store.add(KeyRecord(token_bytes(16), real.purpose, real.created + number, None, wraps, token_bytes(32)))
        data = data_of(3, copied=copied)
        jobs = [MemoryMigration(data, Encryptor(provider, store), copied=copied) for _ in range(3)]
        assert jobs[0].plan().due == 3
        assert number_of(jobs[1].backfill()) == (3, 3, 0, 3, 0, True)
        assert jobs[2].verify()[:2] == (3, 0)

    def test_a_row_that_moves_behind_a_verify_is_looked_at(self) -> None:
        """Fewer were seen than there are, so all are looked at again, and what the row has is found."""
        data = data_of(5, copied=False)
        job = MemoryMigration(data, ENCRYPTOR, copied=False)
        job.backfill()
        pages = job.source.pages

        def move(which: Which, sample: Any = None) -> Any:
            seen = next(iter(pages(which, sample)))
            if 4 in data.rows:
                data.rows[-1] = data.rows.pop(4)  # whose value is bound to its key
                yield seen[:4]
            else:
                yield from pages(which, sample)

        job.source.pages = move  # type: ignore[method-assign]
        report = job.verify()
        assert (report.rows, report.reasons, report.left) == (5, {(-1,): "stored does not decrypt"}, 0)

    def test_a_store_whose_pages_do_not_move_on_is_stopped(self) -> None:
        """In words, and not for ever."""
        data = data_of(6)
        job = MemoryMigration(data, ENCRYPTOR)
        page = job.source.page
        job.source.page = lambda portion, which, size: page(portion, which, size)._replace(position=portion.position)  # type: ignore[method-assign]
        with pytest.raises(MigrationError, match="sorts keys otherwise than it compares them"):
            job.backfill(batch=2)


class TestNothingNewerIsRemoved:
    def test_finish_keeps_plaintext_that_differs(self) -> None:
        """It may be newer: it is a failure with its key, unless it is said to be stale."""
        data = data_of(3)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        job.verify()
        data.rows[1].plain = "of late"
        report = job.finish()
        assert number_of(report) == (3, 2, 1, 3, 1, False)
        assert list(report.failures) == [(1,)]
        assert "of late" not in str(report.failures[1,])
        assert [row.plain for row in data.rows.values()] == [None, "of late", None]
        assert number_of(job.finish(stale_plaintext=True))[-2:] == (0, True)

    def test_values_are_compared_with_their_types(self) -> None:
        """True is no 1, wherever it stands in a document: the plaintext that it came to be stays."""
        for one, other in ((1, True), (0, False), (1, 1.0), (0.0, -0.0)):
            assert not is_exactly({"a": [one]}, {"a": [other]})
            assert is_exactly({"a": [one], "b": None}, {"b": None, "a": [one]})
        assert is_exactly(float("nan"), float("nan"))

    def test_rows_that_only_differ_have_two_ways_out(self) -> None:
        """The encrypted value is newer: finish removes the plaintext. Or that is: a backfill encrypts it."""
        data = data_of(4)
        job = MemoryMigration(data, ENCRYPTOR, indexed=True)
        job.backfill()
        for row in data.rows.values():
            row.plain = None if row.plain == "text 2" else row.plain + " of late"
        assert (job.verify().wrong, job.verify().differing) == (4, 4)
        with pytest.raises(ConfigurationError, match=r"--newer-plaintext.*, and verify again"):
            job.finish()
        assert job.backfill(newer_plaintext=[(0,), "2"]).changed == 2  # the keys as they are, or as verify prints them
        assert data.rows[2] == Row()
        assert set(job.verify().reasons) == {(1,), (3,)}
        assert job.finish(stale_plaintext=True).complete
        assert said(data) == {0: "text 0 of late", 1: "text 1", 2: None, 3: "text 3"}

    def test_keys_of_newer_plaintext_name_no_others(self) -> None:
        """A text is one key, and no set of its characters; parts that read alike together are no one key."""
        data = data_of(13)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        with pytest.raises(TypeError, match="a set of keys"):
            job.backfill(newer_plaintext="12")
        takes = Backfill(newer_plaintext=texts_of(['["a, b", "c"]', ("d", 1)]))._takes_plaintext
        assert [takes(key, Cell(None)) for key in (("a, b", "c"), ("a", "b, c"), ("d", 1), ("d",))] == [
            *(True, False, True, False)
        ]

    def test_keys_of_newer_plaintext_that_no_row_has_are_failures(self) -> None:
        """A mistyped key does nothing to any row, and is not passed over."""
        data = data_of(3)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        data.rows[1].plain = "of late"
        report = job.backfill(newer_plaintext={(1,), "11"})
        assert (report.changed, report.failed, said(data)[1]) == (1, 1, "of late")
        assert {key: str(why) for key, why in report.failures.items()} == {("11",): "there is no such row"}

    def test_a_row_of_newer_plaintext_whose_value_does_not_open_is_a_failure(self) -> None:
        """What was asked for is not done to it, for that is what mend is for, and nobody takes it for done."""
        data = data_of(2)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        data.rows[1].stored = data.rows[1].stored[:-1] + bytes([data.rows[1].stored[-1] ^ 1])
        report = job.backfill(newer_plaintext=[(0,), (1,)])
        assert (report.changed, list(report.failures)) == (0, [(1,)])
        assert job.backfill(newer_plaintext=[(0,), (1,)], mend=True).changed == 1

    def test_newer_plaintext_takes_no_value_away_that_nobody_names(self) -> None:
        """Finish has removed the plaintext beside it, or new code writes none; by its key only before a finish."""
        data = data_of(3)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        job.verify()
        data.rows[1].plain = "of late"
        assert job.finish().failed == 1
        with pytest.raises(ConfigurationError, match="a finish was begun"):
            job.backfill(newer_plaintext=[(0,)])
        assert job.backfill(newer_plaintext=True).changed == 1
        assert said(data) == {0: "text 0", 1: "of late", 2: "text 2"}

    def test_a_finish_with_stale_plaintext_takes_nothing_that_is_worse(self) -> None:
        """One row that does not decrypt among those that differ keeps it from beginning."""
        data = data_of(3)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        data.rows[0].plain, data.rows[1].stored = "of late", data.rows[2].stored
        assert (job.verify().wrong, job.verify().differing) == (2, 1)
        with pytest.raises(ConfigurationError, match="verify found 1 row to be mended"):
            job.finish(stale_plaintext=True)

    def test_plaintext_that_is_gone_after_verify_cannot_be_told_from_none(self) -> None:
        """Code that writes the encrypted field alone leaves it empty: the value stays. A verify before finish tells."""
        data = data_of(2)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        job.verify()
        data.rows[0].plain = None
        assert job.verify().differing == 1
        data.rows[0].plain = "text 0"
        job.verify()
        data.rows[0].plain = None
        assert job.finish().complete
        assert said(data)[0] == "text 0"

    def test_a_backfill_sets_the_tags_of_what_is_filled(self) -> None:
        """The field got its index later, or its keys were rotated."""
        data = data_of(3)
        MemoryMigration(data, ENCRYPTOR).backfill()
        before = {n: row.stored for n, row in data.rows.items()}
        job = MemoryMigration(data, ENCRYPTOR, indexed=True)
        assert job.plan().due == 3
        assert job.backfill(restart=True).changed == 3
        assert job.verify().wrong == 0
        assert {n: row.stored for n, row in data.rows.items()} == before

    def test_an_undo_after_a_finish_takes_nothing_that_only_the_value_has(self) -> None:
        """Which plaintext was taken away stays known, so that no row without one is named as newer; it is repeated."""
        data = data_of(3)
        job = MemoryMigration(data, ENCRYPTOR)
        job.backfill()
        job.verify()
        assert job.finish().complete
        job.backfill()
        for _ in range(2):
            report = job.undo()
            assert (report.changed, report.failed, report.complete) == (0, 3, False)
        assert job.verify().wrong == 0
        with pytest.raises(ConfigurationError, match="a finish was begun"):
            job.backfill(newer_plaintext=[(0,)])
        assert said(data) == {0: "text 0", 1: "text 1", 2: "text 2"}

    def test_finish_takes_the_verify_of_the_same_declaration_only(self) -> None:
        """One of another index says nothing about the tags of this one."""
        data = data_of(3)
        MemoryMigration(data, ENCRYPTOR).backfill()
        MemoryMigration(data, ENCRYPTOR).verify()
        with pytest.raises(ConfigurationError, match="verify all rows first"):
            MemoryMigration(data, ENCRYPTOR, indexed=True).finish()

    def test_finish_in_place_looks_for_plaintext(self) -> None:
        """What came since verify is a failure, and it is not complete."""
        data = data_of(3, copied=False)
        job = MemoryMigration(data, ENCRYPTOR, copied=False)
        job.backfill()
        job.verify()
        data.rows[1].stored = b"planted"
        report = job.finish()
        assert (list(report.failures), report.left, report.complete) == ([(1,)], 1, False)

    def test_mend_encrypts_again_what_does_not_open(self) -> None:
        """A row that was moved to another tenant while it was encrypted; and nothing else is written again."""
        data = data_of(3)
        for row in data.rows.values():
            row.tenant = "c1"
        job = MemoryMigration(data, ENCRYPTOR, tenants=True)
        job.backfill()
        before = data.rows[0].stored
        data.rows[1].tenant = "c2"
        assert job.backfill().changed == 0
        assert job.verify().reasons == {(1,): "plain -> stored does not decrypt"}
        assert number_of(job.backfill(mend=True)) == (3, 1, 0, 3, 0, True)
        assert job.verify().wrong == 0
        assert data.rows[0].stored == before


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

        with pytest.raises(ConfigurationError, match="declare accept_plaintext with a day to come"):
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
        with pytest.raises(ConfigurationError, match="restart=True to begin it again"):
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


Writers.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestWriters = Writers.TestCase


def test_an_undo_in_place_makes_no_value_that_is_none() -> None:
    """A value that does not open is a failure of its row alone."""
    data = data_of(3, copied=False)
    job = MemoryMigration(data, ENCRYPTOR, copied=False)
    job.backfill()
    data.rows[1].stored = data.rows[0].stored
    report = job.undo()
    assert (report.changed, list(report.failures), report.left) == (2, [(1,)], 1)
    assert isinstance(report.failures[1,], DecryptionError)


def test_two_lambdas_of_one_place_are_told_apart_in_checkpoints() -> None:
    """A backfill that was begun with one normaliser is not gone on with by another one."""
    one, other, again = (eval(f"lambda text: text.{name}()") for name in ("lower", "upper", "lower"))  # noqa: S307
    assert name_of(one) == name_of(again) != name_of(other)

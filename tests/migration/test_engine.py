"""The engine of migrations over a store in memory: complete means counted, and nothing newer is removed."""

from __future__ import annotations

from secrets import token_bytes
from typing import Any

import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyRecord,
    LocalKeyProvider,
    MemoryKeyStore,
    WrappedKey,
)
from fieldcrypt.migration import MigrationError
from fieldcrypt.migration.engine.backfill import Backfill, texts_of
from fieldcrypt.migration.engine.digest import name_of
from fieldcrypt.migration.engine.source import Which
from fieldcrypt.migration.engine.unit import Cell, is_exactly
from tests.migration.memory_data import ENCRYPTOR, data_of, said
from tests.migration.memory_migration import MemoryMigration, Row, number_of


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
        with pytest.raises(MigrationError, match="sorts keys in another order than it compares them"):
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
        with pytest.raises(ConfigurationError, match="verify found 1 row with defects: mend"):
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

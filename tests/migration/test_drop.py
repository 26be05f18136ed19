"""Indexes that are dropped: their tags are erased from the table, those of others stay, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from fieldcrypt import CompoundIndex, ConfigurationError, Encryptor
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.indexed_patients import BIRTHDAY, NAME, NAMES, fill, model, stored, strip
from tests.migration.sql_patients import keys

KEPT = ("name_tag", "name_last3", "name_part")


def test_the_tags_of_an_index_go_from_every_row_and_others_stay(engine: Engine) -> None:
    """By the name of the index, from the companions of all its levels; values stay as they are."""
    encryptor = keys()
    patient = model(encryptor)
    fill(engine, patient)
    before = stored(engine, patient)
    migration = Migration(engine, patient)
    assert migration.tagged("name_prefix") == {"patients": 4}
    report = migration.drop_index("name_prefix", batch=3)
    assert (report.changed, report.failed, report.left, report.complete) == (4, 0, 0, True)
    assert "still declared" in report.remarks[0]
    assert report.remarks[1] == "drop the column: ALTER TABLE patients DROP COLUMN name_prefix_3"
    after = stored(engine, patient)
    assert all(after[n][name] == before[n][name] for n in after for name in KEPT)
    assert not any(after[n][name] for n in after for name in NAME[2].companions)
    with Session(engine) as session:
        assert [each.name for each in session.query(patient).order_by(patient.id)] == list(NAMES)


def test_an_index_is_dropped_whose_declaration_is_gone(database: Database) -> None:
    """As long as the column is declared to be a companion; it then says only that the column can go."""
    engine, encryptor = database("sqlite"), keys()
    fill(engine, model(encryptor))
    later = model(encryptor, [NAME[0]], more=[*NAME[2].companions])
    report = Migration(engine, later).drop_index(*NAME[2].companions)
    assert (report.changed, report.complete) == (4, True)
    assert not any("declared" in remark for remark in report.remarks)
    assert Migration(engine, later).verify().wrong == 0


@pytest.mark.parametrize("name", ["name", "clinic", "id", "name_tagged", ""])
def test_what_is_no_companion_is_never_erased(database: Database, name: str) -> None:
    """Neither an encrypted column, nor a plain one, nor one that is not there."""
    engine, patient = database("sqlite"), model(keys())
    fill(engine, patient)
    before = _dump(engine)
    with pytest.raises(ConfigurationError, match="is no companion of patients"):
        Migration(engine, patient).drop_index("name_tag", name)
    assert _dump(engine) == before


def test_a_compound_that_is_still_declared_is_said_to_be(database: Database) -> None:
    """Its tags are written again as those of any other index."""
    engine = database("sqlite")
    patient = model(keys(), indexes=[CompoundIndex("who_tag", of={"name": "casefold", "born": None})])
    fill(engine, patient)
    report = Migration(engine, patient).drop_index("who_tag")
    assert report.changed == 4
    assert report.remarks[0].startswith("patients is still declared with the index who_tag")


def test_nothing_is_dropped_unless_it_is_named(database: Database) -> None:
    """By a program whose list of companions came out empty."""
    engine, patient = database("sqlite"), model(keys())
    fill(engine, patient)
    for ask in (Migration(engine, patient).drop_index, Migration(engine, patient).tagged):
        with pytest.raises(ConfigurationError, match="name the index"):
            ask()


def test_a_backfill_that_was_interrupted_before_begins_again_after_it(database: Database) -> None:
    """It has passed rows whose tags are gone now, and must not call itself complete."""
    engine, patient = database("sqlite"), model(keys())
    fill(engine, patient, rows=20)
    strip(engine, patient, "name_tag")
    migration = Migration(engine, patient)
    migration.backfill(batch=10, on_progress=lambda _: migration.pause())
    migration.drop_index("name_tag")
    assert migration.backfill().complete
    assert all(tags["name_tag"] for tags in stored(engine, patient).values())


def test_an_array_of_postgresql_is_emptied(database: Database) -> None:
    """With the GIN index that is on it."""
    engine = database("postgresql")
    patient = model(keys(), [NAME[0], replace(NAME[2], one_companion=True)], None)
    fill(engine, patient)
    assert Migration(engine, patient).drop_index("name_prefix").changed == 4
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(name_prefix), count(name_tag) FROM patients").one() == (0, 4)


def test_no_key_is_needed(database: Database) -> None:
    """An index can be dropped whose keys are away, or were shredded."""
    engine = database("sqlite")
    fill(engine, model(keys()))
    assert Migration(engine, model(Encryptor())).drop_index("name_tag").changed == 4


def test_it_goes_on_where_it_was_killed(database: Database) -> None:
    """What is done is written down with the rows, and a backfill does not begin meanwhile."""
    engine, patient = database("sqlite"), model(keys())
    fill(engine, patient, rows=40)
    first = Migration(engine, patient)
    killed = []

    def kill(progress: Any) -> None:
        killed.append(progress.done)
        if len(killed) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.drop_index("name_tag", batch=4, on_progress=kill)
    assert sum(tags["name_tag"] is None for tags in stored(engine, patient).values()) == 8
    with pytest.raises(ConfigurationError, match="was begun for the tags in name_tag"):
        Migration(engine, patient).drop_index("name_last3")
    report = Migration(engine, patient).drop_index("name_tag", batch=4)
    assert (report.rows, report.changed, report.complete) == (40, 40, True)
    assert [step.step for step in first.status().steps] == ["drop"]


def test_tags_that_others_write_meanwhile_are_counted_as_left(database: Database) -> None:
    """Of code that still has the index: the report is not complete, and says why; the next run takes them."""
    engine, patient = database("sqlite"), model(keys())
    fill(engine, patient)

    def write(progress: Any) -> None:
        if progress.done == 4:
            with Session(create_engine(engine.url)) as session:
                session.merge(patient(id=-1, clinic="c-7", name="Late", born=BIRTHDAY))
                session.commit()

    report = Migration(engine, patient).drop_index("name_tag", batch=4, on_progress=write)
    assert (report.changed, report.left, report.complete) == (4, 1, False)
    assert Migration(engine, patient).drop_index("name_tag").changed == 1


def test_it_does_not_begin_beside_a_backfill(database: Database) -> None:
    """Which would write again what it erases."""
    engine, patient = database("sqlite"), model(keys())
    fill(engine, patient)
    strip(engine, patient, "name_tag")
    refused = []

    def drop(progress: Any) -> None:
        if progress.done == 2:
            with pytest.raises(ConfigurationError) as error:
                Migration(engine, patient).drop_index("name_last3")
            refused.append(str(error.value))

    assert Migration(engine, patient).backfill(batch=1, on_progress=drop).changed == 4
    assert "the backfill is being done by" in refused[0]
    assert all(tags["name_last3"] for tags in stored(engine, patient).values())


def test_a_verify_after_it_finds_that_the_declared_index_lacks_tags(database: Database) -> None:
    """So nothing is called right that searches would miss; a backfill makes them again."""
    engine, patient = database("sqlite"), model(keys())
    fill(engine, patient)
    migration = Migration(engine, patient)
    before = stored(engine, patient)
    migration.drop_index("name_tag")
    assert migration.verify().wrong == 4
    assert migration.backfill().changed == 4
    assert stored(engine, patient) == before


def _dump(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM patients ORDER BY id")]

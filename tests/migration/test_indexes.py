"""Indexes of every kind in a migration: filled where they are missing, changed, and found wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from fieldcrypt import CompoundIndex, ConfigurationError, IndexedBy, KeyShreddedError, Purpose, _system
from fieldcrypt.keys.index.choice import settling_time
from fieldcrypt.search import Prefixes, Range, first
from fieldcrypt.spi import EndsWith, Equal, StartsWith
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.indexed_patients import BIRTHDAY, BORN, NAME, bare, fill, model, stored, strip
from tests.migration.sql_patients import AT_ONCE, keys, soon


class TestFill:
    def test_rows_get_the_tags_that_the_model_would_have_written(self, engine: Engine) -> None:
        """Of all kinds, with the dummies and partitions of each row; `verify` names the companions that lack them."""
        patient = model(keys())
        fill(engine, patient)
        written = stored(engine, patient)
        strip(engine, patient, "name_last3", "name_prefix_3", "name_part", BORN.companions[0])
        migration = Migration(engine, patient)
        assert migration.plan().stale_tags == {"patients.name": 4, "patients.born": 4}
        assert migration.verify().reasons[0,] == (
            "name has another blind index tag than its value: name_last3, name_prefix_3, name_part; "
            f"born has another blind index tag than its value: {BORN.companions[0]}"
        )
        report = migration.backfill()
        assert (report.changed, report.failed) == (4, 0)
        assert stored(engine, patient) == written
        assert migration.verify().wrong == 0

    def test_an_array_of_postgresql_is_filled(self, database: Database) -> None:
        """With the tags of all levels, and is right afterwards."""
        engine = database("postgresql")
        patient = model(keys(), [replace(NAME[2], one_companion=True)], None)
        fill(engine, patient)
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE patients SET name_prefix = NULL WHERE id < 3")
        migration = Migration(engine, patient)
        assert migration.plan().stale_tags == {"patients.name": 3}
        assert migration.backfill().changed == 3
        assert migration.verify().wrong == 0
        with engine.connect() as connection:
            lengths = connection.exec_driver_sql("SELECT array_length(name_prefix, 1) FROM patients").scalars().all()
        assert lengths == [3, 3, 3, 3]

    def test_a_value_that_an_index_cannot_tag_is_named_and_keeps_nothing_from_being_done(
        self, database: Database
    ) -> None:
        """A birthday beyond the bounds has none of that index's tags, and all of the others; other rows have all."""
        engine, encryptor = database("sqlite"), keys()
        before = model(encryptor, born=None)
        before.metadata.create_all(engine)
        with Session(engine) as session:
            for n, born in enumerate([BIRTHDAY, date(1850, 1, 1)]):
                session.add(before(id=n, clinic="c-7", name="Meyer", born=born))
            session.commit()
        with engine.begin() as connection:
            for companion in BORN.companions:
                connection.exec_driver_sql(f"ALTER TABLE patients ADD COLUMN {companion} BLOB")
            connection.exec_driver_sql("UPDATE patients SET name_tag = NULL")
        patient = model(encryptor)
        migration = Migration(engine, patient)
        report = migration.backfill()
        assert (report.changed, report.failed, list(report.failures)) == (2, 1, [(1,)])
        assert str(report.failures[1,]) == f"{BORN.companions[0]}: no tag can be made of the value (ValueError)"
        tags = stored(engine, patient)
        assert all(tags[0].values())
        assert [name for name, tag in tags[1].items() if tag is None] == list(BORN.companions)
        assert migration.verify().reasons == {(1,): f"born cannot be tagged: {report.failures[1,]}"}


class TestTogether:
    """Indexes of several columns."""

    WHO = CompoundIndex("who_tag", of={"name": "casefold", "born": None})
    WHERE = CompoundIndex("where_tag", of={"clinic": None, "name": first(2)}, partitions=2, accept_leakage=True)

    def test_rows_get_the_tags_that_the_model_would_have_written(self, engine: Engine) -> None:
        """Of encrypted and of plain members; a row in which one is missing loses its tag."""
        patient = model(keys(), indexes=[self.WHO, self.WHERE])
        fill(engine, patient)
        written = stored(engine, patient)
        strip(engine, patient, "who_tag", "where_tag")
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE patients SET born = NULL, where_tag = name_tag WHERE id = 2")
        migration = Migration(engine, patient)
        assert {name: migration.plan().stale_tags[f"patients.{name}"] for name in ("who_tag", "where_tag")} == {
            "who_tag": 3,
            "where_tag": 4,
        }
        assert migration.verify().reasons[0,] == (
            "who_tag has another blind index tag than its value; where_tag has another blind index tag than its value"
        )
        report = migration.backfill()
        assert (report.changed, report.failed) == (4, 0)
        after = stored(engine, patient)
        assert all(after[n]["where_tag"] == written[n]["where_tag"] for n in after)
        assert [after[n]["who_tag"] == written[n]["who_tag"] for n in after] == [True, True, False, True]
        assert after[2]["who_tag"] is None
        assert migration.verify().wrong == 0

    def test_members_that_are_encrypted_in_the_same_step_are_tagged_with_it(self, database: Database) -> None:
        """Plaintext becomes a value and its compound tag at once."""
        engine, encryptor = database("sqlite"), keys()
        patient = model(encryptor, born=None, indexes=[self.WHERE], accept_plaintext=soon())
        fill(engine, patient)
        written = stored(engine, patient)
        migration = Migration(engine, patient)
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE patients SET name = CAST('Meyer' AS BLOB) WHERE id = 0")
            connection.exec_driver_sql("UPDATE patients SET name_tag = NULL, where_tag = NULL")
        assert migration.backfill().changed == 4
        assert stored(engine, patient) == written

    def test_newer_plaintext_beside_a_member_takes_the_tag_along(self, database: Database) -> None:
        """What is tagged is what the row has once it is written, and not what it had when it was read."""
        engine, encryptor = database("sqlite"), keys()
        patient = model(encryptor, indexes=[self.WHERE], copied=True)
        fill(engine, patient)
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE patients SET plain = 'Li'")
        migration = Migration(engine, patient, {"plain": "name"})
        assert migration.backfill(newer_plaintext=True).changed == 4
        assert migration.verify().wrong == 0
        with Session(engine) as session:
            assert [each.name for each in session.query(patient)] == ["Li"] * 4

    def test_a_member_that_does_not_open_keeps_its_row_from_being_tagged(self, database: Database) -> None:
        """The failure is that of the value; what the tag was of is not known."""
        engine, patient = database("sqlite"), model(keys(), indexes=[self.WHO])
        fill(engine, patient)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE patients SET born = (SELECT born FROM patients WHERE id = 1) WHERE id = 0"
            )
            connection.exec_driver_sql("UPDATE patients SET who_tag = NULL")
        report = Migration(engine, patient).backfill()
        assert (report.changed, list(report.failures)) == (3, [(0,)])
        assert stored(engine, patient)[0]["who_tag"] is None


class TestChange:
    @pytest.mark.parametrize(
        "changed",
        [
            replace(NAME[0], normaliser=None),
            replace(NAME[2], of=Prefixes(3, 4)),
            replace(NAME[3], partitions=8),
            IndexedBy("name_part", name="another", partitions=4, accept_leakage=True),
        ],
        ids=["normaliser", "lengths", "partitions", "name"],
    )
    def test_another_declaration_has_another_fingerprint_and_other_tags(
        self, database: Database, changed: IndexedBy
    ) -> None:
        """A backfill that was begun for the one is not resumed for the other; begun again, it replaces what is old."""
        engine, encryptor = database("sqlite"), keys()
        old = model(encryptor)
        fill(engine, old)
        Migration(engine, old).backfill()
        index = [changed if each.companion == changed.companion else each for each in NAME]
        new = model(encryptor, index)
        assert Migration(engine, new)._sources[0].describe() != Migration(engine, old)._sources[0].describe()
        Migration(engine, new).backfill()
        tags = stored(engine, new)
        assert Migration(engine, new).verify().wrong == 0
        fresh = model(encryptor, index)
        with Session(engine) as session:
            for row in session.query(fresh):
                row.name = f"{row.name} "
            session.flush()
            for row in session.query(fresh):
                row.name = row.name.rstrip()
            session.commit()
        assert stored(engine, new) == tags

    def test_old_and_new_stand_side_by_side_while_the_new_one_is_filled(self, database: Database) -> None:
        """Code that asks the old index finds all rows before, during and after."""
        engine, encryptor = database("sqlite"), keys()
        fill(engine, model(encryptor))
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE patients ADD COLUMN name_exact BLOB")
        both = model(encryptor, [*NAME, IndexedBy("name_exact", name="name exact")])
        before = stored(engine, model(encryptor))
        assert Migration(engine, both).plan().stale_tags["patients.name"] == 4
        assert Migration(engine, both).backfill().changed == 4
        assert stored(engine, model(encryptor)) == before

    def test_after_a_rotation_of_the_index_key_every_companion_is_made_again(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No tag of any kind stays that was made under the key before."""
        engine, encryptor = database("sqlite"), keys()
        patient = model(encryptor)
        fill(engine, patient)
        before = stored(engine, patient)
        encryptor.data_keys.rotate(purpose=Purpose.BLIND_INDEX)
        now = _system.wall_clock()
        monkeypatch.setattr(_system, "wall_clock", lambda: now + 2 * 86400)
        encryptor.configure(encryptor.provider, encryptor.store, policy=AT_ONCE)
        migration = Migration(engine, patient)
        assert migration.backfill().changed == 4
        after = stored(engine, patient)
        kept = [(n, name) for n, tags in after.items() for name, tag in tags.items() if tag == before[n][name]]
        assert kept == []
        assert migration.verify().wrong == 0

    def test_a_backfill_that_comes_before_all_processes_tag_under_the_new_key_says_so(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows that others tag under the old key meanwhile would be lost once that is retired: refused until then."""
        engine, encryptor = database("sqlite"), keys()
        patient = model(encryptor, born=None)
        fill(engine, patient)
        now, passed = _system.wall_clock(), 0.0
        monkeypatch.setattr(_system, "wall_clock", lambda: now + passed)
        assert Migration(engine, patient).plan().remarks == Migration(engine, patient).backfill().remarks == ()
        made = encryptor.data_keys.rotate(None, Purpose.BLIND_INDEX)
        settles = made.created - now + settling_time(AT_ONCE).total_seconds()
        for passed, changed in ((0.0, 0), (settles + 1, 4), (settles + 59, 0)):  # noqa: B007 (the clock reads it)
            encryptor.forget()
            (planned,) = Migration(engine, patient).plan().remarks
            report = Migration(engine, patient).backfill()
            assert (report.changed, report.remarks) == (changed, (planned,))
            assert f"{datetime.fromtimestamp(math.ceil(now + settles + 60), UTC):%H:%M:%S} UTC" in planned
            with pytest.raises(ConfigurationError, match="a process may still tag under an older index key"):
                encryptor.data_keys.retire_index_keys()
        passed = settles + 62
        assert Migration(engine, patient).plan().remarks == Migration(engine, patient).backfill().remarks == ()
        assert len(encryptor.data_keys.retire_index_keys()) == 1


class TestShred:
    def test_tags_that_are_not_of_the_tenant_go_when_its_keys_are_shredded(self, database: Database) -> None:
        """They would still compare: an attacker who may search sees which rows of the tenant have a value."""
        engine, encryptor = database("sqlite"), keys()
        patient = model(encryptor)
        fill(engine, patient)
        guess = encryptor.blind_index("patients.name", str, normaliser="casefold", per_tenant=False)
        encryptor.data_keys.shred("c-7", by="ann")
        assert stored(engine, patient)[0]["name_tag"] in guess.tags("meyer")
        migration = Migration(engine, patient)
        assert migration.plan().stale_tags == {"patients.name": 4, "patients.born": 4}
        assert "has a blind index tag, but its data key was shredded" in migration.verify().reasons[0,]
        assert migration.backfill().changed == 4
        assert not any(tag for tags in stored(engine, patient).values() for tag in tags.values())
        assert migration.verify().wrong == 0

    def test_tags_per_tenant_cannot_be_made_or_searched_for_any_more(self, database: Database) -> None:
        """Of no kind, and those of other tenants stay."""
        engine, encryptor = database("sqlite"), keys()
        names = [replace(each, per_tenant=True) for each in NAME]
        patient = model(encryptor, names, replace(BORN, per_tenant=True))
        fill(engine, patient)
        with Session(engine) as session:
            session.add(patient(id=9, clinic="c-8", name="Meyer", born=BIRTHDAY))
            session.commit()
        before = stored(engine, patient)
        encryptor.data_keys.shred("c-7", by="ann")
        indexes = patient.__table__.c.name.type.tagger.indexes
        for one in indexes.each:
            with pytest.raises(KeyShreddedError):
                one.tags("Meyer", tenant="c-7", row={"row": "0"})
        for question in (Equal(("Meyer",)), StartsWith("mey"), EndsWith("yer")):
            with pytest.raises(KeyShreddedError):
                indexes.search(question).tags("c-7")
        assert Migration(engine, patient).backfill().changed == 4
        after = stored(engine, patient)
        assert after.pop(9) == before[9]
        assert not any(tag for tags in after.values() for tag in tags.values())


def test_a_begun_backfill_says_that_it_was_for_other_bounds(database: Database) -> None:
    """Of a range the bounds and the radix decide which tags there are."""
    engine, encryptor = database("sqlite"), keys()
    patient = model(encryptor)
    fill(engine, patient)
    strip(engine, patient, BORN.companions[0])
    job = Migration(engine, patient)
    job.backfill(batch=1, on_progress=lambda _: job.pause())
    other = model(encryptor, born=replace(BORN, of=Range(date(1900, 1, 1), date(2100, 1, 1), radix=8)))
    with engine.begin() as connection:
        names = {each.name for each in bare(other).columns} - {each.name for each in bare(patient).columns}
        for companion in names:
            connection.exec_driver_sql(f"ALTER TABLE patients ADD COLUMN {companion} BLOB")
    with pytest.raises(ConfigurationError, match="was begun for"):
        Migration(engine, other).backfill()

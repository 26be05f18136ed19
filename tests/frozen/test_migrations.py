"""Migrations that the first version left half done: continued, or refused in words and begun again.

Whichever it is, nothing is called complete that is not, and no text is lost. See tests/frozen/README.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from fieldcrypt import ConfigurationError, Encryptor, FieldcryptError
from fieldcrypt_dynamodb import EncryptedTable
from fieldcrypt_dynamodb.migration import TableMigration
from tests.frozen import migrated, tables
from tests.frozen.data import KINDS
from tests.frozen.going_on import continued, to_the_end
from tests.frozen.migrated import ROWS, Copied, InPlace, plaintext_left, text_of
from tests.frozen.opened import Opening, opened_database, opened_items
from tests.support.dynamodb import DynamoDb, raw
from tests.support.wiretap import Secrets

ALL_TEXTS = [text_of(number) for number in range(ROWS)]
JOBS = {Copied: migrated.copied, InPlace: migrated.in_place}
HALF_WAY = ("paused-backfill", "killed-backfill", "verified", "half-undone")

every_model = pytest.mark.parametrize("model", JOBS, ids=lambda model: model.__name__)

Open = Callable[[str], Engine]


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, database: Opening, tmp_path: Path) -> Open:
    """Opens a copy of a database, of each kind."""
    return lambda name: opened_database(request.param, name, database, tmp_path)


def texts(engine: Engine, model: Any) -> list[str | None]:
    """Return what all rows say, as the application reads them."""
    with Session(engine) as session:
        rows = session.scalars(select(model).order_by(model.id)).all()
        return [row.body if model is InPlace else row.ssn_encrypted for row in rows]


def not_encrypted(engine: Engine, model: Any) -> int:
    """Return how many rows have no encrypted value."""
    if model is InPlace:
        return len(plaintext_left(engine, model))
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM customers WHERE ssn_encrypted IS NULL")
        return int(connection.scalars(query).one())


def plain_column(engine: Engine) -> list[str | None]:
    """Return what the old column still has."""
    with Session(engine) as session:
        return list(session.scalars(select(Copied.ssn).order_by(Copied.id)))


@every_model
class TestSql:
    @pytest.mark.parametrize("name", HALF_WAY)
    def test_it_comes_to_its_end(self, name: str, model: Any, opened: Open) -> None:
        """However it was left, the next backfill and verify take it there, and every row says what it said."""
        engine = opened(name)
        to_the_end(JOBS[model](engine), ROWS, lambda: plaintext_left(engine, model))
        assert texts(engine, model) == ALL_TEXTS

    @pytest.mark.parametrize("name", ["paused-backfill", "killed-backfill"])
    def test_it_was_half_way(self, name: str, model: Any, opened: Open) -> None:
        """Some rows are encrypted, and some are not: else the tests beside this one would show nothing."""
        engine = opened(name)
        assert 0 < not_encrypted(engine, model) < ROWS

    def test_what_is_half_way_is_not_verified(self, model: Any, opened: Open) -> None:
        """Nor finished: while plaintext is left verify says how many rows are wrong, and finish refuses."""
        engine = opened("paused-backfill")
        job = JOBS[model](engine)
        assert job.verify().wrong == not_encrypted(engine, model)
        with pytest.raises(FieldcryptError, match="verify"):
            job.finish()

    @pytest.mark.parametrize("name", [*HALF_WAY, "half-finished"])
    def test_its_status_is_read(self, name: str, model: Any, opened: Open) -> None:
        """As one of the states that there are, and never as done where rows are left."""
        engine = opened(name)
        steps = {step.step: step for step in JOBS[model](engine).status().steps}
        assert {step.state for step in steps.values()} <= {"running", "stopped", "paused", "done", "failed"}
        if name in ("paused-backfill", "killed-backfill"):
            assert all(step.state != "done" for step in steps.values())

    def test_an_undo_goes_on(self, model: Any, opened: Open) -> None:
        """Until all is plaintext again; or it is refused, and then the way forward is open."""
        engine = opened("half-undone")
        job = JOBS[model](engine)
        report = continued(job.undo)
        if report is None:
            to_the_end(job, ROWS, lambda: plaintext_left(engine, model))
            return
        assert (report.failed, report.complete) == (0, True)
        if model is InPlace:
            assert plaintext_left(engine, model) == ALL_TEXTS
        else:
            assert plain_column(engine) == ALL_TEXTS
            assert set(texts(engine, model)) == {None}

    def test_what_was_verified_is_finished(self, model: Any, opened: Open) -> None:
        """At once, or after it was verified again, as finish says; then no plaintext is left, and no text is lost."""
        engine = opened("verified")
        job = JOBS[model](engine)
        report = continued(job.finish)
        if report is None:
            to_the_end(job, ROWS, lambda: plaintext_left(engine, model))
            report = job.finish()
        assert (report.failed, report.complete) == (0, True)
        assert (plaintext_left(engine, model), texts(engine, model)) == ([], ALL_TEXTS)
        if model is Copied:
            assert plain_column(engine) == [None] * ROWS

    def test_plaintext_that_came_since_is_found(self, model: Any, opened: Open) -> None:
        """What somebody else wrote behind a backfill that was half done is not called right by verify."""
        engine = opened("paused-backfill")
        with engine.begin() as connection:
            if model is Copied:
                connection.execute(text("UPDATE customers SET ssn_encrypted = NULL, ssn_tag = NULL WHERE id = 0"))
            else:
                connection.execute(
                    update(migrated.bare_letters()).where(text("id = 'letter 00'")).values(body=text_of(0).encode())
                )
        job = JOBS[model](engine)
        report = continued(job.backfill)
        if report is None:
            report = job.backfill(restart=True)
        assert job.verify().wrong == not_encrypted(engine, model)
        job.backfill(restart=True)
        assert job.verify().wrong == 0
        assert texts(engine, model) == ALL_TEXTS


class TestFinishOfSql:
    def test_a_finish_goes_on(self, opened: Open) -> None:
        """Until the old column is empty; or it is refused, verified again, and then done."""
        engine = opened("half-finished")
        job = migrated.copied(engine)
        report = continued(job.finish)
        if report is None:
            to_the_end(job, ROWS, lambda: plaintext_left(engine, Copied))
            report = job.finish()
        assert (report.failed, report.complete) == (0, True)
        assert (plain_column(engine), texts(engine, Copied)) == ([None] * ROWS, ALL_TEXTS)

    def test_it_was_half_way(self, opened: Open) -> None:
        """Some rows of the old column have their plaintext, and some do not any more."""
        left = [each for each in plain_column(opened("half-finished")) if each is not None]
        assert 0 < len(left) < ROWS

    @every_model
    def test_what_was_finished_is_not_undone(self, model: Any, opened: Open) -> None:
        """There is no way back, whoever finished it."""
        engine = opened("half-finished")
        with pytest.raises(ConfigurationError, match="no plaintext to go back to"):
            JOBS[model](engine).undo()
        assert texts(engine, model) == ALL_TEXTS


ITEMS = range(tables.ITEMS)


@pytest.fixture(params=tables.MIGRATIONS)
def kind(request: pytest.FixtureRequest) -> str:
    """By description, or by model."""
    found: str = request.param
    return found


Begin = Callable[[str], TableMigration]


@pytest.fixture
def began(moto: DynamoDb, secrets: Secrets, kind: str) -> Begin:
    """Puts the tables of a migration into DynamoDB, and returns the migration.

    Their plaintext may be sent: to put it there, and back to the table that has it, in conditions.
    """
    secrets.allow(*(value for number in ITEMS for value in (tables.email(number), tables.notes(number))))

    def began(name: str) -> TableMigration:
        encryptor = opened_items(moto, f"{name}-{kind}")
        return tables.MIGRATIONS[kind](moto, encryptor)

    return began


def still_plain(dynamodb: DynamoDb) -> list[str]:
    """Return the plaintext that DynamoDB itself has in the place of ciphertext."""
    items = dynamodb.client().scan(TableName="clients", ConsistentRead=True)["Items"]
    return sorted(str(item[name]) for item in items for name in ("email", "notes") if "B" not in item[name])


def said(dynamodb: DynamoDb, encryptor: Encryptor) -> list[tuple[Any, Any, Any]]:
    """Return what all items say, as the application reads them."""
    table = EncryptedTable(dynamodb.resource().Table("clients"), tables.clients(encryptor))
    items = [table.get_item(Key=tables.key(number))["Item"] for number in ITEMS]
    return [(item["email"], item["notes"], item["ward"]) for item in items]


ALL_SAID = [(tables.email(number), tables.notes(number), "in the clear") for number in ITEMS]


class TestDynamoDb:
    @pytest.mark.parametrize("name", HALF_WAY)
    def test_it_comes_to_its_end(self, name: str, began: Begin, moto: DynamoDb, keys: Encryptor) -> None:
        """However it was left, the next backfill and verify take it there, and every item says what it said."""
        to_the_end(began(name), len(ITEMS), lambda: still_plain(moto))
        assert said(moto, keys) == ALL_SAID

    @pytest.mark.parametrize("name", ["paused-backfill", "killed-backfill"])
    def test_it_was_half_way(self, name: str, began: Begin, moto: DynamoDb) -> None:
        """Some items are encrypted, and some are not: else the tests beside this one would show nothing."""
        began(name)
        assert 0 < len(still_plain(moto)) < 2 * len(ITEMS)

    def test_what_is_half_way_is_not_verified(self, began: Begin, moto: DynamoDb) -> None:
        """Nor finished: while plaintext is left verify says how many items are wrong, and finish refuses."""
        job = began("paused-backfill")
        assert job.verify().wrong == len(still_plain(moto)) // 2
        with pytest.raises(FieldcryptError, match="verify"):
            job.finish()

    @pytest.mark.parametrize("name", HALF_WAY)
    def test_its_status_is_read(self, name: str, began: Begin) -> None:
        """As one of the states that there are, and never as done where items are left."""
        steps = {step.step: step for step in began(name).status().steps}
        assert {step.state for step in steps.values()} <= {"running", "stopped", "paused", "done", "failed"}
        if name in ("paused-backfill", "killed-backfill"):
            assert all(step.state != "done" for step in steps.values())

    def test_an_undo_goes_on(self, began: Begin, moto: DynamoDb) -> None:
        """Until all is plaintext again; or it is refused, and then the way forward is open."""
        job = began("half-undone")
        report = continued(job.undo)
        if report is None:
            to_the_end(job, len(ITEMS), lambda: still_plain(moto))
            return
        assert (report.failed, report.complete) == (0, True)
        for number in ITEMS:
            key = {"clinic": {"S": f"clinic {number % 3}"}, "number": {"N": str(number)}}
            item = raw(moto, "clients", key)
            assert item == {
                **key,
                "ward": {"S": "in the clear"},
                "email": {"S": tables.email(number)},
                "notes": {"L": [{"S": text} for text in tables.notes(number)]},
            }

    def test_what_was_verified_is_finished(self, began: Begin, moto: DynamoDb, keys: Encryptor) -> None:
        """At once, or after it was verified again, as finish says."""
        job = began("verified")
        report = continued(job.finish)
        if report is None:
            to_the_end(job, len(ITEMS), lambda: still_plain(moto))
            report = job.finish()
        assert (report.failed, report.complete) == (0, True)
        assert (still_plain(moto), said(moto, keys)) == ([], ALL_SAID)

    @pytest.fixture
    def keys(self, moto: DynamoDb) -> Encryptor:
        """An Encryptor over the key store that is beside the items."""
        return tables.keys_of(moto)

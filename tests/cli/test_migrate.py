"""`fieldcrypt migrate`, as its users call it: with a module of theirs and a database in a file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import _system
from fieldcrypt.cli import output
from tests.support.commands import Run, complaint, stdout

SHOP = """
from datetime import date, timedelta

from sqlalchemy import String, Text, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore, blind_index
from fieldcrypt_sqlalchemy.migration import Migration

engine = create_engine("sqlite:///shop.sqlite")
keys = SqlKeyStore(engine)
keys.create_table()
encryptor = Encryptor(LocalKeyProvider(bytes(32)), keys)


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn_plain: Mapped[str | None] = mapped_column(String(20))
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, encryptor, index="ssn_tag"))
    ssn_tag: Mapped[bytes | None] = blind_index()


class Note(Base):
    __tablename__ = "notes"
    clinic: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(
        Encrypted(String, encryptor, storage=Text, accept_plaintext=date.today() + timedelta(days=30))
    )


class Claim(Base):
    __tablename__ = "claims"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    name_encrypted: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))
    note: Mapped[str | None] = mapped_column(
        Encrypted(String, encryptor, storage=Text, accept_plaintext=date.today() + timedelta(days=30))
    )


patients = Migration(engine, Patient, {"ssn_plain": "ssn"})
claims = Migration(engine, Claim, {"name": "name_encrypted"})
notes = Migration(engine, Note)
tags = Migration(engine, Patient, name="tags")
"""

LATE = """
encryptor = Encryptor()


def start():
    global engine
    engine = create_engine("sqlite:///shop.sqlite")
    keys = SqlKeyStore(engine)
    keys.create_table()
    encryptor.configure(LocalKeyProvider(bytes(32)), keys)
    return encryptor


"""

MIGRATIONS = """
def patients():
    return Migration(engine, Patient, {"ssn_plain": "ssn"})


def tags():
    return Migration(engine, Patient, name="tags")
"""


@pytest.fixture
def shop(imported: Callable[[str], Any], tmp_path: Path) -> Iterator[Any]:
    """The module of a user: 20 rows of plaintext, and a migration that pyproject.toml names."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.fieldcrypt]\nencryptor = "application:encryptor"\nmigrations = ["application:patients"]\n'
    )
    module = imported(SHOP)
    do(
        module,
        "CREATE TABLE notes (clinic TEXT, number INTEGER, body TEXT NOT NULL, PRIMARY KEY (clinic, number))",
        "CREATE TABLE patients (id INTEGER PRIMARY KEY, ssn_plain TEXT, ssn BLOB)",
        *(f"INSERT INTO patients VALUES ({n}, 'ssn {n}', NULL)" for n in range(20)),
    )
    yield module
    module.engine.dispose()


def do(shop: Any, *statements: str) -> None:
    """Do statements in the shop's database."""
    with shop.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_plan_that_cannot_look_at_the_rows_says_what_is_missing(run: Run, shop: Any) -> None:
    """And not that there are none."""
    planned = run("migrate", "plan")
    assert planned.stdout == "no row was examined, because something is needed first\n"
    column, index = planned.stderr.splitlines()
    assert column.startswith("needed first: patients has no column ssn_tag: ALTER TABLE")
    assert index.startswith("needed first: patients has no index")


def test_what_is_not_part_of_a_migration_is_told_with_its_verification(run: Run, shop: Any) -> None:
    """For people and for scripts."""
    do(
        shop,
        "CREATE TABLE claims (id INTEGER PRIMARY KEY, name TEXT, name_encrypted BLOB, note TEXT)",
        "INSERT INTO claims VALUES (1, 'Ann', NULL, 'a note')",
    )
    stdout(run("migrate", "backfill", "application:claims"))
    verified = run("migrate", "verify", "application:claims")
    assert (verified.exit_code, verified.stdout) == (0, "the only row is correct in what is part of this migration\n")
    (remark,) = json.loads(stdout(run("migrate", "verify", "application:claims", "--json")))["remarks"]
    assert verified.stderr == f"remark: {remark}\n"
    assert remark.startswith("claims.note may still have plaintext")


def test_the_whole_way(run: Run, shop: Any) -> None:
    """Each command does its step, says so for people and for scripts, and fails by its exit code."""
    stdout(run("migrate", "pause"))  # of which nobody takes note
    planned = run("migrate", "plan")
    assert planned.exit_code == 1
    assert "ALTER TABLE patients ADD COLUMN ssn_tag BLOB" in planned.stderr
    do(shop, "ALTER TABLE patients ADD COLUMN ssn_tag BLOB")
    plan = json.loads(stdout(run("migrate", "plan", "--json")))
    assert plan["columns"] == {"patients.ssn_plain -> ssn": {"plaintext": 20}}
    assert "plaintext" in stdout(run("migrate", "plan"))
    assert stdout(run("migrate", "status")) == "patients: nothing was begun\n"

    report = json.loads(stdout(run("migrate", "backfill", "--batch", "7", "--workers", "2", "--json")))
    assert (report["rows"], report["changed"], report["complete"]) == (20, 20, True)
    assert "are correct" in stdout(run("migrate", "verify"))
    do(shop, "UPDATE patients SET ssn_plain = 'other' WHERE id = 7")
    wrong = run("migrate", "verify")
    assert (wrong.exit_code, wrong.stderr) == (1, "7: ssn_plain -> ssn differs\n")
    assert "verify found 1 row with defects: mend" in complaint(run("migrate", "finish", "--yes"), 2)
    assert run("migrate", "undo", "--yes").exit_code == 1  # the row that differs stays as it is
    do(shop, "UPDATE patients SET ssn_plain = 'ssn 7', ssn = NULL WHERE id = 7")
    stdout(run("migrate", "backfill"))
    stdout(run("migrate", "verify"))
    assert "left to do: drop the column" in stdout(run("migrate", "finish", "--yes"))
    steps = json.loads(stdout(run("migrate", "status", "--json")))
    assert [(step["step"], step["state"]) for step in steps][-1] == ("finish", "done")
    assert "no plaintext to go back to" in complaint(run("migrate", "undo", "--yes"), 2)
    assert "at their next checkpoint" in stdout(run("migrate", "pause"))


def test_a_row_that_is_named(run: Run, shop: Any) -> None:
    """Text that begins as values do: plan says what to do, and only what is named is encrypted."""
    stdout(run("migrate", "backfill", "application:notes"))
    do(shop, *(f"INSERT INTO notes VALUES ('c', {n}, 'fc1.note {n}')" for n in (1, 2)))
    planned = run("migrate", "plan", "application:notes")
    assert planned.exit_code == 1
    assert "2 values with fc1. at the beginning cannot be read as encrypted" in planned.stdout
    assert "`fieldcrypt migrate mend --as-plaintext KEY`" in planned.stdout
    failed = run("migrate", "backfill", "application:notes")
    assert "c, 1: the encrypted column notes.body begins with 'fc1.'" in failed.stderr
    assert "mend --as-plaintext KEY" in failed.stderr

    mend = ("migrate", "mend", "application:notes", "--as-plaintext")
    for wrong in ("1", "c, 1", '["c"]', '["c", "one"]'):
        refused = complaint(run(*mend, wrong), 2)
        assert "is no primary key of notes, which is clinic VARCHAR, number INTEGER" in refused
        assert 'a JSON array in the order of ["clinic", "number"]' in refused
    none = run(*mend, '["c", 7]')
    assert (none.exit_code, none.stderr) == (1, "c, 7: there is no such row\n")
    assert stdout(run(*mend, '["c", 1]')) == (
        "notes c, 1: what body held is encrypted as plaintext\n1 row, 1 changed, 0 failed\n"
    )
    again = run(*mend, '["c", 1]')
    assert again.exit_code == 1
    assert "body opens: it is an encrypted value, and is not encrypted once more" in again.stderr
    assert run("migrate", "verify", "application:notes").stderr == "c, 2: body cannot be read\n"
    report = json.loads(stdout(run(*mend, '["c", 2]', "--column", "body", "--json")))
    assert (report["changed"], report["remarks"]) == (1, ["notes c, 2: what body held is encrypted as plaintext"])
    stdout(run("migrate", "verify", "application:notes"))
    steps = json.loads(stdout(run("migrate", "status", "application:notes", "--json")))
    assert [(step["changed"], step["state"]) for step in steps if step["step"] == "mend"] == [(1, "done")]


def test_a_step_that_is_not_complete_exits_with_1(run: Run, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no script goes on: if it was paused, and if another step dropped it, which is something else."""
    do(shop, "ALTER TABLE patients ADD COLUMN ssn_tag BLOB")
    backfill = shop.Migration.backfill

    def meeting(what: str) -> None:
        def meet(progress: Any) -> None:
            monkeypatch.setattr(shop.Migration, "backfill", backfill)
            do(shop, "UPDATE fieldcrypt_migration_ranges SET leased_until = 0")
            getattr(shop.Migration(shop.engine, shop.Patient, {"ssn_plain": "ssn"}), what)()

        met: list[Any] = []

        def tell(progress: Any) -> None:
            if not met:
                met.append(progress)
                meet(progress)

        def backfill_and_meet(self: Any, **how: Any) -> Any:
            return backfill(self, **{**how, "batch": 5, "on_progress": tell})

        monkeypatch.setattr(shop.Migration, "backfill", backfill_and_meet)

    meeting("pause")
    paused = run("migrate", "backfill")
    assert (paused.exit_code, paused.stdout) == (1, "5 rows, 5 changed, 0 failed; paused, run it again to go on\n")
    meeting("undo")
    dropped = run("migrate", "backfill")
    assert dropped.exit_code == 1
    assert "this backfill was dropped" in dropped.stdout
    assert "paused" not in dropped.stdout


def test_rows_that_differ_by_their_keys(run: Run, shop: Any) -> None:
    """Named as verify prints them, their plaintext is encrypted; the others stay for --stale-plaintext."""
    do(shop, "ALTER TABLE patients ADD COLUMN ssn_tag BLOB")
    stdout(run("migrate", "backfill"))
    do(shop, "UPDATE patients SET ssn_plain = 'other' WHERE id IN (7, 8)")
    assert run("migrate", "verify").exit_code == 1
    assert "1 changed" in stdout(run("migrate", "backfill", "--newer-plaintext-of", "7"))
    assert run("migrate", "verify").stderr == "8: ssn_plain -> ssn differs\n"
    stdout(run("migrate", "finish", "--yes", "--stale-plaintext"))


def test_many_rows_of_one_reason_are_one_line(run: Run, shop: Any) -> None:
    """With the first keys, so that another reason is not lost among them; a script is told all keys."""
    do(shop, "ALTER TABLE patients ADD COLUMN ssn_tag BLOB")
    stdout(run("migrate", "backfill"))
    do(shop, "UPDATE patients SET ssn_plain = 'other' WHERE id <> 7", "UPDATE patients SET ssn_tag = NULL WHERE id = 7")
    assert run("migrate", "verify").stderr.splitlines() == [
        "19 rows (0; 1; 2; 3; 4; …): ssn_plain -> ssn differs",
        "7: ssn_plain -> ssn has another blind index tag than its value",
        "--json names them all",
    ]
    assert len(json.loads(run("migrate", "verify", "--json").stdout)["reasons"]) == 20


def test_the_status_fits_on_a_terminal(run: Run, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns: nothing is cut off, and no word of it broken."""
    do(shop, "ALTER TABLE patients ADD COLUMN ssn_tag BLOB")
    stdout(run("migrate", "backfill"))
    do(shop, "UPDATE fieldcrypt_migrations SET total = 1000000, done = 999999, changed = 999999")
    monkeypatch.setattr(output, "_WIDTH", 80)
    lines = stdout(run("migrate", "status")).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(word in line for line in lines) for word in ("backfill", "done", "999,999", "1,000,000", "failed"))


def test_what_finish_asks(run: Run, shop: Any) -> None:
    """What goes, and that it does not come back."""
    asked = run("migrate", "finish", input="no\n")
    assert asked.exit_code == 1
    assert "removed permanently, wherever the two are the same. There is no undo" in asked.stderr
    assert "also where the two differ" in run("migrate", "finish", "--stale-plaintext", input="no\n").stderr


def test_a_model_is_no_migration(run: Run, shop: Any) -> None:
    """Its class is called as a function would be, and what comes of it is said."""
    assert "application:Patient() returned a Patient, and no Migration" in complaint(
        run("migrate", "plan", "application:Patient"), 2
    )


def test_modules_are_found_beside_pyproject(
    run: Run, shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a directory below it, as the names in it are."""
    sys.path[:] = [each for each in sys.path if each not in ("", str(tmp_path))]
    del sys.modules["application"]
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert "cannot be imported" not in run("migrate", "status").stderr


def test_which_migration(run: Run, shop: Any, tmp_path: Path) -> None:
    """One that is named, or the only one of pyproject.toml."""
    assert "is a SqlKeyStore, and no Migration" in complaint(run("migrate", "status", "application:keys"), 2)
    stdout(run("migrate", "status", "application:tags"))
    project = tmp_path / "pyproject.toml"
    for migrations, expected in (
        ('["application:patients", "application:tags"]', "one of application:patients, application:tags"),
        ('"application:patients"', "is a list of texts"),
    ):
        project.write_text(f"[tool.fieldcrypt]\nmigrations = {migrations}\n")
        assert expected in complaint(run("migrate", "status"), 2)
    project.write_text("")
    assert "no migration is named" in run("migrate", "status").stderr


def test_a_program_that_configures_at_start_up(
    run: Run, shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made at import, and no pyproject.toml is there: functions make the Encryptor, then the migrations."""
    engine, models, migrations = (SHOP.index(begin) for begin in ("engine =", "class Base", "patients ="))
    (tmp_path / "late.py").write_text(SHOP[:engine] + LATE + SHOP[models:migrations] + MIGRATIONS)
    (tmp_path / "pyproject.toml").unlink()
    do(shop, "ALTER TABLE patients ADD COLUMN ssn_tag BLOB")
    monkeypatch.setenv("FIELDCRYPT_ENCRYPTOR", "late:start")
    monkeypatch.setenv("FIELDCRYPT_MIGRATIONS", "late:patients")
    assert json.loads(stdout(run("migrate", "backfill", "--json")))["changed"] == 20
    monkeypatch.setenv("FIELDCRYPT_MIGRATIONS", "late:patients, late:tags")
    assert "one of late:patients, late:tags" in complaint(run("migrate", "status"), 2)
    do(shop, "UPDATE patients SET ssn_tag = NULL WHERE id < 3")
    assert "would no longer be found: 3 of patients" in complaint(run("keys", "retire", "--yes"), 2)


def test_index_keys_are_not_retired_while_rows_need_them(run: Run, shop: Any) -> None:
    """It says how many rows, of which column."""
    do(shop, "ALTER TABLE patients ADD COLUMN ssn_tag BLOB")
    stdout(run("migrate", "backfill"))
    do(shop, "UPDATE patients SET ssn_tag = NULL WHERE id < 3")
    Path("pyproject.toml").write_text(
        '[tool.fieldcrypt]\nencryptor = "application:encryptor"\nmigrations = ["application:tags"]\n'
    )
    refused = complaint(run("keys", "retire", "--yes"), 2)
    assert "would no longer be found: 3 of patients.ssn" in refused
    stdout(run("migrate", "backfill"))
    stdout(run("keys", "retire", "--yes"))


def test_a_data_key_is_not_retired_while_values_are_under_it(
    run: Run, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how many; nor is the one that encrypts."""
    do(shop, "ALTER TABLE patients ADD COLUMN ssn_tag BLOB")
    stdout(run("migrate", "backfill"))
    stdout(run("migrate", "verify"))
    stdout(run("migrate", "finish", "--yes"))
    (key,) = (row["key_id"] for row in json.loads(stdout(run("keys", "list", "--json"))) if row["use"] == "encrypts")
    assert "under the key: 20 of patients.ssn_plain -> ssn. " in complaint(run("keys", "retire", key, "--yes"), 2)
    later = time.time() + 3600
    monkeypatch.setattr(_system, "wall_clock", lambda: later)
    stdout(run("keys", "rotate"))
    later += 3600
    shop.encryptor.configure(shop.encryptor.provider, shop.keys)
    assert json.loads(stdout(run("migrate", "plan", "application:tags", "--json")))["due"] == 20
    stdout(run("migrate", "backfill", "application:tags"))
    assert "is retired for no tenant" in stdout(run("keys", "retire", key, "--yes"))
    uses = {row["key_id"]: (row["state"], row["use"]) for row in json.loads(stdout(run("keys", "list", "--json")))}
    assert uses.pop(key) == ("retired", "decrypts")
    (other,) = (key for key, (_, use) in uses.items() if use == "encrypts")
    do(shop, "UPDATE patients SET ssn = NULL")
    assert "rotate first" in complaint(run("keys", "retire", other, "--yes"), 2)
    assert "is not a key id" in complaint(run("keys", "retire", "7", "--yes"), 2)

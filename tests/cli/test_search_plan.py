"""`fieldcrypt search plan`, as its users call it: with a module of theirs and a database in a file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from fieldcrypt.cli import output
from fieldcrypt_sqlalchemy.migration import checkpoint_tables
from tests.support.commands import Run, complaint, stdout

CLINIC = """
from datetime import date

from sqlalchemy import Date, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor, IndexedBy, LocalKeyProvider
from fieldcrypt.search import Prefixes, Range
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore, blind_index, encrypted
from fieldcrypt_sqlalchemy.migration import Migration

engine = create_engine("sqlite:///clinic.sqlite")
keys = SqlKeyStore(engine)
keys.create_table()
encryptor = Encryptor(LocalKeyProvider(bytes(32)), keys)
prefixes = IndexedBy("surname_prefix", normaliser="casefold", of=Prefixes(3, 4), accept_leakage=True)
born = IndexedBy("born_range", of=Range(date(1900, 1, 1), date(2100, 1, 1), rows=5_000), accept_leakage=True)


class Base(DeclarativeBase):
    pass


@encrypted(encryptor, row="id")
class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    surname: Mapped[str] = mapped_column(Encrypted(String, index=[IndexedBy("surname_tag"), prefixes]))
    surname_tag: Mapped[bytes | None] = blind_index()
    surname_prefix_3: Mapped[bytes | None] = blind_index()
    surname_prefix_4: Mapped[bytes | None] = blind_index()
    born: Mapped[date] = mapped_column(Encrypted(Date, index=born))
    born_range_5: Mapped[bytes | None] = blind_index()
    born_range_6: Mapped[bytes | None] = blind_index()
    ward: Mapped[str] = mapped_column(Encrypted(String))


@encrypted(encryptor, row="id")
class Visit(Base):
    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(Encrypted(String, index="reason_tag"))
    reason_tag: Mapped[bytes | None] = blind_index()


@encrypted(encryptor, row="id")
class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[str] = mapped_column(Encrypted(String))


def patients():
    return Migration(engine, Patient)
"""

DICE = random.Random(4711)
NAMES = [f"{DICE.choice('KMNST')}{DICE.choice('aeiou')}{min(int(DICE.paretovariate(0.6)), 400)}son" for _ in range(800)]


@pytest.fixture
def clinic(imported: Callable[[str], Any]) -> Iterator[Any]:
    """The module of a user, with 800 patients and 100 visits."""
    module = imported(CLINIC)
    module.Base.metadata.create_all(module.engine)
    with Session(module.engine) as session:
        for number, name in enumerate(NAMES):
            born = date(1930, 1, 1) + timedelta(days=DICE.randrange(30_000))
            session.add(module.Patient(id=number, surname=name, born=born, ward="east"))
        session.add_all(module.Visit(id=number, reason=DICE.choice(("cough", "fever"))) for number in range(100))
        session.commit()
    yield module
    module.engine.dispose()


def test_it_says_what_each_index_tells(run: Run, clinic: Any) -> None:
    """A line for each companion, what they tell together, how near a range places its values, and what it all costs."""
    printed = stdout(run("search", "plan", "application:Patient"))
    for column in clinic.Patient.__table__.columns:
        assert (f"│ {column.name} " in printed) == ("_" in column.name), column
    assert "800 rows of about 800" in printed
    assert "of the rows are alone in their combination" in printed
    assert "of the rows are placed within 5 years" in printed
    assert "There may be better ones." in printed
    assert "rows right" in printed  # and beside them false positives, which are found too


def test_its_tables_fit_on_a_terminal(run: Run, clinic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns, with the names of companions in one piece."""
    monkeypatch.setattr(output, "_WIDTH", 80)
    lines = [line for line in stdout(run("search", "plan", "application:Patient")).splitlines() if line[:1] in "┏┃┡│└"]
    assert max(map(len, lines)) <= 80
    names = ("surname_tag", "surname_prefix_3", "surname_prefix_4", "born_range_5", "born_range_6")
    assert all(any(f"│ {name} " in line for line in lines) for name in names)


def test_it_prints_no_plaintext_and_no_tag(run: Run, clinic: Any) -> None:
    """Names that are guessed right are counted, not shown."""
    printed = stdout(run("search", "plan", "application:Patient")) + stdout(
        run("search", "plan", "application:Patient", "--json")
    )
    assert not any(name in printed for name in NAMES)
    with clinic.engine.connect() as connection:
        tags = connection.scalars(text("SELECT surname_tag FROM patients")).all()
    assert not any(tag.hex() in printed for tag in tags)


def test_it_writes_nothing(run: Run, clinic: Any) -> None:
    """No key, no checkpoint, no row: the file stays as it was."""
    before = Path("clinic.sqlite").read_bytes()
    stdout(run("search", "plan", "application:Patient"))
    assert Path("clinic.sqlite").read_bytes() == before
    assert not {*checkpoint_tables.tables} & {*inspect(clinic.engine).get_table_names()}


def test_scripts_read_json(run: Run, clinic: Any) -> None:
    """The same figures, for a check in a pipeline; a migration names the model as well."""
    found = json.loads(stdout(run("search", "plan", "application:patients", "--json")))["patients"]
    assert (found["rows"], found["unread"], found["refused"]) == (800, 0, False)
    (whole, *prefixes), (cost, *_) = found["tells"][:3], found["costs"]
    assert whole["tags"] == len(set(NAMES)) >= max(each["tags"] for each in prefixes)
    assert cost["false"] == 0 < cost["matching"]


def test_a_sample_is_as_large_as_is_said_or_a_little_larger(run: Run, clinic: Any) -> None:
    """Which rows are in it is a matter of chance."""
    found = json.loads(stdout(run("search", "plan", "application:Patient", "--sample", "200", "--json")))
    assert 150 < found["patients"]["rows"] < 400


def test_an_index_over_few_values_is_refused(run: Run, clinic: Any) -> None:
    """Exit code 1, and what to do."""
    printed = stdout(run("search", "plan", "application:Visit"), 1)
    assert "REFUSED reason_tag: 2 values" in printed
    assert "accept_low_cardinality" in printed


def test_what_cannot_be_read_is_named_and_left_out(run: Run, clinic: Any) -> None:
    """By the number of rows, however many of their values are of other rows."""
    with clinic.engine.begin() as connection:
        of_another = "(SELECT {0} FROM patients WHERE id = 9) "
        values = ", ".join(f"{name} = {of_another.format(name)}" for name in ("surname", "born"))
        connection.execute(text(f"UPDATE patients SET {values} WHERE id < 9"))
    printed = stdout(run("search", "plan", "application:Patient"))
    assert "WARNING what cannot be read in 9 rows is left out" in printed
    found = json.loads(stdout(run("search", "plan", "application:Patient", "--json")))["patients"]
    assert (found["unread"], found["tells"][0]["tagged"]) == (9, 791)


def test_an_empty_table_has_nothing_to_try_indexes_on(run: Run, clinic: Any) -> None:
    """Which is no lack of indexes."""
    with clinic.engine.begin() as connection:
        connection.execute(text("DELETE FROM patients"))
    assert "patients has no rows to try its indexes on" in complaint(run("search", "plan", "application:Patient"), 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("application:Note",), "has no index"),
        (("application:prefixes",), "is no model"),
        (("application:Nobody",), "has no Nobody"),
        (("application:Patient", "--engine", "application:keys"), "no Engine"),
    ],
)
def test_what_cannot_be_planned_is_refused(run: Run, clinic: Any, arguments: tuple[str, ...], said: str) -> None:
    """In one line, with code 2."""
    assert said in complaint(run("search", "plan", *arguments), 2)

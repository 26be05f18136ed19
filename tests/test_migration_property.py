"""Whatever keys a table has, whoever writes meanwhile, and wherever it is killed: nothing is lost or left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Time,
    Uuid,
    column,
    create_engine,
    event,
    select,
    table,
)

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.migration import is_envelope
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy.migration import Migration

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
FIELD = ENCRYPTOR.field("patients.ssn", str)
SOON = datetime.now(UTC).date() + timedelta(days=30)
DAMAGED = b"\x01" + bytes(80)

LETTERS = "aAbBäÄß_- ~zZ0"
Key = dict[str, Any]
KINDS: dict[str, tuple[dict[str, Any], Callable[[Random], Key]]] = {
    "integer": ({"k": Integer()}, lambda chance: {"k": chance.randint(-50, 50)}),
    "text": ({"k": String(9)}, lambda chance: {"k": _word(chance)}),
    "text without case": ({"k": String(9, collation="NOCASE")}, lambda chance: {"k": _word(chance)}),
    "text without blanks": ({"k": String(9, collation="RTRIM")}, lambda chance: {"k": _word(chance)}),
    "uuid": ({"k": Uuid()}, lambda chance: {"k": UUID(int=chance.getrandbits(128))}),
    "binary": ({"k": LargeBinary()}, lambda chance: {"k": chance.randbytes(chance.randint(0, 3))}),
    "decimal": ({"k": Numeric(9, 2)}, lambda chance: {"k": Decimal(chance.randint(-5000, 5000)) / 100}),
    "date": ({"k": Date()}, lambda chance: {"k": date(2020, 1, 1) + timedelta(chance.randint(0, 90))}),
    "time": ({"k": Time()}, lambda chance: {"k": time(chance.randint(0, 23), chance.randint(0, 3))}),
    "moment": ({"k": DateTime()}, lambda chance: {"k": datetime(2020, 1, 1) + timedelta(hours=chance.randint(0, 90))}),
    "several": (
        {"a": String(9, collation="NOCASE"), "b": Boolean(), "c": Integer()},
        lambda chance: {"a": _word(chance), "b": chance.random() < 0.5, "c": chance.randint(0, 3)},
    ),
}


def _word(chance: Random) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(chance.randint(0, 4)))


class Killed(BaseException):
    """The process is no more."""


class Story:
    """A table, what its rows have to say, those who write to it, and a migration that is killed now and then."""

    def __init__(self, path: Path, kind: str, chance: Random, *, copied: bool) -> None:
        types, self.make_key = KINDS[kind]
        self.chance, self.copied = chance, copied
        self.engine = create_engine(f"sqlite:///{path}")
        # Nobody pulls the plug of the machine, and waiting for its disk takes most of the time.
        event.listen(self.engine, "connect", lambda driver, _: driver.execute("PRAGMA synchronous = OFF"))
        accepted = None if copied else SOON
        self.table = Table(
            "patients",
            MetaData(),
            *(Column(name, type_, primary_key=True, autoincrement=False) for name, type_ in types.items()),
            Column("ssn", Encrypted(String, ENCRYPTOR, accept_plaintext=accepted), nullable=True),
            *([Column("plain", String(20))] if copied else []),
        )
        self.table.metadata.create_all(self.engine)
        values = {"ssn": LargeBinary()} | ({"plain": String()} if copied else {})
        self.raw = table("patients", *(column(name, type_) for name, type_ in (types | values).items()))
        self.expected: dict[tuple[Any, ...], str | None] = {}
        self.damaged: set[tuple[Any, ...]] = set()
        self.statements = 0
        self.dies_at: int | None = None
        event.listen(self.engine, "before_cursor_execute", self._live)

    def _live(self, *_: Any) -> None:
        self.statements += 1
        if self.dies_at is not None and self.statements >= self.dies_at:
            raise Killed

    def _same(self, key: tuple[Any, ...]) -> list[Any]:
        return [
            self.raw.c[name] == value for name, value in zip(self.table.primary_key.columns.keys(), key, strict=True)
        ]

    def _values(self, value: str | None) -> dict[str, Any]:
        """What an application writes: an old one plaintext, the newest one encrypted values."""
        is_old = self.chance.random() < 0.5
        if self.copied:
            sealed = None if is_old or value is None else FIELD.encrypt(value)
            return {"plain": value, "ssn": sealed}
        return {"ssn": None if value is None else value.encode() if is_old else FIELD.encrypt(value)}

    def write(self, *_: Any) -> None:
        """Have somebody add, change, move or delete a row."""
        dies_at, self.dies_at = self.dies_at, None  # it is another process
        with self.engine.begin() as connection:
            what = self.chance.random()
            keys = list(self.expected)
            value = self.chance.choice([None, "", "a", "078-05-1120", "ü" * 30])
            if what < 0.35 or not keys:
                wanted = self.make_key(self.chance)
                row = connection.execute(select(self.raw).where(*self._same(tuple(wanted.values())))).first()
                if row is None:
                    connection.execute(self.raw.insert().values(wanted | self._values(value)))
                    self.expected[tuple(wanted.values())] = value
            elif what < 0.6:
                key = self.chance.choice(keys)
                connection.execute(self.raw.update().where(*self._same(key)).values(self._values(value)))
                self.expected[key] = value
                self.damaged.discard(key)
            elif what < 0.75:
                key, wanted = self.chance.choice(keys), self.make_key(self.chance)
                row = connection.execute(select(self.raw).where(*self._same(tuple(wanted.values())))).first()
                if row is None and key not in self.damaged:
                    connection.execute(self.raw.update().where(*self._same(key)).values(wanted))
                    self.expected[tuple(wanted.values())] = self.expected.pop(key)
            elif what < 0.9:
                key = self.chance.choice(keys)
                connection.execute(self.raw.delete().where(*self._same(key)))
                del self.expected[key]
                self.damaged.discard(key)
            elif not self.copied:
                key = self.chance.choice(keys)
                connection.execute(self.raw.update().where(*self._same(key)).values(ssn=DAMAGED))
                self.damaged.add(key)
        self.dies_at = dies_at

    def migration(self) -> Migration:
        """The migration, during which somebody writes between the reading of a page and its writing."""
        job = Migration(self.engine, self.table, {"plain": "ssn"} if self.copied else None)
        for source in job._sources:
            page = source.page

            def read(*arguments: Any, page: Any = page) -> Any:
                found = page(*arguments)
                if self.chance.random() < 0.4:
                    self.write()
                return found

            setattr(source, "page", read)  # noqa: B010 (mypy knows that it is a method)
        return job

    def killed(self, step: str, batch: int) -> None:
        """Do a step that is killed at some statement, unless it comes to its end before."""
        self.dies_at = self.statements + self.chance.randint(1, 90)
        try:
            getattr(self.migration(), step)(batch=batch, on_progress=self.write)
        except Killed:
            self.dies_at = None
            with self.engine.begin() as connection:  # as if its lease had ended
                if connection.dialect.has_table(connection, "fieldcrypt_migration_ranges"):
                    connection.exec_driver_sql("UPDATE fieldcrypt_migration_ranges SET leased_until = 0")
        self.dies_at = None

    def rows(self) -> dict[tuple[Any, ...], Any]:
        """All rows, as they are stored."""
        with self.engine.connect() as connection:
            size = len(self.table.primary_key.columns)
            return {tuple(row[:size]): row for row in connection.execute(select(self.raw))}

    def check_values(self) -> None:
        """Every row says what was last written to it."""
        rows = self.rows()
        assert rows.keys() == self.expected.keys()
        for key, row in rows.items():
            if key in self.damaged:
                continue
            stored, plain = row.ssn, row.plain if self.copied else None
            value = FIELD.decrypt(stored) if is_envelope(stored) else None if stored is None else stored.decode()
            assert (plain if self.copied and stored is None else value) == self.expected[key]


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "in place"])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 6))
def test_nothing_is_lost_or_left(kind: str, copied: bool, seed: int, batch: int) -> None:
    """At the end every row is encrypted and says what was last written to it, or is in the report by its key."""
    with TemporaryDirectory() as directory:
        story = Story(Path(directory) / "test.sqlite", kind, Random(seed), copied=copied)
        try:
            for _ in range(25):
                story.write()
            for _ in range(4):
                story.killed("backfill", batch)
                story.check_values()
            for _ in range(2):  # the first goes on with what was begun, behind which somebody may have written
                report = Migration(story.engine, story.table, {"plain": "ssn"} if copied else None).backfill(
                    batch=batch
                )
            story.check_values()
            rows = story.rows()
            assert set(report.failures) == story.damaged
            assert (report.failed, report.total, report.left) == (len(story.damaged), len(rows), 0)
            assert report.complete
            for key, row in rows.items():
                filled = story.expected[key] is not None or key in story.damaged
                assert is_envelope(row.ssn) if filled else row.ssn is None
            verified = Migration(story.engine, story.table, {"plain": "ssn"} if copied else None).verify()
            assert (verified.rows, verified.left, verified.wrong) == (len(rows), 0, len(story.damaged))
        finally:
            story.engine.dispose()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 6))
def test_nothing_is_called_complete_that_is_not(seed: int, batch: int) -> None:
    """Of steps in any order, killed and repeated while others write: what a report says is what the table has."""
    with TemporaryDirectory() as directory:
        story = Story(Path(directory) / "test.sqlite", "several", chance := Random(seed), copied=False)
        try:
            for _ in range(20):
                story.write()
            for _ in range(6):
                step = chance.choice(["backfill", "undo"])
                story.killed(step, batch)
                story.check_values()
                report = getattr(Migration(story.engine, story.table), step)(batch=batch)
                kinds = [is_envelope(row.ssn) for row in story.rows().values() if row.ssn is not None]
                left = kinds.count(step == "undo")
                assert (report.total, report.left, report.complete) == (len(story.rows()), left, left == 0)
        finally:
            story.engine.dispose()

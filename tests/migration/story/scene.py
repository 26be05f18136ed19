"""A table, those who write to it, and what its rows have to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Row, String, Table, column, delete, select, table
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.migration.story.kind import Key, Kind
from tests.migration.story.way import Stored, Way

__all__ = ["CHECKPOINTS", "Patient", "Scene"]

CHECKPOINTS = ("fieldcrypt_migrations", "fieldcrypt_migration_ranges")
_ROWS = 12  # at the beginning
Effect = tuple[int, "Patient | None"]


@dataclass(frozen=True)
class Patient:
    """What a row has to say.

    Attributes:
        key: as the database gave it when it was written, in words: not every key is equal to itself.
        value: what was last written to it.
        is_damaged: whether somebody damaged the encrypted value.
    """

    key: str
    value: str | None
    is_damaged: bool = False


class Scene:
    """A table, and the other processes that write to it.

    Rows are known by a mark, which no migration knows of: so it shows if it changes a key, or another row.

    Args:
        others: the engine of those who write, who wait for nobody.
        kind: of the primary key.
        way: where the column is migrated.
        chance: decides everything.
        tally: counts what they did.
    """

    def __init__(self, others: Engine, kind: Kind, way: Way, chance: Random, tally: Counter[str]) -> None:
        self._others, self._kind, self._way, self._chance, self._tally = others, kind, way, chance, tally
        names = [f"k{at}" for at in range(len(kind.parts))]
        key = [
            Column(name, type_, primary_key=True, autoincrement=False)
            for name, (type_, _) in zip(names, kind.parts, strict=True)
        ]
        self.table = Table(
            "patients",
            MetaData(),
            *key,
            Column("mark", Integer, unique=True),
            Column("ssn", way.encrypted, nullable=True),
            *([Column("plain", String(200))] if way.copied else []),
            **dict(kind.options),
        )
        values = {"ssn": way.raw} | ({"plain": String()} if way.copied else {})
        self.raw = table(
            "patients",
            *(column(each.name, each.type) for each in key),
            column("mark", Integer),
            *(column(name, type_) for name, type_ in values.items()),
        )
        self.key = [self.raw.c[name] for name in names]
        self.expected: dict[int, Patient] = {}
        self.only_encrypted = False  # whether all that write know the encrypted column alone
        self._next = 0

    def begin(self) -> None:
        """Make the table, with a few rows, and remove what an earlier story left."""
        with self._others.begin() as connection:
            for name in CHECKPOINTS:
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
            self.table.metadata.drop_all(connection)
            self.table.metadata.create_all(connection)
        while len(self.expected) < _ROWS:
            self._do(self._add)
        for _ in range(_ROWS // 2):
            self.write()

    def rows(self) -> dict[int, Row[Any]]:
        """Return all rows by their marks, as they are stored."""
        with self._others.connect() as connection:
            return {row.mark: row for row in connection.execute(select(self.raw))}

    def keys_of(self, marks: Any) -> set[str]:
        """Return the keys of rows, in words."""
        return {self.expected[mark].key for mark in marks}

    def write(self) -> None:
        """Have somebody add, change, move, delete or damage a row; or give up if others are in the way."""
        does = self._chance.choices(
            [self._add, self._change, self._move, self._delete, self._damage], [30, 35, 15, 12, 8]
        )[0]
        self._do(does)

    def mend(self) -> None:
        """Have somebody write all damaged rows once more."""
        for mark in [mark for mark, patient in self.expected.items() if patient.is_damaged]:
            self._do(partial(self._put, mark=mark, value=self._chance.choice(self._way.values)))

    def is_mended(self, mark: int) -> None:
        """Note that a damaged value was encrypted again from the plaintext beside it."""
        self.expected[mark] = replace(self.expected[mark], is_damaged=False)

    def _do(self, does: Callable[[Connection], Effect | None]) -> None:
        try:
            with self._others.begin() as connection:
                effect = does(connection)
        except IntegrityError:
            self._tally["keys that were taken"] += 1
        except OperationalError:
            self._tally["writers that gave up"] += 1
        else:
            if effect is not None:
                self._note(*effect)

    def _note(self, mark: int, patient: Patient | None) -> None:
        self._tally["writes"] += 1
        if patient is None:
            del self.expected[mark]
        else:
            self.expected[mark] = patient

    def _some_mark(self) -> int | None:
        return self._chance.choice(sorted(self.expected)) if self.expected else None

    def _columns(self, key: Key) -> dict[str, Any]:
        return {each.name: part for each, part in zip(self.key, key, strict=True)}

    def _key_now(self, connection: Connection, mark: int) -> str:
        return repr(tuple(connection.execute(select(*self.key).where(self.raw.c.mark == mark)).one()))

    def _values(self, value: str | None) -> dict[str, Stored]:
        """Return what an application writes: an old one plaintext, a newer one encrypted values."""
        is_old = self._chance.random() < 0.5 and self._way.can_be_plain(value) and not self.only_encrypted
        if not self._way.copied:
            return {"ssn": self._way.plain(value) if is_old else self._way.seal(value)}
        if self.only_encrypted:
            return {"ssn": self._way.seal(value)}
        return {"plain": value, "ssn": None if is_old else self._way.seal(value)}

    def _add(self, connection: Connection) -> Effect:
        self._next += 1
        mark, value = self._next, self._chance.choice(self._way.values)
        values = self._columns(self._kind.key(self._chance)) | {"mark": mark} | self._values(value)
        connection.execute(self.raw.insert().values(values))
        return mark, Patient(self._key_now(connection, mark), value)

    def _put(self, connection: Connection, mark: int, value: str | None) -> Effect:
        connection.execute(self.raw.update().where(self.raw.c.mark == mark).values(self._values(value)))
        return mark, Patient(self.expected[mark].key, value)

    def _change(self, connection: Connection) -> Effect | None:
        mark = self._some_mark()
        return None if mark is None else self._put(connection, mark, self._chance.choice(self._way.values))

    def _move(self, connection: Connection) -> Effect | None:
        mark = self._some_mark()
        if mark is None:
            return None
        values = self._columns(self._kind.key(self._chance))
        connection.execute(self.raw.update().where(self.raw.c.mark == mark).values(values))
        before = self.expected[mark]
        return mark, Patient(self._key_now(connection, mark), before.value, before.is_damaged)

    def _delete(self, connection: Connection) -> Effect | None:
        mark = self._some_mark()
        if mark is None:
            return None
        connection.execute(delete(self.raw).where(self.raw.c.mark == mark))
        return mark, None

    def _damage(self, connection: Connection) -> Effect | None:
        mark = self._some_mark()
        if mark is None or self.only_encrypted or (self._way.copied and self.expected[mark].value is None):
            return None
        before = self.expected[mark]
        connection.execute(self.raw.update().where(self.raw.c.mark == mark).values(ssn=self._way.damaged))
        return mark, Patient(before.key, before.value, is_damaged=True)

    def check(self) -> None:
        """Every row says what was last written to it, and there are no others."""
        rows = self.rows()
        assert rows.keys() == self.expected.keys()
        for mark, row in rows.items():
            patient = self.expected[mark]
            assert repr(tuple(row[: len(self.key)])) == patient.key
            if self._way.copied and not self.only_encrypted:
                assert row.plain == patient.value, patient.key
            if patient.is_damaged:
                assert row.ssn == self._way.damaged, patient.key
            elif not self._way.copied or self.only_encrypted or row.ssn is not None:
                assert self._way.read(row.ssn) == patient.value, patient.key

"""A story: people come, change, move and go, index keys rotate, tags are lost and filled in; and all are asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random
from typing import Any

from sqlalchemy import Engine, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from fieldcrypt import Purpose
from fieldcrypt_sqlalchemy import BlindIndexTag, find
from fieldcrypt_sqlalchemy.migration import Migration
from tests.sqlalchemy.kinds import INDEXES, people
from tests.sqlalchemy.twins.questions import CLINICS, Asked, Questions
from tests.sqlalchemy.twins.twin import twin, values_of
from tests.support.doubles import Later
from tests.support.encryptors import new_encryptor

PEOPLE = 30
_COMPOUND = {"surname": "who", "born": "who", "email": "place"}  # the twin's column of each member
SETTLED = 3 * 3600.0  # seconds after which an index key has replaced the one before


class Story:
    """The same people in two tables.

    Args:
        engine: of the database, which is empty.
        seed: what happens.
        clock: which the story puts forward.
    """

    def __init__(self, engine: Engine, seed: int, clock: Later) -> None:
        self._random = Random(seed)
        self._engine, self._clock = engine, clock
        self._encryptor = new_encryptor()
        self._person = people(self._encryptor, arrays=engine.dialect.name == "postgresql")
        self._twin = twin(engine.dialect)
        self._known: dict[int, dict[str, Any]] = {}
        self._questions = Questions(self._random, self._person, self._twin, engine.dialect, self._known)
        self._untagged: defaultdict[int, set[str]] = defaultdict(set)  # the columns that have no tags, by the number
        self._session = Session(engine)
        self.tally: Counter[str] = Counter()
        for metadata in (self._person.metadata, self._twin.metadata):
            metadata.create_all(engine)

    def tell(self, steps: int) -> None:
        """Let so much happen, and ask after each step."""
        with self._session:
            for number in range(PEOPLE):
                self._put(number)
            rows = (self._come, self._change, self._change, self._move, self._go)
            events = (*rows, self._rotate, self._lose, self._fill, self._retire)
            for _ in range(steps):
                event = self._random.choice(events)
                event()
                self._session.commit()
                self.tally[event.__name__] += 1
                for _ in range(3):
                    self._ask(self._questions.exact())
                self._ask_find(self._questions.of_candidates())

    # What happens

    def _put(self, number: int) -> None:
        values = self._known[number] = self._questions.person(number)
        self._session.add(self._person(**values))
        self._session.execute(insert(self._twin).values(values_of(values)))

    def _come(self) -> None:
        self._put(max(self._known) + 1)

    def _change(self) -> None:
        """Give someone another value or two, by the ORM."""
        number = self._random.choice(list(self._known))
        new = self._questions.person(number)
        for name in self._random.sample(list(INDEXES), 2):
            if new[name] != self._known[number][name]:
                self._untagged[number] -= {name, _COMPOUND.get(name, name)}
                self._known[number][name] = new[name]
                setattr(self._session.get_one(self._person, number), name, new[name])
        self._session.flush()
        self._note(number)

    def _move(self) -> None:
        """Have someone go to another clinic, whose keys others are."""
        number = self._random.choice(list(self._known))
        clinic = self._random.choice(CLINICS)
        if clinic != self._known[number]["clinic"]:
            self._known[number]["clinic"] = self._session.get_one(self._person, number).clinic = clinic
            self._session.flush()
            self._untagged.pop(number, None)
            self._note(number)

    def _go(self) -> None:
        if len(self._known) == 1:
            return
        number = self._random.choice(list(self._known))
        del self._known[number]
        self._untagged.pop(number, None)
        self._session.execute(delete(self._person).where(self._person.id == number))
        self._session.execute(delete(self._twin).where(self._twin.c.id == number))

    def _rotate(self) -> None:
        """Have index keys followed by others; rows keep the tags that they have."""
        self._encryptor.data_keys.rotate(self._random.choice([None, *CLINICS]), Purpose.BLIND_INDEX)
        self._clock.advance(self._random.choice([60.0, SETTLED]))

    def _lose(self) -> None:
        """Have someone's row be as old as the time before the indexes, when there were no tags."""
        number = self._random.choice(list(self._known))
        table = self._person.__table__
        tags = [column.name for column in table.c if isinstance(column.type, BlindIndexTag)]
        sets = ", ".join(f"{name} = NULL" for name in tags)
        self._session.connection().exec_driver_sql(f"UPDATE {table.name} SET {sets} WHERE id = {number}")
        self._session.expire_all()
        self._untagged[number] = {*INDEXES, "who", "place"}
        self._note(number)

    def _fill(self) -> None:
        """Fill in tags, and replace those under former keys."""
        self._session.commit()
        report = Migration(self._engine, self._person).backfill(restart=True)
        assert not report.failed
        self._untagged.clear()
        for number in self._known:
            self._note(number)

    def _retire(self) -> None:
        """End former index keys, once no row has a tag under them."""
        self._clock.advance(SETTLED)
        self._fill()
        for tenant in (None, *CLINICS):
            self._encryptor.data_keys.retire_index_keys(tenant)

    def _note(self, number: int) -> None:
        values = values_of(self._known[number], self._untagged[number])
        self._session.execute(update(self._twin).where(self._twin.c.id == number).values(values))

    # What is asked

    def _ask(self, asked: Asked) -> None:
        """Ask what may be asked anywhere in each place."""
        person, twin = self._person, self._twin
        right = sorted(self._session.scalars(select(twin.c.id).where(asked.plain)))
        self.tally["asked"] += 1
        self.tally["found"] += bool(right)
        found = sorted(self._session.scalars(select(person.id).where(asked.protected)))
        assert found == right, asked.spelt
        count = self._session.scalar(select(func.count()).select_from(person).where(asked.protected))
        assert count == len(right), asked.spelt
        assert self._session.scalar(select(exists().where(asked.protected))) == bool(right), asked.spelt
        limited = select(person.id).where(asked.protected).order_by(person.id).limit(2)
        assert list(self._session.scalars(limited)) == right[:2], asked.spelt
        with self._session.begin_nested() as nested:
            changed: Any = self._session.execute(
                update(person).where(asked.protected).values(ward=9), execution_options={"synchronize_session": False}
            )
            assert changed.rowcount == len(right), asked.spelt
            gone: Any = self._session.execute(
                delete(person).where(asked.protected), execution_options={"synchronize_session": False}
            )
            assert gone.rowcount == len(right) or "ward" in asked.spelt, asked.spelt
            nested.rollback()

    def _ask_find(self, asked: Asked) -> None:
        """Ask what only `find` takes, sorted and cut off."""
        right = [self._known[number] for number in self._session.scalars(select(self._twin.c.id).where(asked.plain))]
        self.tally["asked of find"] += 1
        self.tally["found by find"] += bool(right)
        by, descends = self._random.choice(list(INDEXES)), self._random.random() < 0.5
        limit = self._random.choice([None, 2])
        attribute = getattr(self._person, by)
        order = [attribute.desc() if descends else attribute, self._person.id]
        found = find(self._session, select(self._person).where(asked.protected), order_by=order, limit=limit)
        right.sort(key=lambda person: person["id"])
        known = [person for person in right if person[by] is not None]
        known.sort(key=lambda person: person[by], reverse=descends)
        right = known + [person for person in right if person[by] is None]
        assert [person.id for person in found] == [person["id"] for person in right][:limit], asked.spelt

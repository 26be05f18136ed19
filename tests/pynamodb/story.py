"""A story at random of people who are written, changed and searched for, beside the same people as plain values."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from pynamodb.exceptions import DeleteError

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, Purpose
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from fieldcrypt_pynamodb import ProtectedAttributeError, of_tenant
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.conftest import Clock
from tests.pynamodb.people import people
from tests.support.dynamodb import DynamoDb, put_raw, raw

Values = Mapping[str, Any]
DAY = 86_400
CLINICS = ("clinic-7", "clinic-8")
POOLS: dict[str, list[Any]] = {
    "ssn": ["078-05-1120", "219-09-1120", "1120", "99", "n/a", None],
    "email": ["ann@example.org", "Bob@EXAMPLE.org", "c@example.com", "nobody", None],
    "surname": ["Meyer", "meyer", "MEIER", "Mey", "Li", "Straße", "STRASSEN", "Schmidt", None],
    "born": [*(dt.date(1900 + 20 * n, 1 + n, 1 + 3 * n) for n in range(10)), dt.date(2099, 12, 31), None],
    "weight": [0, 1, 15.5, 16, 71.5, 72, 200, 255, None],
    "seen": [dt.datetime(2026, 1, n, tzinfo=dt.UTC) for n in (1, 2, 3)] + [None],
}
TOGETHER = ("surname", "born")
BEGINNINGS, ENDS = ("me", "MEY", "meye", "Meyers", "li", "stra", "strasse"), ("er", "IER", "ss", "sse", "dt", "meyer")


class Leaf(NamedTuple):
    """A question, and who is meant.

    Attributes:
        condition: as it is asked.
        holds: says so of a person's values.
        index: through which it can be queried as well, if any.
    """

    condition: Any
    holds: Callable[[Values], bool]
    index: Any = None


class Story:
    """Tells a story.

    Args:
        meta: of an empty table.
        dynamodb: that has it.
        seed: tells the same one again.
        clock: turns on.
        per_tenant: whether tags are.
    """

    def __init__(self, meta: Any, dynamodb: DynamoDb, seed: int, clock: Clock, *, per_tenant: bool) -> None:
        self._random, self._clock, self._per_tenant = Random(seed), clock, per_tenant
        self._keys = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
        self._model = people(meta, self._keys, per_tenant=per_tenant)
        CheckpointTable(client_factory=dynamodb.client).create_table()
        self._migration = TableMigration(MigratedModel(self._model), dynamodb.client, segments=1)
        self._dynamodb, self._table = dynamodb, meta.table_name
        self._plain: dict[str, dict[str, Any]] = {}
        self._untagged: defaultdict[str, set[str]] = defaultdict(set)  # the attributes without tags, by the id
        self._rotates = False
        self.tally: Counter[str] = Counter()

    def tell(self, steps: int) -> None:
        for _ in range(8):
            self._save()
        for _ in range(steps):
            events = [self._save, self._update, self._delete, self._lose, self._fill, self._rotate, self._ask]
            self._random.choices(events, [4, 4, 1, 1, 1, 1, 14])[0]()

    def _some(self) -> dict[str, Any]:
        return {name: self._random.choice(pool) for name, pool in POOLS.items()}

    def _save(self) -> None:
        id, values = f"id-{self._random.randrange(12)}", {"clinic": self._random.choice(CLINICS), **self._some()}
        self._model(id, **values).save()
        self._plain[id] = values
        self._untagged.pop(id, None)

    def _update(self) -> None:
        if not self._plain:
            return
        id = self._random.choice(sorted(self._plain))
        names = self._random.sample(sorted(POOLS), 2)
        if not set(TOGETHER).isdisjoint(names):
            names = [*{*names, *TOGETHER}]
        values = {name: value for name, value in self._some().items() if name in names}
        self._model.get(id).update(actions=[getattr(self._model, name).set(value) for name, value in values.items()])
        self._plain[id] |= values
        self._untagged[id] -= {*values}

    def _delete(self) -> None:
        if not self._plain:
            return
        id, leaf = self._random.choice(sorted(self._plain)), self._leaf()
        try:
            self._model.get(id).delete(condition=leaf.condition)
        except DeleteError:
            assert not leaf.holds(self._tagged(id))
        except ProtectedAttributeError as error:
            self._inexact(error)
        else:
            assert leaf.holds(self._tagged(id))
            del self._plain[id]
            self.tally["deleted"] += 1

    def _lose(self) -> None:
        """Have an item be as old as the time before the indexes, when there were no tags."""
        if not self._plain:
            return
        id = self._random.choice(sorted(self._plain))
        kept = {"id", "clinic", *POOLS}
        old = raw(self._dynamodb, self._table, {"id": {"S": id}})
        put_raw(self._dynamodb, self._table, {name: value for name, value in old.items() if name in kept})
        self._untagged[id] = {*POOLS}
        self.tally["lost"] += 1

    def _fill(self) -> None:
        """Fill in tags, and replace those under former keys."""
        assert not self._migration.backfill(restart=True).failed
        self._untagged.clear()

    def _tagged(self, id: str) -> dict[str, Any]:
        """Return what searches find of a person: values without tags are like none to them."""
        return {**self._plain[id], **dict.fromkeys(self._untagged[id])}

    def _rotate(self) -> None:
        """Begin a rotation, or end it: all is tagged again, and the old key retired."""
        owners = (*CLINICS, None) if self._per_tenant else (None,)  # indexes of several attributes are of no tenant
        if not self._rotates:
            for owner in owners:
                self._keys.data_keys.rotate(owner, Purpose.BLIND_INDEX)
        self._clock.advance(DAY)
        if self._rotates:
            for item in self._model.scan():
                item.save()
            self._untagged.clear()
            for owner in owners:
                self._keys.data_keys.retire_index_keys(owner)
            self.tally["rotated"] += 1
        self._rotates = not self._rotates

    def _inexact(self, error: ProtectedAttributeError) -> None:
        assert "compared after decryption" in str(error), error
        self.tally["inexact"] += 1

    def _ask(self) -> None:
        one, other = self._leaf(), self._leaf()

        def both(of: Values) -> bool:
            return one.holds(of) and other.holds(of)

        self._found(self._model.scan(one.condition), one.holds)
        self._found(self._model.scan(one.condition & other.condition), both)
        if one.index is not None:
            self._found(one.index.query(one.condition), one.holds)
            self._found(one.index.query(one.condition, filter_condition=other.condition), both)
            self.tally["queried"] += 1
        try:
            self._found(self._model.scan(~one.condition), lambda of: not one.holds(of))
            self._found(self._model.scan(one.condition | other.condition), lambda of: one.holds(of) or other.holds(of))
            if one.index is not None:
                assert one.index.count(one.condition) == sum(one.holds(self._tagged(id)) for id in self._plain)
                self.tally["counted"] += 1
        except ProtectedAttributeError as error:
            self._inexact(error)

    def _found(self, items: Any, holds: Callable[[Values], bool]) -> None:
        found = [item.id for item in items]
        assert sorted(found) == sorted(id for id in self._plain if holds(self._tagged(id)))
        self.tally["found"] += len(found)

    def _leaf(self) -> Leaf:
        return self._random.choice([self._equal, self._part, self._text, self._between, self._compound])()

    def _of(self, name: str) -> tuple[Any, Callable[[Callable[[Any], bool]], Callable[[Values], bool]]]:
        """Return an attribute to be asked, and what makes of a test of its values one of people's."""
        clinic = self._random.choice(CLINICS)
        attribute = getattr(self._model, name)
        if not self._per_tenant:
            return attribute, lambda test: lambda of: of[name] is not None and test(of[name])
        return of_tenant(
            attribute, clinic
        ), lambda test: lambda of: of["clinic"] == clinic and of[name] is not None and test(of[name])

    def _value(self, name: str) -> Any:
        return self._random.choice(POOLS[name][:-1])

    def _equal(self) -> Leaf:
        name = self._random.choice(["ssn", "seen"])
        attribute, person = self._of(name)
        wanted = [self._value(name) for _ in range(self._random.randint(1, 3))]
        condition = attribute == wanted[0] if len(wanted) == 1 else attribute.is_in(*wanted)
        return Leaf(condition, person(lambda value: value in wanted))

    def _part(self) -> Leaf:
        if self._random.random() < 0.5:
            attribute, person = self._of("email")
            wanted = self._random.choice(["example.org", "EXAMPLE.com", "example.net"])
            held = person(lambda value: "@" in value and value.split("@")[1].casefold() == wanted.casefold())
            return Leaf(attribute.part("domain") == wanted, held, self._model.by_domain)
        attribute, person = self._of("ssn")
        wanted = self._random.choice(["1120", "99", "0000"])
        return Leaf(attribute.part("ssn_last4") == wanted, person(lambda value: _digits(value)[-4:] == wanted))

    def _text(self) -> Leaf:
        attribute, person = self._of("surname")
        if self._random.random() < 0.5:
            end = self._random.choice(ENDS)
            return Leaf(attribute.endswith(end), person(lambda value: value.casefold().endswith(end.casefold())))
        begin = self._random.choice(BEGINNINGS)
        held = person(lambda value: value.casefold().startswith(begin.casefold()))
        return Leaf(attribute.startswith(begin), held, self._model.by_prefix_3 if len(begin) > 2 else None)

    def _between(self) -> Leaf:
        name = self._random.choice(["born", "weight"])
        attribute, person = self._of(name)
        low, high = sorted(self._value(name) for _ in range(2))
        index = self._model.by_born_5 if name == "born" else None
        return Leaf(
            *self._random.choice(
                [
                    (attribute.between(low, high), person(lambda value: low <= value <= high)),
                    (attribute < high, person(lambda value: value < high)),
                    (attribute <= high, person(lambda value: value <= high)),
                    (attribute > low, person(lambda value: value > low)),
                    (attribute >= low, person(lambda value: value >= low)),
                ]
            ),
            index,
        )

    def _compound(self) -> Leaf:
        surname, born = self._value("surname"), self._value("born")
        return Leaf(
            self._model.who_tag.equals(surname=surname, born=born),
            lambda of: of["born"] == born and (of["surname"] or "").casefold() == surname.casefold(),
            self._model.by_who,
        )


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))

"""Whatever is asked of a protected table, the answer is that of the same items in plaintext."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from fieldcrypt import Purpose
from fieldcrypt_dynamodb import EncryptedTable, Entity, ProtectedAttributeError, ProtectedTable, of_entity
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from tests.dynamodb.search_questions import Questions
from tests.dynamodb.searched import ATTRIBUTES, COMPOUNDS, create_table, described
from tests.support.doubles import Later
from tests.support.dynamodb import DynamoDb, put_raw, raw
from tests.support.encryptors import new_encryptor
from tests.support.stories import told
from tests.support.wiretap import Secrets

PEOPLE = 12
SETTLED = 3 * 3600.0  # seconds after which an index key has replaced the one before
STEPS = {"flat": (40, 1_500), "entity": (20, 800), "nested": (20, 800)}  # in the suite, and with --long
KEYS = ("email_domain", "ssn_last4", "name_prefix_2", "name_prefix_4", "blood_tag", "who_tag", "born_range_4")
TOGETHER = ({"name", "born"}, {"ward", "email"})  # members of compounds, of which updates set all


class Story:
    """The same people in a protected table and in a dictionary, while items come, change and go, and keys rotate."""

    def __init__(self, kind: str, dynamodb: DynamoDb, seed: int, clock: Later) -> None:
        self._random, self._clock = Random(seed), clock
        self._nested = {"name", "email", "born"} if kind == "nested" else set()
        self._prefix = "P#" if kind == "entity" else ""
        paths = {name: f"profile.{name}" for name in self._nested}
        self._questions = Questions(self._random, paths, compounds=kind != "nested")
        self._together = () if kind == "nested" else TOGETHER
        self._encryptor = new_encryptor()
        bare = create_table(dynamodb, *KEYS)
        if kind == "entity":
            entities = {
                "person": Entity(ATTRIBUTES, key={"id": "P#*"}, indexes=COMPOUNDS),
                "thing": Entity(key={"id": "T#*"}),
            }
            table = ProtectedTable("people", self._encryptor, key=["id"], entities=entities)
            app = EncryptedTable(bare, table)
            app.put_item(Item={"id": "T#1", "name": "thing", "ward": "North"})
            self._table, migrated = of_entity(app, "person"), of_entity(table, "person")
        else:
            attributes = {paths.get(name, name): how for name, how in ATTRIBUTES.items()}
            indexes = [] if kind == "nested" else COMPOUNDS
            migrated = described(self._encryptor, attributes=attributes, indexes=indexes)
            self._table = EncryptedTable(bare, migrated)
        CheckpointTable(client_factory=dynamodb.client).create_table()
        self._migration = TableMigration(migrated, dynamodb.client, segments=1)
        self._people: dict[str, dict[str, Any]] = {}
        self._untagged: defaultdict[str, set[str]] = defaultdict(set)  # the attributes without tags, by the id
        self._dynamodb = dynamodb
        self._rotates = False
        self.tally: Counter[str] = Counter()

    def tell(self, steps: int) -> None:
        """Do what happens, and ask after each step."""
        for number in range(PEOPLE):
            self._put(number)
        writes = [
            self._put,
            self._put,
            self._update,
            self._update,
            self._update,
            self._delete,
            self._delete_if,
            self._lose,
        ]
        for step in range(steps):
            number = self._random.randrange(PEOPLE)
            if step % 20 == 10:
                self._rotate()
            elif step % 20 == 15:
                self._fill()
            else:
                self._unless_too_large(lambda: self._random.choice(writes)(number))  # noqa: B023
            for ask in (self._scan, self._query, self._count):
                self._unless_too_large(ask)

    def _unless_too_large(self, do: Callable[[], None]) -> None:
        """Do something, but for what DynamoDB would not take: it is refused before it is sent."""
        try:
            do()
        except ProtectedAttributeError as error:
            if "and DynamoDB takes" not in str(error):
                raise
            self.tally["too large"] += 1

    # Writes

    def _placed(self, person: dict[str, Any]) -> dict[str, Any]:
        """Return a person as an item."""
        item = {name: value for name, value in person.items() if name not in self._nested}
        inner = {"profile": {name: person[name] for name in self._nested & person.keys()}} if self._nested else {}
        return {**item, **inner, "id": f"{self._prefix}{person['id']}"}

    def _put(self, number: int) -> None:
        person = self._questions.person(number)
        self._people[person["id"]] = person
        self._untagged.pop(person["id"], None)
        if self._random.random() < 0.5:
            self._table.put_item(Item=self._placed(person))
        else:
            with self._table.batch_writer() as batch:
                batch.put_item(Item=self._placed(person))

    def _update(self, number: int) -> None:
        if str(number) not in self._people:
            return
        new = self._questions.person(number)
        names = set(self._random.sample(sorted(new.keys() - {"id"}), k=min(2, len(new) - 1)))
        for members in self._together:
            names |= members if names & members else set()
        person = self._people[str(number)]
        sets = {name: new[name] for name in sorted(names & new.keys())}
        removes = sorted(names - new.keys())
        text = f"SET {', '.join(f'{self._path(name)} = :{name}' for name in sets)}" if sets else ""
        text += f" REMOVE {', '.join(map(self._path, removes))}" if removes else ""
        self._table.update_item(
            Key={"id": f"{self._prefix}{number}"},
            UpdateExpression=text,
            ExpressionAttributeNames={f"#{part}": part for name in names for part in self._steps(name)},
            **({"ExpressionAttributeValues": {f":{name}": value for name, value in sets.items()}} if sets else {}),
        )
        person |= sets
        self._untagged[str(number)] -= names
        for name in removes:
            person.pop(name, None)

    def _steps(self, name: str) -> list[str]:
        return ["profile", name] if name in self._nested else [name]

    def _path(self, name: str) -> str:
        return ".".join(f"#{part}" for part in self._steps(name))

    def _delete(self, number: int) -> None:
        self._table.delete_item(Key={"id": f"{self._prefix}{number}"})
        self._people.pop(str(number), None)

    def _delete_if(self, number: int) -> None:
        asked, person = self._questions.exact(), self._people.get(str(number))
        if person is None:
            return
        is_deleted = True
        try:
            self._table.delete_item(Key={"id": f"{self._prefix}{number}"}, ConditionExpression=asked.condition)
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            is_deleted = False
        assert is_deleted == asked.holds(self._tagged(person)), asked.spelt
        if is_deleted:
            del self._people[str(number)]

    def _lose(self, number: int) -> None:
        """Have an item be as old as the time before the indexes, when there were no tags."""
        if str(number) in self._people:
            old = raw(self._dynamodb, "people", {"id": {"S": f"{self._prefix}{number}"}})
            kept = {"id", "ward", "profile", *ATTRIBUTES}
            put_raw(self._dynamodb, "people", {name: value for name, value in old.items() if name in kept})
            self._untagged[str(number)] = {*ATTRIBUTES}
            self.tally["lost"] += 1

    def _fill(self) -> None:
        """Fill in tags, and replace those under former keys."""
        assert not self._migration.backfill(restart=True).failed
        self._untagged.clear()

    def _tagged(self, person: dict[str, Any]) -> dict[str, Any]:
        """Return what searches find of a person: values without tags are like NULL to them."""
        return {**person, **dict.fromkeys(self._untagged[person["id"]] & person.keys())}

    def _rotate(self) -> None:
        """Rotate the index key; or, if there are two, write all again and retire the old one."""
        self._rotates = not self._rotates
        if self._rotates:
            self._encryptor.data_keys.rotate(None, Purpose.BLIND_INDEX)
            return
        self._clock.advance(SETTLED)
        for person in self._people.values():
            self._table.put_item(Item=self._placed(person))
        self._untagged.clear()
        self._clock.advance(SETTLED)
        self._encryptor.data_keys.retire_index_keys(None)

    # Questions

    def _expected(self, asked: Any) -> list[str]:
        return sorted(number for number, person in self._people.items() if asked.holds(self._tagged(person)))

    def _found(self, items: list[Any]) -> list[str]:
        for item in items:
            assert item == self._placed(self._people[item["id"].removeprefix(self._prefix)])
        return sorted(item["id"].removeprefix(self._prefix) for item in items)

    def _scan(self) -> None:
        asked = self._questions.of_filter()
        found = self._found(self._table.scan(FilterExpression=asked.condition)["Items"])
        assert found == self._expected(asked), asked.spelt
        self.tally["found"] += len(found)

    def _query(self) -> None:
        index, asked = self._questions.of_key()
        request = {"IndexName": index, "KeyConditionExpression": asked.condition}
        limit = self._random.choice([{}, {"Limit": 1}, {"Limit": 3}])
        page = self._table.query(**request, **limit)
        items = page["Items"]
        while "LastEvaluatedKey" in page:
            page = self._table.query(**request, **limit, ExclusiveStartKey=page["LastEvaluatedKey"])
            items += page["Items"]
        found = self._found(items)
        assert found == self._expected(asked), f"{index}: {asked.spelt}"
        self.tally["found by key"] += len(found)

    def _count(self) -> None:
        if self._prefix:
            return  # DynamoDB would count other entities as well
        asked = self._questions.exact()
        assert self._table.scan(FilterExpression=asked.condition, Select="COUNT")["Count"] == len(self._expected(asked))


@pytest.mark.parametrize("kind", STEPS)
def test_a_search_finds_what_it_would_find_in_plaintext(
    kind: str, dynamodb: DynamoDb, later: Later, secrets: Secrets, request: pytest.FixtureRequest
) -> None:
    """With all kinds of indexes, through puts, updates, deletes, rotations of the index key and tags filled in late."""
    secrets.allow(*map(str, range(PEOPLE)))  # as their ids, though numbers end with some of them
    secrets.allow(*range(PEOPLE + 1), "B")  # as a migration counts items, and asks for binary attributes
    tally = told(lambda seed: Story(kind, dynamodb, seed, later), kind, STEPS[kind], request)
    assert tally["found"]
    assert tally["found by key"]

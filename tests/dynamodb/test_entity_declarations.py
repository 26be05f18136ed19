"""What is refused when entities are declared: what could not be told apart, or would be told by what is secret."""

from __future__ import annotations

import pickle
from datetime import date
from typing import Any

import pytest

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt_dynamodb import EncryptedClient, EncryptedResource, Entity, Protected, ProtectedTable, of_entity
from tests.dynamodb.shop import encryptor as encryptor
from tests.dynamodb.shop import entities
from tests.support.dynamodb import DynamoDb

KEY = ("PK", "SK")


def declare(encryptor: Encryptor, **entities: Any) -> ProtectedTable:
    return ProtectedTable("app", encryptor, key=KEY, entities=entities)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Entity(key={"PK": "USER#*"}), Entity(key={"PK": "USER#*"})),
        (Entity(key={"PK": "USER#*"}), Entity(key={"PK": "USER#A*"})),
        (Entity(key={"PK": "USER#*"}), Entity(key={"PK": "USER#7"})),
        (Entity(key={"PK": "USER#*"}), Entity(key={"SK": "PROFILE"})),
        (Entity(key={"PK": "*"}), Entity(key={"PK": "X"})),
        (Entity(key={"PK": "DOC#*"}), Entity(key={"PK": "DOC#7", "SK": "X"}, where={"type": "b"})),
        (Entity(key={"PK": "DOC#*"}, where={"type": "a"}), Entity(key={"PK": "DOC#*"})),
        (Entity(where={"type": "a"}), Entity(where={"type": "a"})),
        (Entity(where={"type": "a"}), Entity(where={"kind": "b"})),
    ],
)
def test_entities_that_an_item_could_both_be_are_refused(encryptor: Encryptor, one: Entity, other: Entity) -> None:
    """By whichever form of the key, or attribute."""
    with pytest.raises(ConfigurationError, match="could be both 'a' and 'b'"):
        declare(encryptor, b=other, a=one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Entity(key={"PK": "USER#*"}), Entity(key={"PK": "ORDER#*"})),
        (Entity(key={"PK": "USER#*", "SK": "A"}), Entity(key={"PK": "USER#*", "SK": "B*"})),
        (Entity(key={"PK": "USER#7"}), Entity(key={"PK": "USER#8"})),
        (Entity(where={"type": "a"}), Entity(where={"type": "b"})),
        (Entity(key={"PK": "USER#*"}), Entity(where={"type": "b"})),
    ],
)
def test_entities_that_can_be_told_apart_are_taken(encryptor: Encryptor, one: Entity, other: Entity) -> None:
    """The last two by what an item has: one that has both is refused when it is met."""
    assert declare(encryptor, a=one, b=other).entities is not None


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({}, "told by its key"),
        ({"key": {}}, "takes names with texts"),
        ({"key": {"PK": 7}}, "takes names with texts"),
        ({"key": {"PK": "A*B"}}, "at the end"),
        ({"where": {"type": "a", "kind": "b"}}, "one attribute"),
    ],
)
def test_what_tells_nothing_is_refused(how: dict[str, Any], what: str) -> None:
    """When the entity is declared."""
    with pytest.raises(ConfigurationError, match=what):
        Entity({"name": str}, **how)


@pytest.mark.parametrize(
    ("entity", "what"),
    [
        (Entity(key={"GSI1PK": "X"}), "PK and SK"),
        (Entity(where={"SK": "X"}), "other attributes"),
        (Entity({"type": str}, where={"type": "a"}), "neither protected nor the tenant"),
        (Entity({"name": str}, where={"type": "a"}, tenant="type"), "neither protected nor the tenant"),
        (Entity({"email": Protected(str, index="type")}, where={"type": "a"}), "type"),
        ("user", "described by an Entity"),
    ],
)
def test_what_tells_entities_apart_is_plain(encryptor: Encryptor, entity: Any, what: str) -> None:
    """And is no key where it is said to be an attribute, nor the other way round."""
    with pytest.raises(ConfigurationError, match=what):
        declare(encryptor, a=entity)


@pytest.mark.parametrize("name", ["a.b", "", "a b", "é"])
def test_the_name_of_an_entity_is_a_word(encryptor: Encryptor, name: str) -> None:
    """It is a part of the names of fields, which dots separate."""
    with pytest.raises(ConfigurationError, match="name"):
        declare(encryptor, **{name: Entity(key={"PK": "X"})})


@pytest.mark.parametrize(
    "how", [{"attributes": {"name": str}}, {"tenant": "org"}, {"plain": {"x"}}, {"accept_until": date(2027, 1, 1)}]
)
def test_what_each_entity_has_is_not_said_of_the_table(encryptor: Encryptor, how: dict[str, Any]) -> None:
    """It would be unclear of which it is."""
    with pytest.raises(ConfigurationError):
        ProtectedTable("app", encryptor, key=KEY, entities={"a": Entity(key={"PK": "X"})}, **how)


def test_an_entity_has_a_closed_mode_of_its_own(encryptor: Encryptor) -> None:
    """What tells it is known."""
    table = declare(encryptor, a=Entity({"name": str}, where={"type": "a"}, plain={"note"}))
    item = {"PK": "1", "SK": "2", "type": "a", "name": "Ada Lovelace", "note": "x"}
    assert table.decrypt_item(table.encrypt_item(item)) == item
    with pytest.raises(TypeError, match="not declared"):
        table.encrypt_item({**item, "ssn": "078-05-1120"})


def test_an_entity_that_nobody_has_is_not_named(encryptor: Encryptor, dynamodb: DynamoDb) -> None:
    """Of a description, a client or a resource; and of nothing else."""
    table = ProtectedTable("app-prod", encryptor, key=KEY, entities=entities())
    for wrapper in (
        table,
        EncryptedClient(dynamodb.client(), [table]),
        EncryptedResource(dynamodb.resource(), [table]),
    ):
        of_entity(wrapper, "user")
        with pytest.raises(ConfigurationError, match="gadget"):
            of_entity(wrapper, "gadget")
    with pytest.raises(TypeError, match="of_entity"):
        of_entity(dynamodb.client(), "user")


def test_a_description_with_entities_is_pickled(encryptor: Encryptor) -> None:
    """As any other one: to another process, where an Encryptor is configured."""
    table = ProtectedTable("app-prod", Encryptor(), key=KEY, entities=entities())
    assert pickle.loads(pickle.dumps(table)).entity_names == table.entity_names

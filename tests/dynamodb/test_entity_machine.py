"""Random writes of three entities leave what they would leave in a plain table, and no secret is ever sent."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fieldcrypt import Encryptor, IndexedBy
from fieldcrypt_dynamodb import EncryptedTable, Entity, Protected, ProtectedTable, of_entity, of_tenant
from tests.dynamodb.shop import create
from tests.dynamodb.shop import encryptor as encryptor
from tests.support.dynamodb import DynamoDb, OnMoto
from tests.support.strategies import relaxed
from tests.support.wiretap import past_the_wiretap

EMAILS = [f"secret-{name}@example.org" for name in ("ann", "bob")]
ENTITIES = {
    "user": Entity(
        {"name": str, "email": Protected(str, index=IndexedBy("GSI1PK", prefix="EMAIL#"))},
        key={"PK": "USER#*", "SK": "PROFILE"},
        tenant="org",
    ),
    "order": Entity({"address": str}, key={"PK": "USER#*", "SK": "ORDER#*"}),
    "product": Entity(key={"PK": "PRODUCT#*"}, where={"type": "product"}),
}
_numbers = itertools.count(1)
SECRET = st.none() | st.builds(lambda: f"secret-{next(_numbers)}")
PLAIN = st.sampled_from(["plain-1", "plain-2"])
OWNER, NUMBER = st.sampled_from(["USER#1", "USER#2"]), st.sampled_from(["ORDER#1", "ORDER#2"])
USER_KEY = st.builds(lambda owner: {"PK": owner, "SK": "PROFILE"}, OWNER)
ORDER_KEY = st.builds(lambda owner, number: {"PK": owner, "SK": number}, OWNER, NUMBER)
PRODUCT_KEY = st.builds(lambda number: {"PK": f"PRODUCT#{number}", "SK": "ITEM"}, st.integers(1, 2))


def item(key: st.SearchStrategy[Any], always: dict[str, Any], some: dict[str, Any]) -> st.SearchStrategy[Any]:
    members = st.fixed_dictionaries(always, optional=some)
    return st.builds(lambda key, members: {**key, **members}, key, members)


USER = item(USER_KEY, {"org": st.just("acme")}, {"name": SECRET, "email": st.none() | st.sampled_from(EMAILS)})
ORDER = item(ORDER_KEY, {}, {"address": SECRET, "name": PLAIN, "GSI1PK": st.just("ORDER#1"), "type": PLAIN})
PRODUCT = item(PRODUCT_KEY, {"type": st.just("product")}, {"name": PLAIN, "address": PLAIN, "GSI1PK": PLAIN})
ITEM = USER | ORDER | PRODUCT


class EntityMachine(RuleBasedStateMachine):
    """Does the same to a protected table and to a plain one."""

    def __init__(self, table: EncryptedTable, twin: Any) -> None:
        super().__init__()
        self.table, self.twin = of_tenant(table, "acme"), twin
        for old in twin.scan()["Items"]:
            self.delete({name: old[name] for name in ("PK", "SK")})

    def both(self, do: Callable[[Any], Any]) -> None:
        assert outcome(lambda: do(self.table)) == outcome(lambda: do(self.twin))

    @rule(item=ITEM, is_new=st.booleans())
    def put(self, item: dict[str, Any], is_new: bool) -> None:
        condition = {"ConditionExpression": Attr("SK").not_exists()} if is_new else {}
        returned = lambda table: table.put_item(Item=item, ReturnValues="ALL_OLD", **condition).get("Attributes")  # noqa: E731
        self.both(returned)

    @rule(items=st.lists(ITEM, max_size=4, unique_by=lambda item: (item["PK"], item["SK"])))
    def put_several(self, items: list[dict[str, Any]]) -> None:
        for table in (self.table, self.twin):
            with table.batch_writer() as batch:
                for item in items:
                    batch.put_item(Item=item)

    @rule(key=USER_KEY, name=SECRET, email=st.sampled_from(EMAILS))
    def update_user(self, key: dict[str, Any], name: Any, email: str) -> None:
        self.update(key, {"name": name, "email": email}, Attr("org").exists())

    @rule(key=ORDER_KEY, address=SECRET, name=PLAIN)
    def update_order(self, key: dict[str, Any], address: Any, name: str) -> None:
        self.update(key, {"address": address, "name": name})

    @rule(key=PRODUCT_KEY, name=PLAIN)
    def update_product(self, key: dict[str, Any], name: str) -> None:
        self.update(key, {"name": name}, Attr("type").exists())

    def update(self, key: dict[str, Any], values: dict[str, Any], *condition: Any) -> None:
        names = {f"#{name}": name for name in values}
        update = {
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in values),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
            **({"ConditionExpression": condition[0]} if condition else {}),
        }
        self.both(lambda table: table.update_item(Key=key, ReturnValues="ALL_NEW", **update)["Attributes"])

    @rule(key=USER_KEY | ORDER_KEY | PRODUCT_KEY)
    def delete(self, key: dict[str, Any]) -> None:
        self.both(lambda table: table.delete_item(Key=key, ReturnValues="ALL_OLD").get("Attributes"))

    @rule(email=st.sampled_from(EMAILS))
    def search(self, email: str) -> None:
        found = self.table.query(IndexName="GSI1", KeyConditionExpression=Key("email").eq(email))["Items"]
        assert by_key(found) == by_key(self.twin.scan(FilterExpression=Attr("email").eq(email))["Items"])

    @rule(owner=OWNER)
    def read_collection(self, owner: str) -> None:
        self.both(lambda table: table.query(KeyConditionExpression=Key("PK").eq(owner))["Items"])

    @rule()
    def read_projection(self) -> None:
        asked = {"ProjectionExpression": "#n, address", "ExpressionAttributeNames": {"#n": "name"}}
        self.both(lambda table: sorted(map(str, table.scan(**asked)["Items"])))

    @rule()
    def read_orders(self) -> None:
        orders = [item for item in self.twin.scan()["Items"] if item["SK"].startswith("ORDER#")]
        assert by_key(of_entity(self.table, "order").scan()["Items"]) == by_key(orders)

    @invariant()
    def it_reads_like_the_plain_table(self) -> None:
        self.both(lambda table: by_key(table.scan()["Items"]))


def by_key(items: Any) -> list[Any]:
    return sorted(items, key=lambda item: (item["PK"], item["SK"]))


def outcome(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except ClientError as error:
        return error.response["Error"]["Code"]


class TestRandomWrites(OnMoto):
    """On a table, beside a plain one."""

    def test_they_leave_what_they_would_leave_in_a_plain_table(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """Each item is what its entity says, whichever way it was written."""
        description = ProtectedTable("app-prod", encryptor, key=("PK", "SK"), fields="app", entities=ENTITIES)
        table = EncryptedTable(create(dynamodb, "app-prod"), description)
        twin = create(dynamodb, "plain")
        past_the_wiretap(twin.meta.client)
        machine: Any = lambda: EntityMachine(table, twin)  # noqa: E731
        run_state_machine_as_test(machine, settings=settings(relaxed, max_examples=8, stateful_step_count=25))

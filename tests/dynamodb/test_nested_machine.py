"""Random writes of nested values leave an item that reads like that of a plain table, and no secret is ever sent."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import EncryptedTable, Protected, ProtectedTable
from tests.dynamodb.patients import KEY, stored
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.support.dynamodb import OnMoto
from tests.support.strategies import relaxed
from tests.support.wiretap import past_the_wiretap

ATTRIBUTES: dict[str, Any] = {
    "ssn": str,
    "profile.ssn": str,
    "profile.contact.email": Protected(str, index="email_tag"),
    "addresses[].street": str,
    "phones[kind].number": int,
    "notes[]": str,
}

_numbers = itertools.count(1)
EMAILS = [f"secret-{name}@example.org" for name in ("ann", "bob")]


def secret() -> st.SearchStrategy[Any]:
    """A text that is nowhere else, or NULL."""
    return st.none() | st.builds(lambda: f"secret-{next(_numbers)}")


def some(members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=members)


PLAIN = st.sampled_from(["plain-1", "plain-2"])
CONTACT = some({"email": st.none() | st.sampled_from(EMAILS), "city": PLAIN})
PROFILE = some({"ssn": secret(), "contact": CONTACT, "city": PLAIN})
ADDRESS = some({"street": secret(), "city": PLAIN})
PHONE = st.builds(
    lambda kind, more: {"kind": kind, **more},
    st.sampled_from(["home", "work"]),
    some({"number": st.none() | st.builds(lambda: 9_000_000 + next(_numbers)), "label": PLAIN}),
)
LISTS = {"addresses": st.lists(ADDRESS, max_size=2), "phones": st.lists(PHONE, max_size=2)}
LISTS["notes"] = st.lists(secret(), max_size=2)
ITEM = some({"ssn": secret(), "profile": PROFILE, "ward": PLAIN, **LISTS})
PATHS: dict[str, st.SearchStrategy[Any]] = {
    **{"ssn": secret(), "ward": PLAIN, "profile": PROFILE, **LISTS},
    **{"profile.ssn": secret(), "profile.city": PLAIN, "profile.contact": CONTACT},
    **{"profile.contact.email": st.sampled_from(EMAILS), "profile.contact.city": PLAIN},
    **{"addresses[0]": ADDRESS, "addresses[0].street": secret(), "addresses[1].city": PLAIN},
    **{"phones[0]": PHONE, "phones[0].label": PLAIN, "notes[0]": secret(), "notes[1]": secret()},
}
REMOVED = [*PATHS, "phones[0].number"]


def placed(text: str) -> dict[str, Any]:
    """The parameters of paths, whose names may be reserved words: `#ssn` for `ssn`."""
    names = {part.partition("[")[0] for path in text.split(", ") for part in path.split(".")}
    return {"ExpressionAttributeNames": {f"#{name}": name for name in names}}


def with_signs(path: str) -> str:
    return ".".join(f"#{part}" for part in path.split("."))


class NestedMachine(RuleBasedStateMachine):
    """Does the same to a protected table and to a plain one.

    No map is NULL, for moto fails where something is removed of one, when half of the update is done.
    """

    def __init__(self, table: EncryptedTable, twin: Any, raw: Any) -> None:
        super().__init__()
        self.table, self.twin, self.raw = table, twin, raw
        self.put({})

    def both(self, do: Callable[[Any], Any]) -> None:
        """DynamoDB says the same of both, or nothing is done because it is refused."""
        mine = outcome(lambda: do(self.table))
        assert mine == outcome(lambda: do(self.twin))

    def update(self, text: str, paths: str, values: dict[str, Any], **more: Any) -> None:
        given = {**placed(paths), **({"ExpressionAttributeValues": values} if values else {}), **more}
        self.both(lambda table: table.update_item(Key=KEY, UpdateExpression=text, **given).get("Attributes"))

    @rule(item=ITEM)
    def put(self, item: dict[str, Any]) -> None:
        self.both(lambda table: table.put_item(Item={**KEY, **item}) and None)

    @rule(item=ITEM)
    def put_in_a_batch(self, item: dict[str, Any]) -> None:
        for table in (self.table, self.twin):
            with table.batch_writer() as batch:
                batch.put_item(Item={**KEY, **item})

    @rule(data=st.data(), path=st.sampled_from(list(PATHS)), returned=st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW"]))
    def set(self, data: st.DataObject, path: str, returned: str) -> None:
        values = {":value": data.draw(PATHS[path])}
        self.update(f"SET {with_signs(path)} = :value", path, values, ReturnValues=returned)

    @rule(data=st.data(), path=st.sampled_from(["profile.ssn", "addresses", "notes", "notes[0]", "phones"]))
    def set_once(self, data: st.DataObject, path: str) -> None:
        text = f"SET {with_signs(path)} = if_not_exists({with_signs(path)}, :value)"
        self.update(text, path, {":value": data.draw(PATHS[path])})

    @rule(data=st.data(), path=st.sampled_from(list(LISTS)), is_first=st.booleans())
    def append(self, data: st.DataObject, path: str, is_first: bool) -> None:
        parts = [f"if_not_exists(#{path}, :none)", ":value"][:: -1 if is_first else 1]
        values = {":value": data.draw(LISTS[path]), ":none": []}
        self.update(f"SET #{path} = list_append({', '.join(parts)})", path, values)

    @rule(path=st.sampled_from(REMOVED), ward=PLAIN)
    def remove(self, path: str, ward: str) -> None:
        if path == "ward":
            return
        self.update(f"REMOVE {with_signs(path)} SET #ward = :ward", f"{path}, ward", {":ward": ward})

    @rule(path=st.sampled_from(REMOVED), ward=PLAIN)
    def set_on_condition(self, path: str, ward: str) -> None:
        condition = f"attribute_exists({with_signs(path)})"
        self.update("SET #ward = :ward", f"{path}, ward", {":ward": ward}, ConditionExpression=condition)

    @invariant()
    def it_reads_like_the_plain_item(self) -> None:
        assert self.table.get_item(Key=KEY)["Item"] == self.twin.get_item(Key=KEY)["Item"]

    @rule(path=st.sampled_from([path for path in PATHS if not path.startswith("phones[0].number")]))
    def project(self, path: str) -> None:
        asked = {"ProjectionExpression": with_signs(path), **placed(path)}
        self.both(lambda table: table.get_item(Key=KEY, **asked)["Item"])

    @rule(email=st.sampled_from(EMAILS))
    def search(self, email: str) -> None:
        found = self.table.query(IndexName="by_email", KeyConditionExpression=Key("profile.contact.email").eq(email))
        assert found["Items"] == self.twin.scan(FilterExpression=Attr("profile.contact.email").eq(email))["Items"]

    @precondition(lambda self: "email_tag" in stored(self.raw))
    @invariant()
    def no_tag_is_left_behind(self) -> None:
        assert self.table.get_item(Key=KEY)["Item"]["profile"]["contact"]["email"] is not None


def outcome(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except ClientError as error:
        return error.response["Error"]["Code"]


class TestRandomWrites(OnMoto):
    """On a table, beside a plain one."""

    @pytest.fixture
    def twin(self, raw: Any, resource: Any) -> Any:
        """The other table, whose requests nobody reads along."""
        twin = resource.Table("other")
        past_the_wiretap(twin.meta.client)
        return twin

    def test_they_leave_what_they_would_leave_in_a_plain_table(
        self, raw: Any, twin: Any, dynamodb: Any, encryptor: Encryptor
    ) -> None:
        key = ("clinic", "number")
        description = ProtectedTable("patients", encryptor, key=key, tenant="clinic", attributes=ATTRIBUTES)
        table = EncryptedTable(dynamodb.resource().Table("patients"), description)
        how = settings(relaxed, max_examples=8, stateful_step_count=25)
        machine: Any = lambda: NestedMachine(table, twin, raw)  # noqa: E731
        run_state_machine_as_test(machine, settings=how)

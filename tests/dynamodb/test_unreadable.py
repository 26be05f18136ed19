"""Values that cannot be read: errors say which they are, and a reader can go on with the others."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fieldcrypt import (
    USE_DEFAULT,
    DecryptionError,
    Encryptor,
    FieldcryptError,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderError,
    KeyShreddedError,
    LocalKeyProvider,
    MemoryKeyStore,
    TenantKeyProvider,
)
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedResource,
    EncryptedTable,
    Entity,
    IndexedBy,
    ItemSeal,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    Unreadable,
    decrypt_stream_record,
    of_tenant,
)
from tests.dynamodb.patients import SSN
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.support.dynamodb import OnMoto
from tests.support.strategies import relaxed

KEY = {"clinic": "south", "number": 2}
WIRE_KEY = {"clinic": {"S": "south"}, "number": {"N": "2"}}
OTHER = {"clinic": "north", "number": 1}
PLACE = "patients.ssn of the item {'clinic': 'south', 'number': 2}"


@pytest.fixture
def encryptor() -> Encryptor:
    policy = KeyPolicy(replication_wait=timedelta(0))
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=policy)


def described(encryptor: Encryptor, **more: Any) -> ProtectedTable:
    how = {
        "key": ("clinic", "number"),
        "tenant": "clinic",
        "attributes": {"ssn": str, "email": Protected(str, index=IndexedBy("email_tag"))},
    }
    return ProtectedTable("patients", encryptor, **{**how, **more})


def item(clinic: str, number: int, **more: Any) -> dict[str, Any]:
    return {"clinic": clinic, "number": number, "ssn": SSN, "email": f"{number}@example.org", "ward": number, **more}


@pytest.fixture
def plain(raw: Any, resource: Any) -> Any:
    """boto3's own table."""
    return resource.Table("patients")


@pytest.fixture
def table(plain: Any, encryptor: Encryptor) -> EncryptedTable:
    """Three patients, of two clinics."""
    table = EncryptedTable(plain, described(encryptor))
    for each in (item("north", 1), item("south", 2), item("north", 3)):
        table.put_item(Item=each)
    return table


def change(plain: Any, **values: Any) -> None:
    """Change attributes of the second patient, as somebody who writes to the table can."""
    for name, value in values.items():
        plain.update_item(
            Key=KEY,
            UpdateExpression="SET #n = :v" if value is not None else "REMOVE #n",
            ExpressionAttributeNames={"#n": name},
            **({"ExpressionAttributeValues": {":v": value}} if value is not None else {}),
        )


def damage(plain: Any, key: Any = KEY) -> None:
    data = bytes(plain.get_item(Key=key)["Item"]["ssn"])
    change(plain, ssn=data[:-1] + bytes([data[-1] ^ 1]))


def by_number(page: dict[str, Any]) -> dict[int, Any]:
    return {int(each["number"]): each for each in page["Items"]}


UNREADABLE: dict[str, Callable[[Any, Encryptor], object]] = {
    "damaged": lambda plain, _: damage(plain),
    "shredded": lambda _, encryptor: encryptor.data_keys.shred("south", by="test"),
    "another's": lambda plain, _: change(
        plain, ssn=plain.get_item(Key={**KEY, "clinic": "north", "number": 1})["Item"]["ssn"]
    ),
    "plaintext": lambda plain, _: change(plain, ssn="planted"),
    "of no type that values have": lambda plain, _: change(plain, ssn={"a": 1}),
    "under a data key that nobody has": lambda plain, _: change(plain, ssn=b"\x01" + bytes(80)),
}


class TestReading(OnMoto):
    @pytest.mark.parametrize("spoil", UNREADABLE.values(), ids=UNREADABLE)
    def test_one_item_that_cannot_be_read_does_not_take_the_page(
        self, table: EncryptedTable, plain: Any, encryptor: Encryptor, spoil: Any
    ) -> None:
        """Whoever writes to the table could stop every reader by it."""
        spoil(plain, encryptor)
        found = by_number(table.scan(on_unreadable="mark"))
        assert [found[1], found[3]] == [item("north", 1), item("north", 3)]
        assert isinstance(found[2]["ssn"], Unreadable)
        assert {name: found[2][name] for name in ("clinic", "number", "ward")} == {**KEY, "ward": 2}

    @pytest.mark.parametrize("spoil", UNREADABLE.values(), ids=UNREADABLE)
    def test_an_error_says_which_value_of_which_item_it_is_about(
        self, table: EncryptedTable, plain: Any, encryptor: Encryptor, spoil: Any
    ) -> None:
        spoil(plain, encryptor)
        with pytest.raises(FieldcryptError) as caught:
            table.scan()
        assert PLACE in str(caught.value)
        assert str(by_number(table.scan(on_unreadable="mark"))[2]["ssn"].error) == str(caught.value)

    def test_values_beside_it_are_read(self, table: EncryptedTable, plain: Any) -> None:
        damage(plain)
        assert table.get_item(Key=KEY, on_unreadable="mark")["Item"]["email"] == "2@example.org"

    def test_each_is_reported_once(self, table: EncryptedTable, plain: Any, encryptor: Encryptor) -> None:
        damage(plain)
        table.get_item(Key=KEY, on_unreadable="mark")
        assert encryptor.stats().events["value_refused"] == 1

    def test_one_of_two_hundred(self, table: EncryptedTable, plain: Any) -> None:
        """With pages of 30: all are there once, and counts and keys are DynamoDB's."""
        with table.batch_writer() as batch:
            for number in range(4, 201):
                batch.put_item(Item=item("north", number))
        damage(plain)
        found: list[Any] = []
        page: dict[str, Any] = {}
        while not found or "LastEvaluatedKey" in page:
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if found else {}
            page = table.scan(Limit=30, on_unreadable="mark", **start)
            assert page["Count"] == page["ScannedCount"] == len(page["Items"])
            found += page["Items"]
        assert sorted(int(each["number"]) for each in found) == list(range(1, 201))
        assert [int(each["number"]) for each in found if isinstance(each["ssn"], Unreadable)] == [2]

    def test_an_outage_is_raised_all_the_same(self, table: EncryptedTable, plain: Any) -> None:
        """Nothing is wrong with the values then."""

        class Away(LocalKeyProvider):
            def unwrap(self, *_: Any) -> bytes:
                raise KeyProviderError("KMS is away")

        other = Encryptor(Away(b"k" * 32), table._description.encryptor._configured().store)
        with pytest.raises(KeyProviderError):
            EncryptedTable(plain, described(other)).scan(on_unreadable="mark")

    def test_of_an_item_without_its_tenant_all_protected_values_are_marked(
        self, plain: Any, encryptor: Encryptor
    ) -> None:
        table = EncryptedTable(plain, described(encryptor, tenant="owner"))
        table.put_item(Item=item("south", 2, owner="c7"))
        change(plain, owner=None)
        found = table.scan(on_unreadable="mark")["Items"][0]
        assert {name for name in found if isinstance(found[name], Unreadable)} == {"ssn", "email"}
        assert "'owner'" in str(found["ssn"].error)

    @pytest.mark.parametrize("tenant", ["x" * 256, True])
    def test_a_tenant_that_nobody_can_be_takes_no_page(self, plain: Any, tenant: Any) -> None:
        """Key providers of tenants refuse to be asked for it: whoever writes to the table could write such a name."""
        default = LocalKeyProvider.generate()
        own = Encryptor(TenantKeyProvider(lambda _: USE_DEFAULT, default), MemoryKeyStore())
        table = EncryptedTable(plain, described(own, tenant="owner", attributes={"ssn": str}))
        table.put_item(Item={**KEY, "ssn": SSN, "owner": "c7"})
        change(plain, owner=tenant)
        with pytest.raises(DecryptionError):
            table.scan()
        assert isinstance(table.scan(on_unreadable="mark")["Items"][0]["ssn"], Unreadable)

    def test_nor_does_a_value_of_a_key_store_where_there_is_none(self, plain: Any) -> None:
        table = EncryptedTable(plain, described(Encryptor(LocalKeyProvider.generate()), attributes={"ssn": str}))
        table.put_item(Item={**KEY, "ssn": SSN})
        change(plain, ssn=b"\x01" + bytes(80))
        assert isinstance(table.scan(on_unreadable="mark")["Items"][0]["ssn"], Unreadable)

    def test_items_of_other_tenants_are_marked_too(self, table: EncryptedTable) -> None:
        found = by_number(of_tenant(table, "north").scan(on_unreadable="mark"))
        assert found[1]["ssn"] == SSN
        assert isinstance(found[2]["ssn"], Unreadable)

    def test_in_a_map_a_value_is_marked_where_it_is(self, plain: Any, encryptor: Encryptor) -> None:
        table = EncryptedTable(plain, described(encryptor, attributes={"a.ssn": str, "l[].b": str}))
        given = {**KEY, "a": {"ssn": "1", "c": 1}, "l": [{"b": "2"}, {"b": "3"}]}
        table.put_item(Item=given)
        data = plain.get_item(Key=KEY)["Item"]["a"]["ssn"]
        change(plain, l=[{"b": data}, plain.get_item(Key=KEY)["Item"]["l"][1]])
        found = table.get_item(Key=KEY, on_unreadable="mark")["Item"]
        assert found["a"] == given["a"]
        assert found["l"][1] == {"b": "3"}
        assert "patients.l[].b of the item" in str(found["l"][0]["b"].error)

    def test_of_a_map_that_is_none_all_is_marked(self, plain: Any, encryptor: Encryptor) -> None:
        table = EncryptedTable(plain, described(encryptor, attributes={"a.ssn": str, "ssn": str}))
        table.put_item(Item={**KEY, "a": {"ssn": "1"}, "ssn": "2"})
        change(plain, a="text")
        found = table.get_item(Key=KEY, on_unreadable="mark")["Item"]
        assert isinstance(found["a"], Unreadable)
        assert found["ssn"] == "2"

    def test_an_item_that_is_no_entity_does_not_take_the_page(self, plain: Any, encryptor: Encryptor) -> None:
        """Only what tells items apart, and tenants, are then what they are."""
        user = Entity(where={"kind": "user"}, attributes={"ssn": str}, tenant="clinic")
        table = EncryptedTable(plain, ProtectedTable("patients", encryptor, key=tuple(KEY), entities={"user": user}))
        for number in (2, 3):
            table.put_item(Item={**KEY, "number": number, "kind": "user", "ssn": SSN, "ward": 1})
        change(plain, kind="admin")
        with pytest.raises(DecryptionError, match=r"patients of the item {'clinic': 'south', 'number': 2}"):
            table.scan()
        found = by_number(table.scan(on_unreadable="mark"))
        assert {name for name in found[2] if isinstance(found[2][name], Unreadable)} == {"ssn", "ward"}
        assert found[3]["ssn"] == SSN

    def test_nothing_else_can_be_said(self, table: EncryptedTable) -> None:
        with pytest.raises(ValueError, match='on_unreadable="mark"'):
            table.scan(on_unreadable="skip")


def test_an_item_of_a_tenant_that_does_not_exist_takes_nothing_else(plain: Any) -> None:
    """Whoever writes to the table can make one up, and the lookup cannot know it."""
    tenants = {"north": USE_DEFAULT, "south": USE_DEFAULT}
    own = Encryptor(TenantKeyProvider(tenants.__getitem__, LocalKeyProvider.generate()), MemoryKeyStore())
    table = EncryptedTable(plain, described(own))
    for number, clinic in enumerate(tenants):
        table.put_item(Item=item(clinic, number))
    plain.put_item(Item={**plain.get_item(Key={"clinic": "north", "number": 0})["Item"], "clinic": "nowhere"})
    found = table.scan(on_unreadable="mark")["Items"]
    readable = {each["clinic"] for each in found if not isinstance(each["ssn"], Unreadable)}
    assert len(found) == 3
    assert readable == set(tenants)


class TestEveryReader(OnMoto):
    @pytest.mark.parametrize(
        "read",
        [
            lambda client: client.get_item(TableName="patients", Key=WIRE_KEY, on_unreadable="mark")["Item"],
            lambda client: client.scan(TableName="patients", on_unreadable="mark")["Items"],
            lambda client: client.query(
                TableName="patients",
                KeyConditionExpression="clinic = :c",
                ExpressionAttributeValues={":c": {"S": "south"}},
                on_unreadable="mark",
            )["Items"],
            lambda client: list(client.get_paginator("scan").paginate(TableName="patients", on_unreadable="mark")),
            lambda client: client.batch_get_item(RequestItems={"patients": {"Keys": [WIRE_KEY]}}, on_unreadable="mark")[
                "Responses"
            ]["patients"],
            lambda client: client.transact_get_items(
                TransactItems=[{"Get": {"TableName": "patients", "Key": WIRE_KEY}}], on_unreadable="mark"
            )["Responses"],
        ],
        ids=["get_item", "scan", "query", "paginator", "batch_get_item", "transact_get_items"],
    )
    def test_of_a_client_marks(self, table: EncryptedTable, raw: Any, encryptor: Encryptor, read: Any) -> None:
        """In DynamoDB's own form: in place of `{"S": …}`."""
        encryptor.data_keys.shred("south", by="test")
        found = repr(read(EncryptedClient(raw, [described(encryptor)])))
        assert f"'ssn': <unreadable: {PLACE}: " in found

    @pytest.mark.parametrize(
        "read",
        [
            lambda client: client.batch_get_item(RequestItems={"patients": {"Keys": [WIRE_KEY]}}),
            lambda client: client.transact_get_items(
                TransactItems=[{"Get": {"TableName": "patients", "Key": WIRE_KEY}}]
            ),
        ],
        ids=["batch_get_item", "transact_get_items"],
    )
    def test_of_several_items_says_which_it_is(
        self, table: EncryptedTable, raw: Any, encryptor: Encryptor, read: Any
    ) -> None:
        encryptor.data_keys.shred("south", by="test")
        with pytest.raises(KeyShreddedError) as caught:
            read(EncryptedClient(raw, [described(encryptor)]))
        assert PLACE in str(caught.value)

    def test_of_a_resource_marks(self, table: EncryptedTable, resource: Any, encryptor: Encryptor) -> None:
        encryptor.data_keys.shred("south", by="test")
        found = EncryptedResource(resource, [described(encryptor)]).batch_get_item(
            RequestItems={"patients": {"Keys": [KEY]}}, on_unreadable="mark"
        )
        assert isinstance(found["Responses"]["patients"][0]["ssn"], Unreadable)

    @pytest.mark.parametrize("operation", ["get_item", "scan"])
    def test_of_a_table_that_is_not_protected_goes_on_as_it_is(
        self, raw: Any, encryptor: Encryptor, operation: str
    ) -> None:
        client = EncryptedClient(raw, [described(encryptor)])
        key = {"Key": WIRE_KEY} if operation == "get_item" else {}
        assert getattr(client, operation)(TableName="other", **key, on_unreadable="mark")

    @pytest.mark.parametrize("image", ["OldImage", "NewImage"])
    @pytest.mark.parametrize("to", ["python", "dynamodb", "json"])
    def test_of_a_stream_goes_on_behind_a_shredded_item(
        self, table: EncryptedTable, raw: Any, encryptor: Encryptor, image: str, to: Any
    ) -> None:
        """When its REMOVE raised, the shard was blocked until the record had aged out."""
        stored = raw.get_item(TableName="patients", Key=WIRE_KEY)["Item"]
        encryptor.data_keys.shred("south", by="test")
        record = {"eventName": "REMOVE", "dynamodb": {"Keys": WIRE_KEY, image: stored}}
        with pytest.raises(KeyShreddedError) as caught:
            decrypt_stream_record(record, described(encryptor), to=to)
        assert PLACE in str(caught.value)
        found = decrypt_stream_record(record, described(encryptor), to=to, on_unreadable="mark")["dynamodb"][image]
        assert isinstance(found["ssn"], Unreadable)
        assert found["ward"] in (2, {"N": "2"})

    def test_of_one_item_marks(self, table: EncryptedTable, plain: Any, encryptor: Encryptor) -> None:
        damage(plain)
        stored = plain.get_item(Key=KEY)["Item"]
        assert isinstance(described(encryptor).decrypt_item(stored, on_unreadable="mark")["ssn"], Unreadable)


class TestSeals(OnMoto):
    @pytest.fixture
    def sealed(self, plain: Any, encryptor: Encryptor) -> EncryptedTable:
        seal = ItemSeal("seal", over=("ssn", "role", "blocked"))
        table = EncryptedTable(plain, described(encryptor, seal=seal))
        for each in (item("south", 2, role="nurse", blocked=True), item("north", 3, role="nurse")):
            table.put_item(Item=each)
        return table

    @pytest.mark.parametrize("how", [{"role": "admin"}, {"blocked": None}, {"seal": None}, {"ssn": b"\x01"}])
    def test_of_a_broken_one_all_is_marked_that_it_covers(self, sealed: EncryptedTable, plain: Any, how: Any) -> None:
        """Removed attributes too, and what is protected beside it."""
        change(plain, **how)
        found = by_number(sealed.scan(on_unreadable="mark"))
        assert {name for name in found[2] if isinstance(found[2][name], Unreadable)} == {
            *("ssn", "email", "role", "blocked")
        }
        assert "seal" not in found[2]
        assert found[3] == item("north", 3, role="nurse")

    def test_what_was_taken_away_is_not_taken_for_absent(self, sealed: EncryptedTable, plain: Any) -> None:
        change(plain, blocked=None)
        found = sealed.get_item(Key=KEY, on_unreadable="mark")["Item"]
        with pytest.raises(DecryptionError, match=r"patients\.seal of the item"):
            bool(found.get("blocked"))

    def test_what_is_found_by_a_sealed_attribute_is_seen_to_be_uncertain(
        self, sealed: EncryptedTable, plain: Any
    ) -> None:
        """DynamoDB compares the attribute that somebody changed."""
        change(plain, role="admin")
        found = sealed.scan(
            FilterExpression=Attr("role").eq("admin"), ProjectionExpression="ward", on_unreadable="mark"
        )
        assert [each["ward"] for each in found["Items"]] == [2]
        assert isinstance(found["Items"][0]["role"], Unreadable)


class TestSearch(OnMoto):
    """An item that was found by its tag, and cannot be read, is neither found nor left out unsaid."""

    def test_it_is_in_the_page_with_the_mark_whatever_was_asked_for(self, table: EncryptedTable, plain: Any) -> None:
        change(plain, email=b"\x01" + bytes(80))
        asked = {"ProjectionExpression": "ward", "on_unreadable": "mark"}
        for found in (
            table.query(IndexName="by_email", KeyConditionExpression=Key("email").eq("2@example.org"), **asked),
            table.scan(FilterExpression=Attr("email").eq("2@example.org"), **asked),
        ):
            assert [each["ward"] for each in found["Items"]] == [2]
            assert isinstance(found["Items"][0]["email"], Unreadable)
            assert found["Count"] == 1

    def test_so_is_one_that_was_found_by_a_value_in_a_map(self, plain: Any, encryptor: Encryptor) -> None:
        searchable = Protected(str, index=IndexedBy("email_tag"))
        table = EncryptedTable(plain, described(encryptor, attributes={"profile.email": searchable}))
        table.put_item(Item={**KEY, "profile": {"email": "2@example.org", "since": 1}, "ward": 2})
        change(plain, profile={"email": b"\x01" + bytes(80), "since": 1})
        asked = {"ProjectionExpression": "ward", "on_unreadable": "mark"}
        [found] = table.scan(FilterExpression=Attr("profile.email").eq("2@example.org"), **asked)["Items"]
        assert found["ward"] == 2
        assert isinstance(found["profile"]["email"], Unreadable)

    def test_what_is_read_and_differs_is_left_out_as_ever(self, table: EncryptedTable, plain: Any) -> None:
        """A tag that somebody copied."""
        change(plain, email_tag=plain.get_item(Key={"clinic": "north", "number": 1})["Item"]["email_tag"])
        found = table.scan(FilterExpression=Attr("email").eq("1@example.org"), on_unreadable="mark")
        assert found["Items"] == [item("north", 1)]

    def test_without_the_attribute_it_was_found_by_it_takes_no_page(self, table: EncryptedTable, plain: Any) -> None:
        """From which somebody took it, and left the tag."""
        change(plain, email=None)
        asked = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq("2@example.org")}
        found = table.query(**asked, on_unreadable="mark")["Items"]
        assert isinstance(found[0]["email"], Unreadable)


def stores() -> list[Encryptor]:
    """One with a key store, one without, and one of tenants with key providers of their own."""
    of_tenants = TenantKeyProvider(lambda _: USE_DEFAULT, LocalKeyProvider.generate())
    policy = KeyPolicy(replication_wait=timedelta(0), unknown_records_per_second=1_000_000)
    return [
        Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=policy),
        Encryptor(LocalKeyProvider.generate(), policy=policy),
        Encryptor(of_tenants, MemoryKeyStore(), policy=policy),
    ]


class TestHostileItems:
    """Whoever writes to the table can write anything."""

    TABLES = tuple(
        described(
            encryptor, tenant="owner", attributes={"ssn": str, "born": date, "a.b[].c": int, "a.d": object}, seal=seal
        )
        for encryptor in stores()
        for seal in (None, ItemSeal("seal", over=("ssn", "role")))
    )
    ENVELOPES = st.builds(bytes.__add__, st.sampled_from([b"\x01", b"\x02", b"\x03"]), st.binary(max_size=120))
    SCALARS = st.one_of(
        st.builds(lambda data: {"B": data}, ENVELOPES | st.just(b"")),
        st.builds(lambda text: {"S": text}, st.text(st.characters(exclude_categories=["Cs"]), max_size=300)),
        st.sampled_from([{"N": "1E+125"}, {"N": "-0"}, {"BOOL": True}, {"NULL": True}, {"NS": ["1", "1.5"]}]),
    )
    VALUES = st.recursive(
        SCALARS,
        lambda inner: (
            st.builds(lambda each: {"L": each}, st.lists(inner, max_size=2))
            | st.builds(lambda each: {"M": each}, st.dictionaries(st.sampled_from("bcd"), inner, max_size=3))
        ),
        max_leaves=5,
    )

    @example(TABLES[4], {"owner": {"S": ""}}, "python")
    @example(TABLES[5], {"owner": {"S": ""}}, "python")
    @example(TABLES[2], {"ssn": {"B": b"\x01" + bytes(80)}}, "python")
    @settings(relaxed, max_examples=150)
    @given(
        st.sampled_from(TABLES),
        st.dictionaries(st.sampled_from(["owner", "ssn", "born", "a", "role", "seal"]), VALUES, min_size=1),
        st.sampled_from(["python", "dynamodb", "json"]),
    )
    def test_none_takes_more_than_itself(self, table: ProtectedTable, changed: dict[str, Any], to: Any) -> None:
        """It gives marks, or values as ever; and where errors are raised, one of ours that says which item it is."""
        inner = {"b": [{"c": 1}], "d": "x"}
        good = {**KEY, "owner": "c7", "ssn": SSN, "born": date(1990, 1, 2), "role": "nurse", "a": inner}
        hostile = {**table.encrypt_item(good, to="dynamodb"), **changed}
        found = table.decrypt_item(hostile, form="dynamodb", to=to, on_unreadable="mark")
        if "<unreadable: patients." not in repr(found):
            assert table.decrypt_item(hostile, form="dynamodb", to=to) == found
            return
        with pytest.raises(FieldcryptError, match=r"of the item {'clinic': 'south', 'number': 2}"):
            table.decrypt_item(hostile, form="dynamodb", to=to)


class TestWrites(OnMoto):
    """What could not be read is not written: it is refused before anything is sent."""

    @pytest.fixture
    def read(self, table: EncryptedTable, plain: Any) -> dict[str, Any]:
        damage(plain)
        found: dict[str, Any] = table.get_item(Key=KEY, on_unreadable="mark")["Item"]
        return found

    def test_an_item_with_it_names_the_attribute(self, table: EncryptedTable, plain: Any, read: dict[str, Any]) -> None:
        before = plain.scan()["Items"]
        with pytest.raises(ProtectedAttributeError, match=r"patients\.ssn cannot be written"):
            table.put_item(Item=read)
        assert plain.scan()["Items"] == before

    def test_nor_does_a_plain_attribute_take_it(self, table: EncryptedTable, read: dict[str, Any]) -> None:
        with pytest.raises(ProtectedAttributeError, match=r"patients\.note cannot be written"):
            table.put_item(Item={**KEY, "note": read["ssn"]})

    @pytest.mark.parametrize("attribute", ["ssn", "note"])
    def test_nor_does_an_item_of_a_client(
        self, table: EncryptedTable, raw: Any, encryptor: Encryptor, read: dict[str, Any], attribute: str
    ) -> None:
        client = EncryptedClient(raw, [described(encryptor)])
        with pytest.raises(FieldcryptError):
            client.put_item(TableName="patients", Item={**WIRE_KEY, attribute: read["ssn"]})

    @pytest.mark.parametrize("attribute", ["ssn", "note"])
    def test_nor_does_an_update(self, table: EncryptedTable, plain: Any, read: dict[str, Any], attribute: str) -> None:
        before = plain.scan()["Items"]
        with pytest.raises((FieldcryptError, TypeError)):
            table.update_item(
                Key=KEY, UpdateExpression=f"SET {attribute} = :v", ExpressionAttributeValues={":v": read["ssn"]}
            )
        assert plain.scan()["Items"] == before


class TestPlaces(OnMoto):
    """What is refused in a write of several items names the one that it is about."""

    @pytest.mark.parametrize(
        "write",
        [
            lambda table: table._batches.batch_write_item({"RequestItems": {"patients": [put(1), put(2, ssn=5)]}}),
            lambda table: table._requests.put_item({"Item": item("south", 2, ssn=5)}),
            lambda table: table._requests.update_item(
                {"Key": KEY, "UpdateExpression": "SET ssn = :v", "ExpressionAttributeValues": {":v": 5}}
            ),
        ],
        ids=["batch", "put", "update"],
    )
    def test_an_error_about_a_value_that_is_written_names_the_item(self, table: EncryptedTable, write: Any) -> None:
        with pytest.raises(TypeError) as caught:
            next(write(table))
        assert str(caught.value).startswith(PLACE)
        assert type(caught.value) is TypeError

    @pytest.mark.parametrize("attribute", ["ssn", "profile.ssn"])
    def test_it_names_the_attribute_where_the_field_has_another_name(
        self, plain: Any, encryptor: Encryptor, attribute: str
    ) -> None:
        fields = {"fields": "people", "attributes": {"ssn": str, "profile.ssn": str}}
        table = EncryptedTable(plain, described(encryptor, **fields))
        wrong = {"profile": {"ssn": 5}} if "." in attribute else {"ssn": 5}
        with pytest.raises(TypeError) as caught:
            table.put_item(Item={**KEY, **wrong})
        message = f"{PLACE.replace('ssn', attribute)}: expected str, got int"
        assert str(caught.value).partition(" (tenant")[0] == message


def put(number: int, **more: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": item("south", number, **more)}}


class TestTheMarker:
    @pytest.fixture
    def marker(self) -> Unreadable:
        return Unreadable(DecryptionError("patients.ssn cannot be read"))

    @pytest.mark.parametrize(
        "use",
        [
            bool,
            str,
            lambda marker: f"{marker}",
            lambda marker: f"{marker:>10}",
            lambda marker: "%s" % marker,  # noqa: UP031
            lambda marker: marker == "x",
            lambda marker: "x" == marker,  # noqa: SIM300
            lambda marker: marker != "x",
            lambda marker: marker in ("x", None),
            lambda marker: {"ssn": marker} == {"ssn": "x"},
            lambda marker: marker == Unreadable(DecryptionError("x")),
            lambda marker: json.dumps(marker, default=str),
        ],
    )
    def test_using_it_as_a_value_raises_what_reading_it_would_have_raised(self, marker: Unreadable, use: Any) -> None:
        with pytest.raises(DecryptionError, match=r"patients\.ssn cannot be read"):
            use(marker)

    @pytest.mark.parametrize(
        "use",
        [hash, json.dumps, pickle.dumps, len, iter, int, lambda marker: marker < "x", lambda marker: marker + "x"],
    )
    def test_what_no_value_of_ours_can_do_it_cannot_either(self, marker: Unreadable, use: Any) -> None:
        with pytest.raises(TypeError):
            use(marker)

    def test_it_is_shown_to_people_as_what_it_is(self, marker: Unreadable) -> None:
        assert repr({"ssn": marker}) == "{'ssn': <unreadable: patients.ssn cannot be read>}"

    def test_it_has_nothing_of_the_value(self, encryptor: Encryptor) -> None:
        """Neither ciphertext, nor the frames that had it."""
        stored = described(encryptor).encrypt_item(item("south", 2))
        stored["ssn"] = data = bytes(stored["ssn"])[:-17] + bytes(17)
        marker = described(encryptor).decrypt_item(stored, on_unreadable="mark")["ssn"]
        assert marker.error.__traceback__ is marker.error.__context__ is marker.error.__cause__ is None
        assert data[30:] not in str(marker.error).encode() + repr(vars(marker.error)).encode()

    def test_a_shredded_value_says_when_and_by_whom(self, encryptor: Encryptor) -> None:
        stored = described(encryptor).encrypt_item(item("south", 2))
        encryptor.data_keys.shred("south", by="Ann")
        error = described(encryptor).decrypt_item(stored, on_unreadable="mark")["ssn"].error
        assert isinstance(error, KeyShreddedError)
        assert error.by == "Ann"

    def test_what_another_scheme_s_reader_refuses_is_marked_as_a_whole(self, encryptor: Encryptor) -> None:
        """All of it may be that scheme's ciphertext."""

        class Reader:
            def recognises(self, item: Any) -> bool:
                return "signature" in item

            def read(self, item: Any) -> Any:
                raise DecryptionError("it was not signed like this")

        soon = datetime.now(UTC).date() + timedelta(days=30)
        old = described(encryptor, accept=[Reader()], accept_until=soon)
        found = old.decrypt_item({**KEY, "signature": b"s", "note": b"n"}, on_unreadable="mark")
        assert {name for name in found if isinstance(found[name], Unreadable)} == {"signature", "note"}

    def test_a_lost_key_can_be_told_from_a_shredded_one(self, encryptor: Encryptor) -> None:
        stored = {**described(encryptor).encrypt_item(item("south", 2)), "ssn": b"\x01" + bytes(80)}
        error = described(encryptor).decrypt_item(stored, on_unreadable="mark")["ssn"].error
        assert isinstance(error, KeyNotFoundError)
        assert not isinstance(error, KeyShreddedError)

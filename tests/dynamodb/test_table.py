"""boto3's Table with protected attributes: every operation and type, for every tenant."""

from __future__ import annotations

import datetime as dt
import enum
import logging
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, KeyNotFoundError, row_context
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedResource,
    EncryptedTable,
    IndexedBy,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    of_tenant,
)
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.items import Items
from tests.dynamodb.patients import ITEM, KEY, SSN, WIRE_ITEM, WIRE_KEY, stored
from tests.dynamodb.patients import client as client
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.dynamodb import OnMoto
from tests.support.strategies import relaxed
from tests.support.wiretap import Secrets

BORN = dt.date(2000, 1, 1)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class TestTable:
    def test_items_come_back(self, table: EncryptedTable, raw: Any) -> None:
        """Protected values in Python's types; in DynamoDB they are binary, beside a tag."""
        given = dict(ITEM)
        table.put_item(Item=given)
        assert given == ITEM
        assert table.get_item(Key=KEY)["Item"] == ITEM
        assert {name: next(iter(value)) for name, value in stored(raw).items()} == {
            "clinic": "S",
            "number": "N",
            "ward": "N",
            **dict.fromkeys(("ssn", "email", "born", "balance", "email_tag"), "B"),
        }

    def test_what_was_read_can_be_written_again(self, table: EncryptedTable) -> None:
        """An item has no tags for the application, and so none to put back."""
        table.put_item(Item=ITEM)
        table.put_item(Item={**table.get_item(Key=KEY)["Item"], "email": "bob@example.org"})
        found = table.query(IndexName="by_email", KeyConditionExpression=Key("email").eq("Bob@example.org"))
        assert [item["number"] for item in found["Items"]] == [1]

    def test_null_and_absent_values_stay_so(self, table: EncryptedTable, raw: Any) -> None:
        table.put_item(Item={**KEY, "ssn": None})
        assert table.get_item(Key=KEY)["Item"] == {**KEY, "ssn": None}
        assert stored(raw) == {**WIRE_KEY, "ssn": {"NULL": True}}

    def test_old_items_are_decrypted(self, table: EncryptedTable) -> None:
        table.put_item(Item=ITEM)
        assert table.put_item(Item={**KEY, "ssn": "1"}, ReturnValues="ALL_OLD")["Attributes"] == ITEM
        assert table.delete_item(Key=KEY, ReturnValues="ALL_OLD")["Attributes"] == {**KEY, "ssn": "1"}
        assert "Item" not in table.get_item(Key=KEY)

    def test_query_and_scan(self, table: EncryptedTable) -> None:
        table.put_item(Item=ITEM)
        table.put_item(Item={**ITEM, "number": 2, "ssn": "2"})
        found = table.query(KeyConditionExpression=Key("clinic").eq("north") & Key("number").between(2, 9))
        assert [item["ssn"] for item in found["Items"]] == ["2"]
        assert found["Count"] == 1
        assert sorted(item["ssn"] for item in table.scan(Limit=10)["Items"]) == [SSN, "2"]
        assert table.scan(Select="COUNT")["Count"] == 2

    @pytest.mark.parametrize("projection", ["ssn", "ward", "ssn, ward", "#s, ward", "born, clinic"])
    def test_a_projection_gives_what_was_asked_for(self, table: EncryptedTable, projection: str) -> None:
        """Though the key has to be read too."""
        table.put_item(Item=ITEM)
        names = {"ExpressionAttributeNames": {"#s": "ssn"}} if "#s" in projection else {}
        asked = {name: ITEM[name] for name in projection.replace("#s", "ssn").split(", ")}
        how = {"ProjectionExpression": projection, **names}
        assert table.get_item(Key=KEY, **how)["Item"] == asked
        assert table.query(KeyConditionExpression=Key("clinic").eq("north"), **how)["Items"] == [asked]
        assert table.scan(**how)["Items"] == [asked]

    def test_items_are_found_by_value(self, table: EncryptedTable) -> None:
        """By the key of an index, and by filters."""
        table.put_item(Item=ITEM)
        table.put_item(Item={**ITEM, "number": 2, "email": "bob@example.org"})
        by_key = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq("ann@EXAMPLE.org")}
        for found in (
            table.query(**by_key),
            table.query(**by_key, FilterExpression=Attr("ward").gt(1) & Attr("email").exists()),
            table.scan(FilterExpression=Attr("email").eq("ann@EXAMPLE.org")),
            table.scan(FilterExpression=Attr("email").is_in(["ann@example.org", "x"]) & Attr("ward").eq(5)),
            table.scan(
                FilterExpression="NOT (:a <> ward) AND (:m = #e)",
                ExpressionAttributeNames={"#e": "email"},
                ExpressionAttributeValues={":a": 5, ":m": "ANN@example.org"},
            ),
        ):
            assert [item["ssn"] for item in found["Items"]] == [SSN]
        assert table.scan(FilterExpression=Attr("email").eq("nobody@example.org"))["Items"] == []

    def test_an_index_without_the_attribute_does_not_find_nothing(self, table: EncryptedTable) -> None:
        """It would, because what is found is compared."""
        table.put_item(Item=ITEM)
        found = {"IndexName": "keys_only", "KeyConditionExpression": Key("email").eq("ann@example.org")}
        with pytest.raises(DecryptionError, match="let the index project it"):
            table.query(**found)
        assert table.query(**found, Select="COUNT")["Count"] == 1

    def test_conditions_of_writes(self, table: EncryptedTable) -> None:
        """The item that a condition failed on comes decrypted."""
        table.put_item(Item=ITEM, ConditionExpression=Attr("ssn").not_exists())
        table.put_item(Item=ITEM, ConditionExpression=Attr("email").eq("ann@example.org"))
        calls: list[tuple[Any, dict[str, Any]]] = [
            (table.put_item, {"Item": ITEM}),
            (table.delete_item, {"Key": KEY}),
            (table.update_item, {"Key": KEY, "UpdateExpression": "REMOVE ward"}),
        ]
        for call, how in calls:
            with pytest.raises(ClientError, match="ConditionalCheckFailed") as failed:
                call(
                    **how,
                    ConditionExpression="email = :other",
                    ExpressionAttributeValues={":other": "bob@example.org"},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            response: Any = failed.value.response
            assert response.get("Item", WIRE_ITEM) == WIRE_ITEM

    def test_batch_writer(self, table: EncryptedTable, caplog: pytest.LogCaptureFixture) -> None:
        """More than a batch, with later writes in the place of earlier ones; the log has nothing of them."""
        caplog.set_level(logging.DEBUG)
        with table.batch_writer(overwrite_by_pkeys=["clinic", "number"]) as batch:
            for number in range(60):
                batch.put_item(Item={**ITEM, "number": number % 30, "ssn": f"{number}"})
            batch.delete_item(Key={"clinic": "north", "number": 29})
        assert sorted(int(item["ssn"]) for item in table.scan()["Items"]) == list(range(30, 59))
        assert SSN not in caplog.text
        assert "Ann@Example.org" not in caplog.text

    def test_the_rest_of_a_table(self, table: EncryptedTable) -> None:
        assert table.table_status == "ACTIVE"
        assert table.key_schema[0]["AttributeName"] == "clinic"
        table.wait_until_exists()
        with pytest.raises(AttributeError):
            table.no_such_thing  # noqa: B018

    def test_a_table_that_was_updated_is_encrypted_too(self, table: EncryptedTable, raw: Any) -> None:
        """boto3 returns it."""
        updated = of_tenant(table, "north").update(BillingMode="PAY_PER_REQUEST")
        updated.put_item(Item=ITEM)
        assert "B" in stored(raw)["ssn"]
        with pytest.raises(ProtectedAttributeError):
            updated.put_item(Item={**ITEM, "clinic": "south"})

    def test_a_description_of_another_table_is_refused(self, resource: Any, description: ProtectedTable) -> None:
        with pytest.raises(ConfigurationError, match="other"):
            EncryptedTable(resource.Table("other"), description)


class TestUpdates:
    @pytest.fixture(autouse=True)
    def item(self, table: EncryptedTable) -> None:
        table.put_item(Item=ITEM)

    @pytest.mark.parametrize(
        ("expression", "values", "changed"),
        [
            ("SET ssn = :s", {":s": "1"}, {"ssn": "1"}),
            ("set ssn=:s,ward=:w", {":s": "1", ":w": 7}, {"ssn": "1", "ward": 7}),
            ("SET ward = ward + :w, born = :b", {":w": 2, ":b": BORN}, {"ward": 7, "born": BORN}),
            ("SET balance = :b REMOVE ssn ADD ward :w", {":b": 17, ":w": 1}, {"balance": 17, "ssn": None, "ward": 6}),
            ("SET ssn = if_not_exists(ssn, :s), x = if_not_exists(x, :s2)", {":s": "1", ":s2": "2"}, {"x": "2"}),
            ("SET new_map = :m", {":m": {"a": [1, "x"]}}, {"new_map": {"a": [1, "x"]}}),
            ("SET ssn = :n", {":n": None}, {"ssn": None}),
            ("REMOVE ssn, ward", {}, {"ssn": None, "ward": None}),
        ],
    )  # fmt: skip
    def test_values_are_encrypted(
        self, table: EncryptedTable, expression: str, values: dict[str, Any], changed: dict[str, Any]
    ) -> None:
        more = {"ExpressionAttributeValues": values} if values else {}
        new = table.update_item(Key=KEY, UpdateExpression=expression, ReturnValues="ALL_NEW", **more)["Attributes"]
        for name, value in (ITEM | changed).items():
            assert new.get(name) == value
        assert table.get_item(Key=KEY)["Item"] == new

    def test_tags_keep_step(self, table: EncryptedTable, raw: Any) -> None:
        def found(email: str) -> int:
            count: int = table.query(IndexName="by_email", KeyConditionExpression=Key("email").eq(email))["Count"]
            return count

        table.update_item(
            Key=KEY,
            UpdateExpression="SET #e = :e",
            ExpressionAttributeNames={"#e": "email"},
            ExpressionAttributeValues={":e": "bob@example.org"},
        )
        assert (found("ann@example.org"), found("bob@example.org")) == (0, 1)
        table.update_item(Key=KEY, UpdateExpression="SET email = :none", ExpressionAttributeValues={":none": None})
        assert "email_tag" not in stored(raw)
        table.update_item(
            Key=KEY,
            UpdateExpression="SET email = :e",
            ConditionExpression="attribute_type(ward, :n)",
            ExpressionAttributeValues={":e": "eve@example.org", ":n": "N"},
        )
        assert found("eve@example.org") == 1
        table.update_item(Key=KEY, UpdateExpression="REMOVE email")
        assert found("eve@example.org") == 0

    def test_changed_attributes_are_decrypted(self, table: EncryptedTable) -> None:
        """The response has no key, which is known from the request."""
        how = {"Key": KEY, "UpdateExpression": "SET ssn = :s", "ExpressionAttributeValues": {":s": "2"}}
        assert table.update_item(**how, ReturnValues="UPDATED_OLD")["Attributes"] == {"ssn": SSN}
        assert table.update_item(**how, ReturnValues="UPDATED_NEW")["Attributes"] == {"ssn": "2"}

    @pytest.mark.parametrize(
        ("expression", "names"),
        [
            ("SET ssn = ward", {}),
            ("SET ward = ssn", {}),
            ("SET ward = ward + ssn", {}),
            ("SET ssn = ssn", {}),
            ("SET ssn = :v + :v", {}),
            ("SET ssn = if_not_exists(ward, :v)", {}),
            ("SET ward = if_not_exists(ssn, :v)", {}),
            ("SET email = if_not_exists(email, :v)", {}),
            ("SET ssn = if_not_exists(ssn, email)", {}),
            ("SET ssn = list_append(ssn, :v)", {}),
            ("SET ward = list_append(:v, #s)", {"#s": "ssn"}),
            ("SET ssn.part = :v", {}),
            ("SET #s[0] = :v", {"#s": "ssn"}),
            ("REMOVE ssn.part", {}),
            ("ADD ssn :v", {}),
            ("DELETE #s :v", {"#s": "ssn"}),
            ("SET email_tag = :v", {}),
            ("REMOVE email_tag", {}),
            ("SET ward = email_tag", {}),
            ("SET clinic = :v", {}),
            ("SET ssn = :v, ward = :v", {}),
            ("SET ssn = :missing", {}),
            ("SET #missing = :v", {}),
            ("SET ward = :w", {}),
            ("SET ssn = :v; DROP", {}),
            ("PUT ssn = :v", {}),
            ("SET ssn :v", {}),
            ("SET ward = \"x\"", {}),
        ],
    )  # fmt: skip
    def test_what_needs_the_value_in_dynamodb_is_refused(
        self, table: EncryptedTable, secrets: Secrets, expression: str, names: dict[str, str]
    ) -> None:
        """Before anything is sent."""
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
            table.update_item(
                Key=KEY,
                UpdateExpression=expression,
                ExpressionAttributeValues={":v": SSN, **({":w": 1} if ":w" in expression else {})},
                **({"ExpressionAttributeNames": names} if names else {}),
            )


class TestTenants:
    @pytest.fixture
    def owned(self, raw: Any, resource: Any, encryptor: Encryptor) -> EncryptedTable:
        """A table whose key does not tell the tenant."""
        loose = ProtectedTable(
            "patients",
            encryptor,
            key=("clinic", "number"),
            tenant="owner",
            attributes={"ssn": str, "email": Protected(str, index=IndexedBy("email_tag", per_tenant=True))},
        )
        table = EncryptedTable(resource.Table("patients"), loose)
        for number, owner in enumerate(("o1", "o2")):
            table.put_item(
                Item={"clinic": "x", "number": number, "owner": owner, "ssn": SSN, "email": "ann@example.org"}
            )
        return table

    def test_an_update_names_the_tenant(self, owned: EncryptedTable, secrets: Secrets) -> None:
        """And changes nothing in an item of another one."""
        how = {"UpdateExpression": "SET ssn = :s", "ExpressionAttributeValues": {":s": "1"}}
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match="of_tenant"):
            owned.update_item(Key={"clinic": "x", "number": 0}, **how)
        of_tenant(owned, "o1").update_item(Key={"clinic": "x", "number": 0}, **how)
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            of_tenant(owned, "o1").update_item(Key={"clinic": "x", "number": 1}, **how)
        assert sorted(item["ssn"] for item in owned.scan()["Items"]) == [SSN, "1"]

    def test_a_tenant_s_table_has_no_other_items(self, owned: EncryptedTable) -> None:
        with pytest.raises(DecryptionError):
            of_tenant(owned, "o1").get_item(Key={"clinic": "x", "number": 1})
        with pytest.raises(ProtectedAttributeError):
            of_tenant(owned, "o1").put_item(Item={"clinic": "x", "number": 1, "owner": "o2", "ssn": SSN})

    def test_a_tenant_s_table_deletes_and_updates_no_other_items(
        self, client: EncryptedClient, secrets: Secrets
    ) -> None:
        """As far as keys tell whose they are."""
        client.put_item(TableName="patients", Item=WIRE_ITEM)
        south, north = of_tenant(client, "south"), of_tenant(client, "north")
        item: dict[str, Any] = {"TableName": "patients", "Key": WIRE_KEY}
        update = {"UpdateExpression": "SET ward = :w", "ExpressionAttributeValues": {":w": {"N": "6"}}}
        deletes = {"patients": [{"DeleteRequest": {"Key": WIRE_KEY}}]}
        calls: list[tuple[Any, dict[str, Any]]] = [
            (south.delete_item, item),
            (south.update_item, {**item, **update}),
            (south.batch_write_item, {"RequestItems": deletes}),
            (south.transact_write_items, {"TransactItems": [{"Delete": item}]}),
        ]
        for call, how in calls:
            with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match="tenant"):
                call(**how)
        north.update_item(**item, **update)
        north.batch_write_item(RequestItems=deletes)

    def test_tags_per_tenant_are_searched_by_tenant(self, owned: EncryptedTable) -> None:
        condition = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq("ann@example.org")}
        assert [item["number"] for item in of_tenant(owned, "o2").query(**condition)["Items"]] == [1]
        with pytest.raises(ProtectedAttributeError, match="of_tenant"):
            owned.query(**condition)
        assert of_tenant(owned, "nobody").query(**condition)["Items"] == []

    def test_the_tenant_of_an_item_is_not_updated(self, owned: EncryptedTable) -> None:
        with pytest.raises(ProtectedAttributeError, match="tenant"):
            owned.update_item(
                Key={"clinic": "x", "number": 0},
                UpdateExpression="SET #o = :o",
                ExpressionAttributeNames={"#o": "owner"},
                ExpressionAttributeValues={":o": "o2"},
            )

    @pytest.mark.parametrize("tenant", [None, True, b"north", ["north"]])
    def test_what_names_no_tenant_is_refused(
        self, table: EncryptedTable, client: EncryptedClient, resource: Any, description: ProtectedTable, tenant: Any
    ) -> None:
        """None would give the items of all."""
        for wrapper in (table, client, EncryptedResource(resource, [description])):
            with pytest.raises(TypeError, match="of_tenant"):
                of_tenant(wrapper, tenant)

    def test_a_table_without_tenants_has_none(
        self, raw: Any, encryptor: Encryptor, description: ProtectedTable
    ) -> None:
        """Also beside tables that have, and in updates as in puts."""
        single = ProtectedTable("other", encryptor, key=("clinic", "number"), attributes={"ssn": str})
        client = of_tenant(EncryptedClient(raw, [description, single]), "north")
        client.put_item(TableName="other", Item={**WIRE_KEY, "ssn": {"S": SSN}})
        values = {":s": {"S": "1"}}
        client.update_item(
            TableName="other", Key=WIRE_KEY, UpdateExpression="SET ssn = :s", ExpressionAttributeValues=values
        )
        with pytest.raises(KeyNotFoundError):
            encryptor.data_keys.shred("north", by="me")

    def test_a_number_can_name_a_tenant(self, raw: Any, resource: Any, encryptor: Encryptor) -> None:
        loose = ProtectedTable("patients", encryptor, key=("clinic", "number"), tenant="owner", attributes={"ssn": str})
        table = EncryptedTable(resource.Table("patients"), loose)
        table.put_item(Item={**KEY, "owner": Decimal("7.0"), "ssn": SSN})
        of_tenant(table, 7).update_item(Key=KEY, UpdateExpression="SET ssn = :s", ExpressionAttributeValues={":s": "1"})
        assert of_tenant(table, 7).get_item(Key=KEY)["Item"]["ssn"] == "1"


TYPES: list[tuple[Any, Any, Any]] = [
    (str, "", {"S": ""}),
    (bytes, b"\x00\xff", {"B": b"\x00\xff"}),
    (bool, False, {"BOOL": False}),
    (int, -5, {"N": "-5"}),
    (int, 10**37, {"N": str(10**37)}),
    (Decimal, Decimal("1.50"), {"N": "1.50"}),
    (float, 0.1, {"N": "0.1"}),
    (dt.date, dt.date(2026, 2, 28), {"S": "2026-02-28"}),
    (dt.datetime, dt.datetime(2026, 1, 2, 3, 4, 5, 6, dt.UTC), {"S": "2026-01-02T03:04:05.000006+00:00"}),
    (dt.time, dt.time(1, 2), {"S": "01:02:00"}),
    (UUID, UUID(int=5), {"S": "00000000-0000-0000-0000-000000000005"}),
    (Colour, Colour.BLUE, {"S": "BLUE"}),
    (list, [1, "x", None, [b"y"]], {"L": [{"N": "1"}, {"S": "x"}, {"NULL": True}, {"L": [{"B": b"y"}]}]}),
    (dict, {"a": {"b": Decimal("0.5")}}, {"M": {"a": {"M": {"b": {"N": "0.5"}}}}}),
    (set, {"a"}, {"SS": ["a"]}),
    (set, {1}, {"NS": ["1"]}),
    (set, {b"a"}, {"BS": [b"a"]}),
    (object, True, {"BOOL": True}),
    (object, {"n": 1}, {"M": {"n": {"N": "1"}}}),
]


class TestTypes(OnMoto):
    @pytest.mark.parametrize(("type_", "value", "wire"), TYPES)
    def test_every_type_in_both_forms(self, encryptor: Encryptor, type_: Any, value: Any, wire: Any) -> None:
        """What one form writes the other reads."""
        described = ProtectedTable("t", encryptor, key=["id"], attributes={"v": type_})
        python, dynamodb = Items(described, PYTHON), Items(described, WIRE)
        assert dynamodb.decrypted(python.encrypted({"id": "1", "v": value}))["v"] == wire
        found = python.decrypted(dynamodb.encrypted({"id": {"S": "1"}, "v": wire}))["v"]
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        "wire",
        [{"S": 5}, {"B": "text"}, {"BOOL": "x"}, {"SS": [1]}, {"BS": ["text"]}, {"L": [{"M": {"a": {"S": b"x"}}}]}],
    )
    def test_a_value_is_of_the_kind_that_it_says(self, encryptor: Encryptor, wire: Any) -> None:
        """boto3 would refuse it, and never sees it: encrypted, it would come back as another one."""
        table = ProtectedTable("t", encryptor, key=["id"], attributes={"v": object})
        with pytest.raises(TypeError, match="expected a DynamoDB value of type"):
            Items(table, WIRE).encrypted({"id": {"S": "1"}, "v": wire})

    def test_a_number_that_is_too_large_for_a_float_is_refused(self, encryptor: Encryptor) -> None:
        """It does not become infinite."""
        table = ProtectedTable("t", encryptor, key=["id"], attributes={"v": float})
        with pytest.raises(ValueError, match="a float can hold"):
            Items(table, PYTHON).encrypted({"id": "1", "v": Decimal("1E+400")})

    @given(st.decimals(allow_nan=False, allow_infinity=False, places=5) | st.integers(-(10**30), 10**30), st.data())
    @settings(relaxed)
    def test_a_number_in_a_key_is_one_place_however_it_is_written(self, number: Any, data: st.DataObject) -> None:
        """DynamoDB gives back another spelling than it was given."""
        exact = Decimal(number)
        plain = f"{exact:f}"
        spelling = data.draw(st.sampled_from([str(exact), plain, f"{plain}0" if "." in plain else plain]))
        assert row_context(WIRE.key_part({"N": spelling})) == row_context(PYTHON.key_part(exact))

    @pytest.mark.parametrize("type_", [dt.timedelta, complex, "str", None])
    def test_other_types_are_refused(self, encryptor: Encryptor, type_: Any) -> None:
        with pytest.raises(ConfigurationError):
            ProtectedTable("t", encryptor, key=["id"], attributes={"v": type_})

    @pytest.mark.parametrize("type_", [str, dict, int, object])
    @pytest.mark.parametrize("value", [{SSN: "x"}, {SSN: {"S": "x"}}, {"M": {"a": {SSN: 1}}}, {SSN: 1, "S": "x"}])
    def test_what_has_not_dynamodb_s_form_is_refused_without_being_shown(
        self, encryptor: Encryptor, type_: Any, value: Any
    ) -> None:
        described = ProtectedTable("t", encryptor, key=["id"], attributes={"v": type_})
        with pytest.raises(TypeError, match="expected") as refused:
            Items(described, WIRE).encrypted({"id": {"S": "1"}, "v": value})
        assert SSN not in str(refused.value)

    @pytest.mark.parametrize("type_", [int, Decimal, dict])
    @pytest.mark.parametrize("number", [SSN, None, 5j, [SSN]])
    def test_no_number_is_a_wrong_value(self, encryptor: Encryptor, type_: Any, number: Any) -> None:
        described = ProtectedTable("t", encryptor, key=["id"], attributes={"v": type_})
        value = {"M": {"a": {"N": number}}} if type_ is dict else {"N": number}
        with pytest.raises((TypeError, ValueError), match="expected"):
            Items(described, WIRE).encrypted({"id": {"S": "1"}, "v": value})

    @pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "sNaN", "1.5", "1E+999999999999999999", "1E-9"])
    def test_an_int_is_a_whole_number(self, encryptor: Encryptor, number: str) -> None:
        described = ProtectedTable("t", encryptor, key=["id"], attributes={"v": int})
        with pytest.raises(ValueError, match="whole"):
            Items(described, WIRE).encrypted({"id": {"S": "1"}, "v": {"N": number}})

    def test_a_signalling_not_a_number_is_kept(self, encryptor: Encryptor) -> None:
        """It can be compared with nothing, and need not be."""
        described = ProtectedTable("t", encryptor, key=["id"], attributes={"v": Decimal})
        sealed = Items(described, WIRE).encrypted({"id": {"S": "1"}, "v": {"N": "sNaN"}})
        assert Items(described, WIRE).decrypted(sealed)["v"] == {"N": "sNaN"}

    def test_a_map_is_a_mapping(self, encryptor: Encryptor) -> None:
        described = ProtectedTable("t", encryptor, key=["id"], attributes={"v": dict})
        with pytest.raises(TypeError, match="expected"):
            Items(described, WIRE).encrypted({"id": {"S": "1"}, "v": {"M": SSN}})


def test_wrappers_show_nothing(table: EncryptedTable, client: EncryptedClient, description: ProtectedTable) -> None:
    for each in (table, client, description, of_tenant(table, "north")):
        assert "LocalKeyProvider" not in repr(each)
        assert "north" not in repr(each)

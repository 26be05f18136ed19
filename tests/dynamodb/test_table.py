"""Protected tables by way of boto3's Table, client and resource. Every request is searched for plaintext."""

from __future__ import annotations

import datetime as dt
import enum
import json
import logging
from base64 import b64encode
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyNotFoundError,
    LocalKeyProvider,
    MemoryKeyStore,
    row_context,
)
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedResource,
    EncryptedTable,
    IndexedBy,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    decrypt_stream_record,
)
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.items import Items
from tests.support.dynamodb import DynamoDb, OnMoto
from tests.support.strategies import relaxed
from tests.support.wiretap import Secrets

REGION = "us-east-1"
SSN = "078-05-1120"
KEY = {"clinic": "north", "number": 1}
WIRE_KEY = {"clinic": {"S": "north"}, "number": {"N": "1"}}
BORN = dt.date(2000, 1, 1)
ITEM = {
    **KEY,
    "ssn": SSN,
    "email": "Ann@Example.org",
    "born": dt.date(1990, 1, 2),
    "balance": Decimal("3500.50"),
    "ward": 5,
}
WIRE_ITEM = {
    **WIRE_KEY,
    "ssn": {"S": SSN},
    "email": {"S": "Ann@Example.org"},
    "born": {"S": "1990-01-02"},
    "balance": {"N": "3500.50"},
    "ward": {"N": "5"},
}


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Name(str, enum.Enum):  # noqa: UP042 (a StrEnum is what str makes of it)
    NORTH = "north"
    PATIENTS = "patients"
    STATEMENT = "SELECT * FROM patients"


@pytest.fixture
def encryptor() -> Encryptor:
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture
def raw(dynamodb: DynamoDb) -> Any:
    """boto3's client on two empty tables, `patients` and `other`."""
    client = dynamodb.client()
    index = {"KeySchema": [{"AttributeName": "email_tag", "KeyType": "HASH"}]}
    for name in ("patients", "other"):
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "clinic", "AttributeType": "S"},
                {"AttributeName": "number", "AttributeType": "N"},
                {"AttributeName": "email_tag", "AttributeType": "B"},
            ],
            KeySchema=[
                {"AttributeName": "clinic", "KeyType": "HASH"},
                {"AttributeName": "number", "KeyType": "RANGE"},
            ],
            GlobalSecondaryIndexes=[
                {"IndexName": "by_email", **index, "Projection": {"ProjectionType": "ALL"}},
                {"IndexName": "keys_only", **index, "Projection": {"ProjectionType": "KEYS_ONLY"}},
            ],
        )
    return client


@pytest.fixture
def description(encryptor: Encryptor) -> ProtectedTable:
    return ProtectedTable(
        "patients",
        encryptor,
        key=("clinic", "number"),
        tenant="clinic",
        attributes={
            "ssn": str,
            "email": Protected(str, index=IndexedBy("email_tag", normaliser="casefold")),
            "born": dt.date,
            "balance": Decimal,
        },
    )


@pytest.fixture
def resource(dynamodb: DynamoDb) -> Any:
    return dynamodb.resource()


@pytest.fixture
def table(raw: Any, resource: Any, description: ProtectedTable) -> EncryptedTable:
    return EncryptedTable(resource.Table("patients"), description)


@pytest.fixture
def client(raw: Any, description: ProtectedTable) -> EncryptedClient:
    return EncryptedClient(raw, [description])


def stored(raw: Any, key: Any = WIRE_KEY) -> dict[str, Any]:
    """What DynamoDB has."""
    item: dict[str, Any] = raw.get_item(TableName="patients", Key=key)["Item"]
    return item


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
        updated = table.of_tenant("north").update(BillingMode="PAY_PER_REQUEST")
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


class TestRefusals(OnMoto):
    @pytest.mark.parametrize(
        "condition",
        [
            Attr("ssn").eq(SSN),
            Attr("ssn").ne(SSN),
            Attr("email").ne(SSN),
            Attr("email").lt(SSN),
            Attr("ssn").begins_with(SSN),
            Attr("ssn").contains(SSN),
            Attr("ssn").between(SSN, SSN),
            Attr("ssn").is_in([SSN]),
            Attr("ssn").size().eq(11),
            Attr("ssn").attribute_type("B"),
            Attr("ssn.part").exists(),
            Attr("ssn[0]").not_exists(),
            Attr("ward").eq(Attr("ssn")),
            Attr("ward").eq(1) | ~Attr("ssn").eq(SSN),
            Attr("email").eq(Attr("ward")),
            Attr("email_tag").eq(SSN),
            Attr("email").eq(None),
            "ssn = :v",
            "ward = :v AND (ssn) = :v",
            "contains(ward, ssn)",
            "#s = :v",
            "ssn LIKE :v",
            "email = :v OR ward = :v",
        ],
    )
    def test_dynamodb_is_not_asked_to_compare_ciphertext(
        self, table: EncryptedTable, secrets: Secrets, condition: Any
    ) -> None:
        more: dict[str, Any] = {}
        if isinstance(condition, str):
            more = {"ExpressionAttributeValues": {":v": SSN}}
            if "#s" in condition:
                more["ExpressionAttributeNames"] = {"#s": "ssn"}
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
            table.scan(FilterExpression=condition, **more)
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
            table.put_item(Item=ITEM, ConditionExpression=condition, **more)
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
            table.query(KeyConditionExpression=Key("clinic").eq("x"), FilterExpression=condition, **more)

    @pytest.mark.parametrize(
        "how",
        [
            {"Expected": {"ssn": {"Value": SSN}}},
            {"ConditionalOperator": "AND"},
            {"SomethingNew": SSN},
            {"ExpressionAttributeValues": {":unused": SSN}},
        ],
    )
    def test_parameters_that_nobody_watches_are_refused(
        self, table: EncryptedTable, secrets: Secrets, how: dict[str, Any]
    ) -> None:
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
            table.put_item(Item=ITEM, **how)

    @pytest.mark.parametrize(
        ("operation", "how"),
        [
            ("execute_statement", {"Statement": f"INSERT INTO patients VALUE {{'ssn': '{SSN}'}}"}),
            ("batch_execute_statement", {"Statements": [{"Statement": 'SELECT * FROM "patients"'}]}),
            ("execute_transaction", {"TransactStatements": [{"Statement": "DELETE FROM patients"}]}),
            ("import_table", {"TableCreationParameters": {"TableName": "patients"}}),
            ("start_bulk_put_items", {"TableName": "arn:aws:dynamodb:us-east-1:111122223333:table/patients"}),
            ("search_vectors", {"TableName": "patients"}),
            (
                "export_table_to_point_in_time",
                {"TableArn": "arn:aws:dynamodb:us-east-1:111122223333:table/patients", "FilterSpecification": {}},
            ),
            ("generate_presigned_url", {"ClientMethod": "put_item"}),
        ],
    )
    def test_ways_past_the_encryption_are_refused(
        self, client: EncryptedClient, secrets: Secrets, operation: str, how: dict[str, Any]
    ) -> None:
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match=operation):
            getattr(client, operation)(**how)

    @pytest.mark.parametrize("text", [f"ssn = '{SSN}'", f"ssn = {SSN}", f'ssn = "{SSN}"', f"ssn = :{SSN}"])
    def test_a_value_in_an_expression_is_refused_without_being_shown(
        self, table: EncryptedTable, secrets: Secrets, text: str
    ) -> None:
        calls: list[tuple[Any, dict[str, Any]]] = [
            (table.scan, {"FilterExpression": text}),
            (table.update_item, {"Key": KEY, "UpdateExpression": f"SET {text}"}),
            (table.get_item, {"Key": KEY, "ProjectionExpression": text}),
        ]
        for call, how in calls:
            with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError) as refused:
                call(**how)
            assert SSN not in str(refused.value)

    @pytest.mark.parametrize("value", [{"NULL": True, "S": SSN}, {"NULL": SSN}, {"NULL": False}, {"S": SSN, "N": "1"}])
    def test_a_value_that_is_not_only_null_is_refused(
        self, client: EncryptedClient, secrets: Secrets, value: dict[str, Any]
    ) -> None:
        calls: list[tuple[Any, dict[str, Any]]] = [
            (client.put_item, {"Item": {**WIRE_KEY, "ssn": value}}),
            (
                client.update_item,
                {"Key": WIRE_KEY, "UpdateExpression": "SET ssn = :s", "ExpressionAttributeValues": {":s": value}},
            ),
        ]
        for call, how in calls:
            with secrets.nothing_is_sent(), pytest.raises(TypeError) as refused:
                call(TableName="patients", **how)
            assert SSN not in str(refused.value)

    @pytest.mark.parametrize(
        ("operation", "how"),
        [
            ("get_item", {"TableName": "patients", "Key": WIRE_ITEM}),
            ("get_item", {"TableName": "patients", "Key": WIRE_ITEM, "ProjectionExpression": "ward"}),
            ("delete_item", {"TableName": "patients", "Key": WIRE_ITEM}),
            ("update_item", {"TableName": "patients", "Key": WIRE_ITEM, "UpdateExpression": "REMOVE ward"}),
            ("scan", {"TableName": "patients", "ExclusiveStartKey": WIRE_ITEM}),
            ("query", {"TableName": "patients", "KeyConditionExpression": "a = :a", "ExclusiveStartKey": WIRE_ITEM}),
            ("batch_get_item", {"RequestItems": {"patients": {"Keys": [WIRE_KEY, WIRE_ITEM]}}}),
            ("batch_write_item", {"RequestItems": {"patients": [{"DeleteRequest": {"Key": WIRE_ITEM}}]}}),
            ("transact_get_items", {"TransactItems": [{"Get": {"TableName": "patients", "Key": WIRE_ITEM}}]}),
            ("transact_write_items", {"TransactItems": [{"Delete": {"TableName": "patients", "Key": WIRE_ITEM}}]}),
        ],
    )
    def test_an_item_is_no_key(
        self, client: EncryptedClient, secrets: Secrets, operation: str, how: dict[str, Any]
    ) -> None:
        """DynamoDB refuses it too, but has seen the values by then."""
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match="key"):
            getattr(client, operation)(**how)

    def test_tables_whose_names_only_look_alike_are_others(self, client: EncryptedClient, raw: Any) -> None:
        raw.create_table(
            TableName="outpatients-2",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        client.execute_statement(Statement="INSERT INTO \"outpatients-2\" VALUE {'id': '1'}")
        assert client.execute_statement(Statement='SELECT id FROM "outpatients-2"')["Items"] == [{"id": {"S": "1"}}]

    @pytest.mark.parametrize("table", ["patients", '"patients"', '"patients"."by_email"', "patients.by_email"])
    def test_a_statement_on_a_table_or_its_index_is_refused(self, client: EncryptedClient, table: str) -> None:
        with pytest.raises(ProtectedAttributeError):
            client.execute_statement(Statement=f"SELECT * FROM {table} WHERE ssn = '{SSN}'")

    def test_a_table_named_by_its_arn_is_the_table(self, client: EncryptedClient, secrets: Secrets) -> None:
        """Else an item would leave as it is."""
        arn = "arn:aws:dynamodb:us-east-1:123456789012:table/patients"
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match="email_tag"):
            client.put_item(TableName=arn, Item={**WIRE_KEY, "email_tag": {"S": SSN}})

    def test_so_is_one_named_by_an_enum_member(
        self, client: EncryptedClient, raw: Any, resource: Any, description: ProtectedTable, secrets: Secrets
    ) -> None:
        """Whose text is sent, though `str` makes something else of it."""
        secrets.add(SSN)
        encrypted = EncryptedResource(resource, [description])
        client.put_item(TableName=Name.PATIENTS, Item=WIRE_ITEM)
        client.batch_write_item(RequestItems={Name.PATIENTS: [{"PutRequest": {"Item": WIRE_ITEM}}]})
        client.transact_write_items(TransactItems=[{"Put": {"TableName": Name.PATIENTS, "Item": WIRE_ITEM}}])
        encrypted.Table(Name.PATIENTS).put_item(Item=ITEM)
        assert "B" in stored(raw)["ssn"]
        for operation, how in (
            ("search_vectors", {"TableName": Name.PATIENTS}),
            ("execute_statement", {"Statement": Name.STATEMENT}),
        ):
            with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
                getattr(client, operation)(**how)

    @pytest.mark.parametrize("attribute", ["meta"])
    def test_neither_is_the_client_behind_it(
        self, table: EncryptedTable, resource: Any, description: ProtectedTable, attribute: str
    ) -> None:
        encrypted = EncryptedResource(resource, [description])
        for wrapper in (table, encrypted):
            with pytest.raises(ProtectedAttributeError):
                getattr(wrapper, attribute)
        with pytest.raises(ProtectedAttributeError):
            encrypted.tables  # noqa: B018

    @pytest.mark.parametrize(
        "item",
        [
            {**KEY, "ssn": 5},
            {**KEY, "ssn": SSN.encode()},
            {**KEY, "born": SSN},
            {**KEY, "balance": SSN},
            {**KEY, "balance": True},
            {**KEY, "email": "\ud800" + SSN},
            {**KEY, "email_tag": b"x"},
            {"clinic": "north", "ssn": SSN},
            {"number": 1, "ssn": SSN},
            {"clinic": b"north", "number": 1, "ssn": SSN},
            {"clinic": "north", "number": True, "ssn": SSN},
        ],
    )
    def test_wrong_values_are_refused_without_being_shown(
        self, table: EncryptedTable, secrets: Secrets, item: dict[str, Any]
    ) -> None:
        with secrets.nothing_is_sent(), pytest.raises((TypeError, ValueError)) as refused:
            table.put_item(Item=item)
        assert SSN not in str(refused.value)


class TestPlace(OnMoto):
    """What somebody who writes to the table can do."""

    @pytest.fixture(autouse=True)
    def items(self, table: EncryptedTable) -> None:
        for clinic, number in (("north", 1), ("north", 2), ("south", 1)):
            table.put_item(Item={**ITEM, "clinic": clinic, "number": number})

    @pytest.mark.parametrize(
        ("source", "attribute", "target"),
        [
            ({"clinic": {"S": "north"}, "number": {"N": "2"}}, "ssn", "ssn"),
            ({"clinic": {"S": "south"}, "number": {"N": "1"}}, "ssn", "ssn"),
            (WIRE_KEY, "email", "ssn"),
            (WIRE_KEY, "email_tag", "ssn"),
        ],
    )
    def test_values_cannot_be_moved(
        self, table: EncryptedTable, raw: Any, source: Any, attribute: str, target: str
    ) -> None:
        """To another item, from another tenant, or to another attribute."""
        raw.put_item(TableName="patients", Item={**stored(raw), target: stored(raw, source)[attribute]})
        for projection in ({}, {"ProjectionExpression": target}):
            with pytest.raises(DecryptionError):
                table.get_item(Key=KEY, **projection)
            with pytest.raises(DecryptionError):
                table.scan(**projection)

    @pytest.mark.parametrize("value", [{"S": "plain"}, {"B": b""}, {"B": b"\x01" * 5}, {"M": {}}, {"N": "1"}])
    def test_other_values_are_refused(self, table: EncryptedTable, raw: Any, value: Any) -> None:
        """Plaintext too: nobody vouches for it."""
        raw.put_item(TableName="patients", Item={**stored(raw), "ssn": value})
        with pytest.raises(DecryptionError):
            table.get_item(Key=KEY)

    def test_a_copied_tag_finds_nothing(self, table: EncryptedTable, raw: Any) -> None:
        table.put_item(Item={**ITEM, "email": "eve@example.org"})
        other = stored(raw, {"clinic": {"S": "north"}, "number": {"N": "2"}})
        raw.put_item(TableName="patients", Item={**stored(raw), "email_tag": other["email_tag"]})
        by_key = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq("ann@example.org")}
        for found in (table.query(**by_key), table.scan(FilterExpression=Attr("email").eq("ann@example.org"))):
            assert sorted((item["clinic"], item["number"]) for item in found["Items"]) == [("north", 2), ("south", 1)]
            assert found["Count"] == 2

    def test_an_index_without_the_attribute_is_told(self, table: EncryptedTable, raw: Any) -> None:
        """Items that cannot be compared are not silently left out."""
        item = stored(raw)
        del item["email"]
        raw.put_item(TableName="patients", Item=item)  # to the wrapper the same as an index that does not project it
        by_key = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq("ann@example.org")}
        with pytest.raises(DecryptionError, match="let the index project"):
            table.query(**by_key)
        assert len(table.scan(FilterExpression=Attr("email").eq("ann@example.org"))["Items"]) == 2

    def test_an_enum_member_in_a_key_is_what_dynamodb_stores_of_it(
        self, table: EncryptedTable, client: EncryptedClient
    ) -> None:
        """Its text, and not its name."""
        table.put_item(Item={**ITEM, "clinic": Name.NORTH})
        assert table.of_tenant(Name.NORTH).get_item(Key=KEY)["Item"] == ITEM
        client.put_item(TableName="patients", Item={**WIRE_ITEM, "clinic": {"S": Name.NORTH}})
        assert table.of_tenant("north").get_item(Key={**KEY, "clinic": Name.NORTH})["Item"] == ITEM

    def test_an_item_without_its_tenant_is_refused(self, encryptor: Encryptor, raw: Any, resource: Any) -> None:
        """A key can name the tenant or not."""
        loose = ProtectedTable("patients", encryptor, key=("clinic", "number"), tenant="owner", attributes={"ssn": str})
        table = EncryptedTable(resource.Table("patients"), loose)
        with pytest.raises(ProtectedAttributeError, match="owner"):
            table.put_item(Item=ITEM)
        table.put_item(Item={**ITEM, "owner": "o1", **dict.fromkeys(("email", "born", "balance"))})
        item = stored(raw)
        for owner in ({}, {"owner": {"S": "o2"}}, {"owner": {"B": b"o1"}}):
            raw.put_item(TableName="patients", Item={**{k: v for k, v in item.items() if k != "owner"}, **owner})
            with pytest.raises(DecryptionError):
                table.get_item(Key=KEY)


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
        owned.of_tenant("o1").update_item(Key={"clinic": "x", "number": 0}, **how)
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            owned.of_tenant("o1").update_item(Key={"clinic": "x", "number": 1}, **how)
        assert sorted(item["ssn"] for item in owned.scan()["Items"]) == [SSN, "1"]

    def test_a_tenant_s_table_has_no_other_items(self, owned: EncryptedTable) -> None:
        with pytest.raises(DecryptionError):
            owned.of_tenant("o1").get_item(Key={"clinic": "x", "number": 1})
        with pytest.raises(ProtectedAttributeError):
            owned.of_tenant("o1").put_item(Item={"clinic": "x", "number": 1, "owner": "o2", "ssn": SSN})

    def test_a_tenant_s_table_deletes_and_updates_no_other_items(
        self, client: EncryptedClient, secrets: Secrets
    ) -> None:
        """As far as keys tell whose they are."""
        client.put_item(TableName="patients", Item=WIRE_ITEM)
        south, north = client.of_tenant("south"), client.of_tenant("north")
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
        assert [item["number"] for item in owned.of_tenant("o2").query(**condition)["Items"]] == [1]
        with pytest.raises(ProtectedAttributeError, match="of_tenant"):
            owned.query(**condition)
        assert owned.of_tenant("nobody").query(**condition)["Items"] == []

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
                wrapper.of_tenant(tenant)

    def test_a_table_without_tenants_has_none(
        self, raw: Any, encryptor: Encryptor, description: ProtectedTable
    ) -> None:
        """Also beside tables that have, and in updates as in puts."""
        single = ProtectedTable("other", encryptor, key=("clinic", "number"), attributes={"ssn": str})
        client = EncryptedClient(raw, [description, single]).of_tenant("north")
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
        table.of_tenant(7).update_item(Key=KEY, UpdateExpression="SET ssn = :s", ExpressionAttributeValues={":s": "1"})
        assert table.of_tenant(7).get_item(Key=KEY)["Item"]["ssn"] == "1"


SEVEN = "7@example.org"


class TestShortTags(OnMoto):
    @pytest.fixture
    def short(self, raw: Any, resource: Any, encryptor: Encryptor) -> EncryptedTable:
        table = EncryptedTable(
            resource.Table("patients"),
            ProtectedTable(
                "patients",
                encryptor,
                key=("clinic", "number"),
                attributes={"email": Protected(str, index=IndexedBy("email_tag", tag_size=1))},
            ),
        )
        with table.batch_writer() as batch:
            for number in range(1500):
                batch.put_item(Item={"clinic": "x", "number": number, "email": f"{number}@example.org"})
        return table

    def test_what_only_shares_the_tag_is_left_out(self, short: EncryptedTable, raw: Any) -> None:
        by_key = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq(SEVEN)}
        tag = raw.get_item(TableName="patients", Key={"clinic": {"S": "x"}, "number": {"N": "7"}})["Item"]["email_tag"]
        shared = raw.query(
            TableName="patients",
            IndexName="by_email",
            KeyConditionExpression="email_tag = :t",
            ExpressionAttributeValues={":t": tag},
        )
        assert shared["Count"] > 1
        for found in (
            short.query(**by_key),
            short.query(**by_key, ProjectionExpression="#n", ExpressionAttributeNames={"#n": "number"}),
        ):
            assert [item["number"] for item in found["Items"]] == [7]
            assert found["Count"] == 1
            assert found["ScannedCount"] == shared["Count"]

    @pytest.mark.parametrize(
        "ask",
        [
            lambda t: t.scan(FilterExpression=Attr("email").eq(SEVEN) | Attr("number").eq(1)),
            lambda t: t.scan(FilterExpression=~Attr("email").eq(SEVEN)),
            lambda t: t.scan(FilterExpression=Attr("email").eq(SEVEN), Select="COUNT"),
            lambda t: t.put_item(Item={"clinic": "x", "number": 1}, ConditionExpression=Attr("email").eq(SEVEN)),
            lambda t: t.delete_item(Key={"clinic": "x", "number": 1}, ConditionExpression=Attr("email").eq(SEVEN)),
        ],
    )
    def test_where_nothing_can_be_compared_it_is_refused(self, short: EncryptedTable, ask: Any) -> None:
        with pytest.raises(ProtectedAttributeError, match="16 bytes"):
            ask(short)


class TestRotation:
    def test_while_two_index_keys_live_both_tags_are_asked_for(
        self, raw: Any, resource: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Page by page, without a value being found twice or not at all."""
        store = MemoryKeyStore()
        provider = LocalKeyProvider.generate()

        def table(encryptor: Encryptor) -> EncryptedTable:
            described = ProtectedTable(
                "patients",
                encryptor,
                key=("clinic", "number"),
                attributes={"email": Protected(str, index="email_tag")},
            )
            return EncryptedTable(resource.Table("patients"), described)

        first, second = table(Encryptor(provider, store)), None
        first.put_item(Item={"clinic": "x", "number": 0, "email": "a"})
        other = MemoryKeyStore()
        second = table(Encryptor(provider, other))  # a region that does not know of the first key yet
        second.put_item(Item={"clinic": "x", "number": 1, "email": "a"})
        for source, target in ((store, other), (other, store)):
            for key_id in list(source.key_ids()):
                if key_id not in set(target.key_ids()):
                    target.add(source.get(key_id))
        both = table(Encryptor(provider, store))
        for number in range(2, 9):
            both.put_item(Item={"clinic": "x", "number": number, "email": "a" if number % 2 else "b"})
        ask: dict[str, Any] = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq("a")}
        expected = [0, 1, 3, 5, 7]
        assert sorted(item["number"] for item in both.query(**ask)["Items"]) == expected
        assert sorted(item["number"] for item in both.scan(FilterExpression=Attr("email").eq("a"))["Items"]) == expected
        for limit in (1, 2, 3):
            found, page = [], both.query(**ask, Limit=limit)
            found += page["Items"]
            while "LastEvaluatedKey" in page:
                page = both.query(**ask, Limit=limit, ExclusiveStartKey=page["LastEvaluatedKey"])
                assert len(page["Items"]) <= limit + 1  # one more where one tag ends and the other begins
                found += page["Items"]
            assert sorted(item["number"] for item in found) == expected
        assert both.query(**ask, Select="COUNT")["Count"] == 5


class TestClient:
    def test_items_have_dynamodb_s_form(self, client: EncryptedClient, table: EncryptedTable) -> None:
        """The Table reads what the client wrote."""
        client.put_item(TableName="patients", Item=WIRE_ITEM)
        assert client.get_item(TableName="patients", Key=WIRE_KEY)["Item"] == WIRE_ITEM
        assert table.get_item(Key=KEY)["Item"] == ITEM

    def test_other_tables_are_passed_on(self, client: EncryptedClient, raw: Any) -> None:
        item = {**WIRE_KEY, "email": {"S": "bob@example.org"}}
        client.put_item(TableName="other", Item=item)
        assert client.get_item(TableName="other", Key=WIRE_KEY)["Item"] == item
        values = {":n": {"N": "1"}}
        found = client.scan(TableName="other", FilterExpression="size(email) > :n", ExpressionAttributeValues=values)
        assert found["Items"] == [item]

    def test_transactions(self, client: EncryptedClient, raw: Any) -> None:
        """Of protected and other tables."""
        second = {**WIRE_ITEM, "number": {"N": "2"}}
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "patients", "Item": WIRE_ITEM}},
                {"Put": {"TableName": "patients", "Item": second}},
                {"Put": {"TableName": "other", "Item": {**WIRE_KEY, "email": {"S": "plain"}}}},
            ]
        )
        client.transact_write_items(
            TransactItems=[
                {
                    "Update": {
                        "TableName": "patients",
                        "Key": WIRE_KEY,
                        "UpdateExpression": "SET ssn = :s",
                        "ConditionExpression": "email = :e",
                        "ExpressionAttributeValues": {":s": {"S": "1"}, ":e": {"S": "ANN@example.org"}},
                    }
                },
                {
                    "ConditionCheck": {
                        "TableName": "patients",
                        "Key": {**WIRE_KEY, "number": {"N": "2"}},
                        "ConditionExpression": "attribute_exists(ssn)",
                    }
                },
                {"Delete": {"TableName": "other", "Key": WIRE_KEY}},
            ]
        )
        found = client.transact_get_items(
            TransactItems=[
                {"Get": {"TableName": "patients", "Key": WIRE_KEY, "ProjectionExpression": "ssn"}},
                {"Get": {"TableName": "other", "Key": WIRE_KEY}},
                {"Get": {"TableName": "patients", "Key": {**WIRE_KEY, "number": {"N": "2"}}}},
            ]
        )["Responses"]
        assert [each.get("Item") for each in found] == [{"ssn": {"S": "1"}}, None, second]

    @pytest.mark.parametrize(
        "write",
        [
            {"Update": {"TableName": "patients", "Key": WIRE_KEY, "UpdateExpression": "SET ssn = ward"}},
            {"Put": {"TableName": "patients", "Item": {**WIRE_KEY, "email_tag": {"S": SSN}}}},
            {"Upsert": {"TableName": "patients", "Item": {"ssn": {"S": SSN}}}},
            {"Delete": {"TableName": "patients", "Key": WIRE_KEY, "ConditionExpression": "ssn = email"}},
        ],
    )
    def test_transactions_are_refused_alike(self, client: EncryptedClient, secrets: Secrets, write: Any) -> None:
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
            client.transact_write_items(TransactItems=[write])

    def test_batches(self, client: EncryptedClient) -> None:
        """Of protected and other tables."""
        plain = {**WIRE_KEY, "email": {"S": "plain"}}
        second = {**WIRE_ITEM, "number": {"N": "2"}}
        client.batch_write_item(
            RequestItems={
                "patients": [{"PutRequest": {"Item": WIRE_ITEM}}, {"PutRequest": {"Item": second}}],
                "other": [{"PutRequest": {"Item": plain}}],
            }
        )
        found = client.batch_get_item(
            RequestItems={
                "patients": {"Keys": [WIRE_KEY], "ProjectionExpression": "ssn, ward"},
                "other": {"Keys": [WIRE_KEY]},
            }
        )["Responses"]
        assert found == {"patients": [{"ssn": {"S": SSN}, "ward": {"N": "5"}}], "other": [plain]}
        client.batch_write_item(RequestItems={"patients": [{"DeleteRequest": {"Key": WIRE_KEY}}]})
        assert "Item" not in client.get_item(TableName="patients", Key=WIRE_KEY)

    def test_what_was_not_processed_comes_back_as_it_was(self, client: EncryptedClient, raw: Any) -> None:
        """So that it can be sent again, and is not encrypted twice."""
        answers: list[dict[str, Any]] = []

        def answer(request: Any, **_: Any) -> Any:
            asked = json.loads(request.body)
            left = {"UnprocessedItems": asked["RequestItems"]}
            if "BatchGet" in request.headers["X-Amz-Target"].decode():
                left = {"UnprocessedKeys": asked["RequestItems"]}
            body = json.dumps(left).encode()
            answers.append(asked)
            headers: Any = HeadersDict({"content-type": "application/x-amz-json-1.0"})
            found: Any = AWSResponse(request.url, 200, headers, None)
            found._content = body
            return found

        raw.meta.events.register("before-send.dynamodb.BatchWriteItem", answer)
        raw.meta.events.register("before-send.dynamodb.BatchGetItem", answer)
        gone = {"DeleteRequest": {"Key": {**WIRE_KEY, "number": {"N": "9"}}}}
        writes = {
            "patients": [{"PutRequest": {"Item": WIRE_ITEM}}, gone],
            "other": [{"PutRequest": {"Item": WIRE_KEY}}],
        }
        assert client.batch_write_item(RequestItems=writes)["UnprocessedItems"] == writes
        reads = {"patients": {"Keys": [WIRE_KEY], "ProjectionExpression": "ssn"}, "other": {"Keys": [WIRE_KEY]}}
        assert client.batch_get_item(RequestItems=reads)["UnprocessedKeys"] == reads
        assert len(answers) == 2

    def test_paginators(self, client: EncryptedClient) -> None:
        """Decrypt every page, with all that boto3's can do."""
        for number in range(5):
            client.put_item(TableName="patients", Item={**WIRE_ITEM, "number": {"N": str(number)}})
        pages = client.get_paginator("scan").paginate(TableName="patients", PaginationConfig={"PageSize": 2})
        assert [len(page["Items"]) for page in pages] == [2, 2, 1]
        whole = client.get_paginator("query").paginate(
            TableName="patients",
            KeyConditionExpression="clinic = :c",
            ExpressionAttributeValues={":c": {"S": "north"}},
            PaginationConfig={"MaxItems": 3, "PageSize": 2},
        )
        assert [item["ssn"]["S"] for item in whole.build_full_result()["Items"]] == 3 * [SSN]
        assert list(client.get_paginator("scan").paginate(TableName="patients").search("Items[].ssn.S")) == 5 * [SSN]
        assert "patients" in client.get_paginator("list_tables").paginate().build_full_result()["TableNames"]

    def test_responses_keep_their_other_parts(self, client: EncryptedClient) -> None:
        response = client.put_item(TableName="patients", Item=WIRE_ITEM, ReturnConsumedCapacity="TOTAL")
        assert response["ConsumedCapacity"]["TableName"] == "patients"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 200

    def test_errors_of_size_tell_the_size_after_encryption(self, client: EncryptedClient) -> None:
        item = {**WIRE_KEY, "ssn": {"S": "x" * 420_000}}
        for write, how in (
            (client.put_item, {"TableName": "patients", "Item": item}),
            (client.batch_write_item, {"RequestItems": {"patients": [{"PutRequest": {"Item": item}}]}}),
            (client.transact_write_items, {"TransactItems": [{"Put": {"TableName": "patients", "Item": item}}]}),
        ):
            with pytest.raises(ClientError, match=r"after encryption the items put have these bytes: 420,08\d"):
                write(**how)

    def test_so_they_do_of_maps_that_look_like_values(self, table: EncryptedTable) -> None:
        with pytest.raises(ClientError, match=r"after encryption the items put have these bytes: 42\d,\d\d\d"):
            table.put_item(Item={**ITEM, "sizes": {"S": 3}, "ssn": "x" * 420_000})

    def test_a_missing_parameter_is_boto3_s_to_report(self, client: EncryptedClient) -> None:
        for call in (client.put_item, client.get_item, client.update_item, client.delete_item):
            with pytest.raises(ParamValidationError):
                call(TableName="patients")


class TestResource:
    def test_a_table_named_by_its_arn_stays_that_table(
        self, raw: Any, resource: Any, description: ProtectedTable
    ) -> None:
        """Which may be one of another account."""
        arn = raw.describe_table(TableName="patients")["Table"]["TableArn"]
        table = EncryptedResource(resource, [description]).Table(arn)
        assert isinstance(table, EncryptedTable)
        assert table.name == arn
        table.put_item(Item=ITEM)
        with table.batch_writer() as batch:
            batch.put_item(Item={**ITEM, "number": 2})
        assert [item["ssn"] for item in table.scan()["Items"]] == [SSN, SSN]

    def test_tables_and_batches(self, raw: Any, resource: Any, description: ProtectedTable) -> None:
        encrypted = EncryptedResource(resource, [description])
        assert isinstance(encrypted.Table("patients"), EncryptedTable)
        assert not isinstance(encrypted.Table("other"), EncryptedTable)
        encrypted.batch_write_item(RequestItems={"patients": [{"PutRequest": {"Item": ITEM}}]})
        assert encrypted.Table("patients").get_item(Key=KEY)["Item"] == ITEM
        found = encrypted.batch_get_item(RequestItems={"patients": {"Keys": [KEY]}})
        assert found["Responses"] == {"patients": [ITEM]}
        with pytest.raises(DecryptionError):
            encrypted.of_tenant("south").Table("patients").get_item(Key=KEY)


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
        data = python.encrypted({"id": "1", "v": value})
        assert dynamodb.decrypted({"id": {"S": "1"}, "v": {"B": data["v"]}})["v"] == wire
        data = dynamodb.encrypted({"id": {"S": "1"}, "v": wire})
        found = python.decrypted({"id": "1", "v": data["v"]["B"]})["v"]
        assert found == value
        assert type(found) is type(value)

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


class TestDescriptions:
    @pytest.mark.parametrize(
        "how",
        [
            {"key": "id"},
            {"key": []},
            {"key": ["a", "b", "c"]},
            {"attributes": {}},
            {"attributes": {"id": str}},
            {"attributes": {"t": str}, "tenant": "t"},
            {"attributes": {"a": Protected(str, index="a")}},
            {"attributes": {"a": Protected(str, index="id")}},
            {"attributes": {"a": Protected(str, index="x"), "b": Protected(str, index="x")}},
            {"attributes": {"a": Protected(str, index=IndexedBy("x", per_tenant=True))}},
            {"attributes": {"a": Protected(bool, index="x")}},
            {"name": "arn:aws:dynamodb:us-east-1:123456789012:table/t"},
            {"name": None},
        ],
    )
    def test_contradictions_are_refused(self, encryptor: Encryptor, how: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError):
            ProtectedTable(**{"name": "t", "encryptor": encryptor, "key": ["id"], "attributes": {"a": str}, **how})

    def test_a_table_has_one_description(self, encryptor: Encryptor) -> None:
        """Of two, one would leave the attributes of the other unprotected."""
        both = [ProtectedTable("t", encryptor, key=["id"], attributes={name: str}) for name in ("a", "b")]
        for wrapper in (EncryptedClient, EncryptedResource):
            with pytest.raises(ConfigurationError, match="twice"):
                wrapper(None, both)


class TestStreams(OnMoto):
    def test_records_of_streams_and_of_lambda(
        self, table: EncryptedTable, raw: Any, description: ProtectedTable
    ) -> None:
        """Old and new image; where there was base64, there is base64."""
        table.put_item(Item=ITEM)
        image = stored(raw)
        record = {"eventName": "MODIFY", "dynamodb": {"Keys": WIRE_KEY, "NewImage": image, "OldImage": image}}
        for change in (record, json.loads(json.dumps(record, default=lambda data: b64encode(data).decode()))):
            before = json.dumps(change, default=repr)
            found = decrypt_stream_record(change, description)["dynamodb"]
            assert found["NewImage"] == found["OldImage"] == WIRE_ITEM
            assert json.dumps(change, default=repr) == before

    def test_binary_values_of_an_event_stay_text(self, encryptor: Encryptor) -> None:
        described = ProtectedTable("t", encryptor, key=["id"], attributes={"scan": bytes})
        item = Items(described, WIRE).encrypted(
            {"id": {"S": "1"}, "scan": {"B": b"\x00"}, "list": {"L": [{"B": b"\x01"}]}}
        )
        event = json.loads(json.dumps({"dynamodb": {"NewImage": item}}, default=lambda data: b64encode(data).decode()))
        found = decrypt_stream_record(event, described)["dynamodb"]["NewImage"]
        assert found == {"id": {"S": "1"}, "scan": {"B": "AA=="}, "list": {"L": [{"B": "AQ=="}]}}

    def test_a_record_that_was_edited_is_refused(
        self, table: EncryptedTable, raw: Any, description: ProtectedTable
    ) -> None:
        table.put_item(Item=ITEM)
        with pytest.raises(DecryptionError):
            decrypt_stream_record({"dynamodb": {"NewImage": {**stored(raw), "number": {"N": "2"}}}}, description)


def test_wrappers_show_nothing(table: EncryptedTable, client: EncryptedClient, description: ProtectedTable) -> None:
    for each in (table, client, description, table.of_tenant("north")):
        assert "LocalKeyProvider" not in repr(each)
        assert "north" not in repr(each)

"""What a protected table refuses, before anything is sent or read from another place."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from fieldcrypt import DecryptionError, Encryptor
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedResource,
    EncryptedTable,
    ProtectedAttributeError,
    ProtectedTable,
    of_tenant,
)
from tests.dynamodb.patients import ITEM, KEY, SSN, WIRE_ITEM, WIRE_KEY, stored
from tests.dynamodb.patients import client as client
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.dynamodb import OnMoto
from tests.support.wiretap import Secrets


class Name(str, enum.Enum):  # noqa: UP042 (a StrEnum is what str makes of it)
    NORTH = "north"
    PATIENTS = "patients"
    STATEMENT = "SELECT * FROM patients"
    TAG = "email_tag"
    TENANT = "clinic"
    SSN = "ssn"


class TestRefusals(OnMoto):
    @pytest.mark.parametrize(
        "condition",
        [
            Attr("ssn").eq(SSN),
            Attr("ssn").ne(SSN),
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
        if not hasattr(client, operation):
            pytest.skip("this boto3 has no such operation")
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
            ("get_item", {"TableName": "patients", "Key": {**WIRE_KEY, "email_tag": {"S": SSN}}}),
            ("scan", {"TableName": "patients", "ExclusiveStartKey": {**WIRE_KEY, "email_tag": {"S": SSN}}}),
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
            if hasattr(client, operation):  # which an older boto3 has not
                with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
                    getattr(client, operation)(**how)

    @pytest.mark.parametrize("name", [Name.TAG, Name.TENANT])
    def test_an_attribute_named_by_an_enum_member_is_the_attribute(
        self, table: EncryptedTable, secrets: Secrets, name: Name
    ) -> None:
        """Where expressions have a placeholder for its name."""
        given = {"ExpressionAttributeNames": {"#name": name}, "ExpressionAttributeValues": {":value": SSN}}
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
            table.update_item(Key=KEY, UpdateExpression="SET #name = :value", **given)

    def test_a_projection_by_enum_members_has_what_they_name(self, table: EncryptedTable) -> None:
        table.put_item(Item=ITEM)
        projection = {"ProjectionExpression": "#ssn", "ExpressionAttributeNames": {"#ssn": Name.SSN}}
        assert table.get_item(Key=KEY, **projection)["Item"] == {"ssn": ITEM["ssn"]}

    def test_neither_are_the_tables_of_a_resource(self, resource: Any, description: ProtectedTable) -> None:
        with pytest.raises(ProtectedAttributeError):
            EncryptedResource(resource, [description]).tables  # noqa: B018

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
        assert of_tenant(table, Name.NORTH).get_item(Key=KEY)["Item"] == ITEM
        client.put_item(TableName="patients", Item={**WIRE_ITEM, "clinic": {"S": Name.NORTH}})
        assert of_tenant(table, "north").get_item(Key={**KEY, "clinic": Name.NORTH})["Item"] == ITEM

    def test_a_tenant_is_no_longer_named_by_a_method(
        self, table: EncryptedTable, client: EncryptedClient, resource: Any, description: ProtectedTable
    ) -> None:
        """As it was in 0.1: the error says what to write, and is no boto3 object's."""
        for wrapper in (table, client, EncryptedResource(resource, [description])):
            with pytest.raises(AttributeError, match=r"of_tenant\(table, \"clinic-7\"\)"):
                wrapper.of_tenant("north")

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


@pytest.mark.parametrize("value", [{1, "a"}, {True}, {None}, {1: 2}, [{"a": {b"x", "x"}}]])
def test_what_a_client_could_not_read_is_not_written(encryptor: Encryptor, value: Any) -> None:
    """A Table would read it, but DynamoDB has no such sets and maps."""
    described = ProtectedTable("patients", encryptor, key=["id"], attributes={"any": object})
    with pytest.raises(TypeError, match=r"patients\.any of the item .*: a (set|map) in DynamoDB has"):
        described.encrypt_item({"id": "1", "any": value})

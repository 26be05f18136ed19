"""boto3's client and resource with protected tables, and descriptions of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ClientError, ParamValidationError

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor
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
from tests.dynamodb.patients import ITEM, KEY, SSN, WIRE_ITEM, WIRE_KEY
from tests.dynamodb.patients import client as client
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.wiretap import Secrets


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
            of_tenant(encrypted, "south").Table("patients").get_item(Key=KEY)


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

"""What stands around a boto3 object: members that libraries probe for, async objects, answers under another name."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ClientError

from fieldcrypt import ConfigurationError, DecryptionError
from fieldcrypt_dynamodb import (
    AsyncEncryptedClient,
    AsyncEncryptedResource,
    AsyncEncryptedTable,
    EncryptedClient,
    EncryptedResource,
    EncryptedTable,
    ProtectedAttributeError,
    ProtectedTable,
    of_tenant,
)
from fieldcrypt_dynamodb.meta import is_of_resource
from fieldcrypt_dynamodb.request.batches import Requests
from tests.dynamodb.patients import ITEM, KEY, SSN, WIRE_ITEM, WIRE_KEY, stored
from tests.dynamodb.patients import client as client
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.dynamodb import OnMoto
from tests.support.wiretap import Secrets


def in_json(item: dict[str, Any]) -> dict[str, Any]:
    """An item as DynamoDB's responses have it."""
    found: dict[str, Any] = json.loads(json.dumps(item, default=lambda data: b64encode(data).decode()))
    return found


def answer_of(request: Any, content: Any) -> AWSResponse:
    """DynamoDB's response to a request."""
    headers: Any = HeadersDict({"content-type": "application/x-amz-json-1.0"})
    response: Any = AWSResponse(request.url, 200, headers, None)
    response._content = json.dumps(content).encode()
    return response  # type: ignore[no-any-return]


class TestProbes(OnMoto):
    """As libraries ask what they were given."""

    def test_what_is_refused_is_missing(
        self, table: EncryptedTable, client: EncryptedClient, resource: Any, description: ProtectedTable
    ) -> None:
        encrypted = EncryptedResource(resource, [description])
        members = [(table, "get_available_subresources"), (client, "generate_presigned_url"), (encrypted, "tables")]
        for wrapper, name in members:
            assert not hasattr(wrapper, name)
            assert getattr(wrapper, name, "another way") == "another way"
            with pytest.raises(ProtectedAttributeError, match=f"{name}: .* boto3's own"):
                getattr(wrapper, name)


class TestMeta(OnMoto):
    """The client behind a Table or resource has Python's form."""

    def test_a_failed_condition_is_caught_by_the_exceptions_of_meta(self, table: EncryptedTable) -> None:
        with pytest.raises(table.meta.client.exceptions.ConditionalCheckFailedException):
            table.put_item(Item=ITEM, ConditionExpression=Attr("clinic").exists())

    def test_a_client_knows_where_it_is(self, table: EncryptedTable, resource: Any) -> None:
        """What boto3's client knows of itself is what it has as `meta`."""
        own, plain = table.meta.client.meta, resource.meta.client.meta
        assert (own.region_name, own.endpoint_url, own.config) == (plain.region_name, plain.endpoint_url, plain.config)
        assert own.service_model.operation_names
        assert table.meta.identifiers == ["name"]

    @pytest.mark.parametrize("of", ["the client alone", "a table", "a resource"])
    def test_a_resource_s_client_takes_and_gives_python_s_values(
        self, raw: Any, resource: Any, description: ProtectedTable, of: str
    ) -> None:
        client = {
            "the client alone": EncryptedClient(resource.meta.client, [description]),
            "a table": EncryptedTable(resource.Table("patients"), description).meta.client,
            "a resource": EncryptedResource(resource, [description]).meta.client,
        }[of]
        client.put_item(TableName="patients", Item=ITEM)
        assert set(stored(raw)["ssn"]) == {"B"}
        assert client.get_item(TableName="patients", Key=KEY)["Item"] == ITEM
        pages = client.get_paginator("scan").paginate(TableName="patients", FilterExpression=Attr("ward").eq(5))
        assert pages.build_full_result()["Items"] == [ITEM]
        client.transact_write_items(
            TransactItems=[
                {
                    "Update": {
                        "TableName": "patients",
                        "Key": KEY,
                        "UpdateExpression": "SET ssn = :s",
                        "ConditionExpression": "email = :e",
                        "ExpressionAttributeValues": {":s": "1", ":e": "ANN@example.org"},
                    }
                },
                {"Put": {"TableName": "patients", "Item": {**ITEM, "number": 2}}},
            ]
        )
        found = client.transact_get_items(
            TransactItems=[{"Get": {"TableName": "patients", "Key": {**KEY, "number": n}}} for n in (1, 2)]
        )
        assert [each["Item"]["ssn"] for each in found["Responses"]] == ["1", SSN]

    def test_a_resource_s_client_passes_on_what_is_not_protected(
        self, raw: Any, resource: Any, description: ProtectedTable
    ) -> None:
        """In Python's form too, also beside protected items."""
        client, plain = EncryptedResource(resource, [description]).meta.client, {**KEY, "email": "plain"}
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "other", "Item": plain, "ConditionExpression": Attr("clinic").not_exists()}},
                {"Put": {"TableName": "patients", "Item": ITEM}},
            ]
        )
        assert client.get_item(TableName="other", Key=KEY)["Item"] == plain
        found = client.batch_get_item(RequestItems={"other": {"Keys": [KEY]}, "patients": {"Keys": [KEY]}})
        assert found["Responses"] == {"other": [plain], "patients": [ITEM]}

    def test_a_table_s_client_sends_nothing_to_tables_that_it_does_not_know(
        self, table: EncryptedTable, resource: Any, description: ProtectedTable, secrets: Secrets
    ) -> None:
        """They may be protected, by a description that it has not seen: their values would be sent as they are."""
        client, item = table.meta.client, {**KEY, "ssn": SSN}
        with secrets.nothing_is_sent():
            for call, how in (
                (client.put_item, {"TableName": "other", "Item": item}),
                (client.transact_write_items, {"TransactItems": [{"Put": {"TableName": "other", "Item": item}}]}),
                (client.batch_write_item, {"RequestItems": {"other": [{"PutRequest": {"Item": item}}]}}),
                (client.execute_statement, {"Statement": f"INSERT INTO other VALUE {item}"}),
            ):
                with pytest.raises(ProtectedAttributeError, match=r"may .*protected"):
                    call(**how)
        of_resource = EncryptedResource(resource, [description]).Table("patients")
        of_resource.meta.client.put_item(TableName="other", Item=KEY)

    def test_the_client_of_a_tenant_s_table_has_no_other_items(
        self, table: EncryptedTable, resource: Any, description: ProtectedTable
    ) -> None:
        table.put_item(Item=ITEM)
        south = of_tenant(EncryptedResource(resource, [description]), "south")
        for wrapper in (of_tenant(table, "south"), south, south.Table("patients")):
            with pytest.raises(DecryptionError):
                wrapper.meta.client.get_item(TableName="patients", Key=KEY)

    def test_descriptions_are_worked_through_once(
        self, resource: Any, raw: Any, description: ProtectedTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And not each time that a program asks a resource for a table or a client."""
        encrypted = EncryptedResource(resource, [description])
        monkeypatch.delattr(Requests, "__init__")
        table = encrypted.Table("patients")
        table.put_item(Item=ITEM)
        for wrapper in (encrypted.meta.client, table.meta.client):
            assert wrapper.get_item(TableName="patients", Key=KEY)["Item"] == ITEM

    def test_nobody_s_handlers_are_changed_or_called_to_find_the_form(self, resource: Any, raw: Any) -> None:
        events, called = resource.meta.client.meta.events, []
        events.register("before-parameter-build.dynamodb", lambda **_: called.append(1))
        assert (is_of_resource(resource.meta.client), is_of_resource(raw)) == (True, False)
        assert (is_of_resource(resource.meta.client), called) == (True, [])


class AsyncTable:
    name = "patients"

    async def get_item(self, **_: Any) -> Any: ...


class AsyncContext:
    """What makes a client of aiobotocore."""

    async def __aenter__(self) -> Any: ...


class TestAsyncObjects:
    @pytest.mark.parametrize("given", [AsyncTable(), AsyncContext()])
    def test_they_are_refused_when_they_are_wrapped(self, given: Any, description: ProtectedTable) -> None:
        """Before an answer that was not awaited is taken for a response."""
        for wrapper, instead in (
            (lambda: EncryptedTable(given, description), "AsyncEncryptedTable"),
            (lambda: EncryptedClient(given, [description]), "AsyncEncryptedClient"),
            (lambda: EncryptedResource(given, [description]), "AsyncEncryptedResource"),
        ):
            with pytest.raises(ConfigurationError, match=f"async.*{instead}"):
                wrapper()

    @pytest.mark.parametrize(
        ("wrapper", "other"),
        [
            (EncryptedTable, AsyncEncryptedTable),
            (EncryptedClient, AsyncEncryptedClient),
            (EncryptedResource, AsyncEncryptedResource),
        ],
    )
    def test_their_own_wrappers_have_the_same_members(self, wrapper: type, other: type) -> None:
        """Whatever is added for one kind is there for the other."""
        assert not [name for name in {*dir(wrapper)} ^ {*dir(other)} if not name.startswith("_")]

    def test_so_is_a_table_that_was_not_awaited(self, description: ProtectedTable) -> None:
        """`resource.Table("patients")` of aioboto3."""
        awaitable = AsyncTable().get_item()
        with pytest.raises(ConfigurationError, match="coroutine is async"):
            EncryptedTable(awaitable, description)
        awaitable.close()


class TestArns(OnMoto):
    """DynamoDB may answer under a table's name where it was asked under its ARN."""

    @pytest.fixture
    def arn(self, raw: Any) -> str:
        found: str = raw.describe_table(TableName="patients")["Table"]["TableArn"]
        return found

    def test_a_batch_writer_sends_again_what_was_not_processed(
        self, arn: str, resource: Any, description: ProtectedTable
    ) -> None:
        """Whatever the answer calls the table."""
        table = EncryptedResource(resource, [description]).Table(arn)
        refused: list[Any] = []

        def refuse_once(request: Any, **_: Any) -> Any:
            if refused:
                return None
            refused.append(json.loads(request.body)["RequestItems"][arn])
            return answer_of(request, {"UnprocessedItems": {"patients": refused[0]}})

        resource.meta.client.meta.events.register("before-send.dynamodb.BatchWriteItem", refuse_once)
        with table.batch_writer() as batch:
            batch.put_item(Item=ITEM)
        assert len(refused) == 1
        assert table.scan()["Items"] == [ITEM]

    @pytest.mark.parametrize("answered", ["by its name", "by its ARN"])
    def test_a_batch_is_decrypted_whatever_the_answer_calls_the_table(
        self, arn: str, raw: Any, client: EncryptedClient, answered: str
    ) -> None:
        """And what was not processed comes back as it was asked for."""
        client.put_item(TableName="patients", Item=WIRE_ITEM)
        item, name = in_json(stored(raw)), arn if answered == "by its ARN" else "patients"
        left = {"Keys": [{**WIRE_KEY, "number": {"N": "2"}}]}
        raw.meta.events.register(
            "before-send.dynamodb.BatchGetItem",
            lambda request, **_: answer_of(request, {"Responses": {name: [item]}, "UnprocessedKeys": {name: left}}),
        )
        asked = {
            "Keys": [WIRE_KEY, *left["Keys"]],
            "ProjectionExpression": "#s",
            "ExpressionAttributeNames": {"#s": "ssn"},
        }
        found = client.batch_get_item(RequestItems={arn: asked})
        assert found["Responses"] == {name: [{"ssn": {"S": SSN}}]}
        assert found["UnprocessedKeys"] == {name: {**asked, **left}}

    def test_writes_that_were_not_processed_come_back_as_they_were_given(
        self, arn: str, raw: Any, client: EncryptedClient
    ) -> None:
        """Also where the request has one table by both its names."""
        second = {"PutRequest": {"Item": {**WIRE_ITEM, "number": {"N": "2"}}}}
        writes = {"patients": [second], arn: [{"PutRequest": {"Item": WIRE_ITEM}}]}

        def refuse_all(request: Any, **_: Any) -> Any:
            sent = json.loads(request.body)["RequestItems"]
            return answer_of(request, {"UnprocessedItems": {"patients": [*sent["patients"], *sent[arn]]}})

        raw.meta.events.register("before-send.dynamodb.BatchWriteItem", refuse_all)
        left = client.batch_write_item(RequestItems=writes)["UnprocessedItems"]
        assert left == {"patients": [*writes["patients"], *writes[arn]]}

    def test_one_table_is_not_asked_for_twice_for_different_attributes(
        self, arn: str, client: EncryptedClient, secrets: Secrets
    ) -> None:
        asked = {"Keys": [WIRE_KEY], "ProjectionExpression": "ssn"}
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match="twice"):
            client.batch_get_item(RequestItems={arn: asked, "patients": {**asked, "ProjectionExpression": "born"}})

    def test_transactions_name_tables_by_their_arns(self, arn: str, raw: Any, client: EncryptedClient) -> None:
        client.transact_write_items(TransactItems=[{"Put": {"TableName": arn, "Item": WIRE_ITEM}}])
        assert set(stored(raw)["ssn"]) == {"B"}
        found = client.transact_get_items(TransactItems=[{"Get": {"TableName": arn, "Key": WIRE_KEY}}])
        assert found["Responses"] == [{"Item": WIRE_ITEM}]

    @pytest.mark.parametrize("what", ["/index/by_email", "/stream/2026-01-01T00:00:00.000"])
    def test_the_arn_of_a_table_s_part_names_the_table(
        self, arn: str, client: EncryptedClient, secrets: Secrets, what: str
    ) -> None:
        """DynamoDB refuses it, but has seen by then what is sent with it."""
        secrets.add(SSN)
        with pytest.raises(ClientError):
            client.put_item(TableName=arn + what, Item=WIRE_ITEM)

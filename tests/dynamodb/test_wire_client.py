"""A wrapper sends through the user's own client: what is registered with it or set on it still sees each call."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.conditions import Key
from boto3.dynamodb.types import Binary
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt_dynamodb import EncryptedResource, EncryptedTable, ProtectedTable
from fieldcrypt_dynamodb.wire_client import wire_client
from tests.dynamodb.patients import ITEM, KEY, WIRE_KEY, stored
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.dynamodb import OnMoto

PLAIN = {
    **KEY,
    "text": "x",
    "number_of": Decimal(5),
    "flag": True,
    "data": Binary(b"x"),
    "none": None,
    "map": {"a": [1]},
}
GET, PUT = "dynamodb.GetItem", "dynamodb.PutItem"


class TestEvents(OnMoto):
    """Of the client of a Table."""

    @pytest.mark.parametrize("event", ["provide-client-params", "before-parameter-build"])
    @pytest.mark.parametrize("is_first", [True, False])
    def test_handlers_see_what_is_sent(
        self, table: EncryptedTable, resource: Any, event: str, *, is_first: bool
    ) -> None:
        """In DynamoDB's own form, whether they are registered before boto3's own handlers or after them."""
        seen: list[Any] = []
        events = resource.meta.client.meta.events
        (events.register_first if is_first else events.register)(
            f"{event}.{PUT}", lambda params, **_: seen.append(params["Item"])
        )
        table.put_item(Item=ITEM)
        assert [set(each["ssn"]) for each in seen] == [{"B"}]
        assert seen[0]["ward"] == {"N": "5"}

    def test_handlers_see_what_was_answered(self, table: EncryptedTable, resource: Any) -> None:
        """Likewise, encrypted."""
        seen: list[Any] = []
        resource.meta.client.meta.events.register(f"after-call.{GET}", lambda parsed, **_: seen.append(parsed["Item"]))
        table.put_item(Item=ITEM)
        assert table.get_item(Key=KEY)["Item"] == ITEM
        assert set(seen[0]["ssn"]) == {"B"}

    def test_handlers_that_are_registered_before_a_table_is_wrapped_are_called(
        self, raw: Any, resource: Any, description: ProtectedTable
    ) -> None:
        called: list[str] = []
        resource.meta.client.meta.events.register("before-call.dynamodb", lambda model, **_: called.append(model.name))
        EncryptedTable(resource.Table("patients"), description).get_item(Key=KEY)
        EncryptedResource(resource, [description]).batch_get_item(RequestItems={"patients": {"Keys": [KEY]}})
        assert called == ["GetItem", "BatchGetItem"]

    def test_a_handler_changes_what_is_sent(self, table: EncryptedTable, resource: Any) -> None:
        def ask(params: Any, **_: Any) -> None:
            params["ReturnConsumedCapacity"] = "TOTAL"

        resource.meta.client.meta.events.register("before-parameter-build.dynamodb", ask)
        assert "ConsumedCapacity" in table.get_item(Key=KEY)

    def test_handlers_learn_the_shapes_of_an_operation(self, table: EncryptedTable, resource: Any) -> None:
        """As from boto3's own model."""
        seen: list[Any] = []
        resource.meta.client.meta.events.register(
            "before-parameter-build.dynamodb", lambda model, **_: seen.append(model)
        )
        table.get_item(Key=KEY)
        assert (seen[0].name, "Key" in seen[0].input_shape.members) == ("GetItem", True)

    def test_what_is_given_is_not_changed_by_handlers(self, table: EncryptedTable, resource: Any) -> None:
        """Nor by boto3's own."""
        resource.meta.client.meta.events.register(
            f"before-parameter-build.{PUT}", lambda params, **_: params["Item"].clear()
        )
        given = {**ITEM, "list": [{"a": 1}]}
        with pytest.raises(ClientError):
            table.put_item(Item=given)
        assert given == {**ITEM, "list": [{"a": 1}]}


class TestClient(OnMoto):
    def test_a_stubber_answers(self, table: EncryptedTable, resource: Any) -> None:
        """Activated when the table is wrapped already, expecting what is sent."""
        with Stubber(resource.meta.client) as stubber:
            stubber.add_response("get_item", {"Item": WIRE_KEY}, {"TableName": "patients", "Key": WIRE_KEY})
            stubber.add_client_error("get_item", "ThrottlingException")
            assert table.get_item(Key=KEY)["Item"] == KEY
            with pytest.raises(resource.meta.client.exceptions.ClientError, match="ThrottlingException"):
                table.get_item(Key=KEY)

    def test_tracing_that_replaces_the_method_of_all_clients_sees_calls(
        self, table: EncryptedTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []
        call: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

        def traced(self: Any, operation: str, params: Any) -> Any:
            seen.append(operation)
            return call(self, operation, params)

        monkeypatch.setattr(BaseClient, "_make_api_call", traced)
        table.get_item(Key=KEY)
        assert seen == ["GetItem"]

    def test_a_method_that_is_replaced_on_the_client_is_used(
        self, table: EncryptedTable, resource: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With Python's values, which boto3 has it give and take."""
        monkeypatch.setattr(resource.meta.client, "get_item", lambda **_: {"Item": KEY})
        assert table.get_item(Key=KEY)["Item"] == KEY

    @pytest.mark.parametrize("name", ["put_item", "_make_api_call"])
    def test_what_watches_a_method_of_one_client_calls_the_method(
        self, table: EncryptedTable, resource: Any, raw: Any, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """It has hold of that of the user's client, whose events convert; values are converted once all the same."""
        client, seen = resource.meta.client, []
        method = getattr(client, name)

        def watched(*args: Any, **params: Any) -> Any:
            seen.append(params or args[1])
            return method(*args, **params)

        monkeypatch.setattr(client, name, watched)
        table.put_item(Item=ITEM)
        with table.batch_writer() as batch:
            batch.put_item(Item={**ITEM, "number": 2})
        assert table.get_item(Key=KEY)["Item"] == ITEM
        assert table.query(KeyConditionExpression=Key("clinic").eq("north"))["Count"] == 2
        assert (set(stored(raw)["ssn"]), seen[0]["Item"]["ward"]) == ({"B"}, 5)

    def test_requests_are_tried_again_as_the_client_is_configured(self, table: EncryptedTable, resource: Any) -> None:
        """By its own handlers, which decide after each attempt."""
        attempts: list[int] = []

        def again(**attempt: Any) -> float | None:
            attempts.append(attempt["attempts"])
            return 0 if attempt["attempts"] < 3 else None  # seconds until the next one

        resource.meta.client.meta.events.register_first(f"needs-retry.{GET}", again)
        table.get_item(Key=KEY)
        assert attempts == [1, 2, 3]

    def test_the_user_s_client_goes_on_converting(self, table: EncryptedTable, resource: Any) -> None:
        table.put_item(Item=ITEM)
        assert resource.Table("patients").get_item(Key=KEY)["Item"]["ward"] == Decimal(5)

    def test_unprotected_values_come_back_as_from_boto3(self, table: EncryptedTable, resource: Any) -> None:
        table.put_item(Item=PLAIN)
        assert repr(table.get_item(Key=KEY)["Item"]) == repr(resource.Table("patients").get_item(Key=KEY)["Item"])


def test_what_is_not_a_boto3_client_is_refused(encryptor: Encryptor) -> None:
    """Of somebody's double nobody knows whether it converts values."""

    class Double:
        name = "patients"
        meta: Any = None

    Double.meta = Double
    Double.client = object()  # type: ignore[attr-defined]
    description = ProtectedTable("patients", encryptor, key=["id"], attributes={"ssn": str})
    with pytest.raises(ConfigurationError, match=r"a builtins\.object is not a boto3 client"):
        EncryptedTable(Double(), description)
    with pytest.raises(ConfigurationError, match="is not a boto3 client"):
        wire_client(None)

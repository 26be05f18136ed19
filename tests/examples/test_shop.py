"""The shop on one DynamoDB table: what it finds, what the table has, and how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from examples.shop import encryptor
from examples.shop.shop import Shop
from examples.shop.stream import handler
from examples.shop.table import definition
from fieldcrypt import KeyShreddedError, LocalKeyProvider, MemoryKeyStore
from tests.support.dynamodb import DynamoDb

ADDRESS = {"street": "5 High Street", "city": "Yorkshire"}
ANN = {"name": "Ann Example", "email": "Ann@example.org"}


@pytest.fixture
def raw(dynamodb: DynamoDb) -> Any:
    """boto3's client."""
    return dynamodb.client()


@pytest.fixture
def shop(dynamodb: DynamoDb, raw: Any) -> Iterator[Shop]:
    """Ann has ordered, and Bob."""
    encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    raw.create_table(**definition("shop"))
    shop = Shop(dynamodb.resource(), "shop")
    shop.offer("12", "Darjeeling", "tea", 2)
    shop.sign_up("7", **ANN)
    shop.sign_up("8", "Bob Example", "bob@example.org")
    shop.order("7", "1001", "12", ADDRESS)
    shop.order("8", "1002", "12", {"street": "1 Low Street", "city": "Leeds"})
    yield shop
    encryptor.close()


def items(raw: Any, table: str = "shop") -> dict[tuple[str, str], Any]:
    """What DynamoDB has, by key."""
    found = raw.scan(TableName=table)["Items"]
    return {(item["PK"]["S"], item["SK"]["S"]): item for item in found}


class TestShop:
    def test_one_query_gives_a_user_and_the_orders(self, shop: Shop) -> None:
        order, user = shop.all_of("7")
        assert (order["address"], order["product"]) == (ADDRESS, "12")
        assert (user["name"], user["email"]) == ("Ann Example", "Ann@example.org")

    def test_one_index_finds_users_orders_and_products(self, shop: Shop) -> None:
        """By tags and by plain texts; what was sent is no longer to be."""
        found = shop.find("ANN@example.org")
        assert found is not None
        assert found["name"] == "Ann Example"
        assert [product["name"] for product in shop.products("tea")] == ["Darjeeling"]
        assert [order["GSI1SK"] for order in shop.to_send()] == ["1001", "1002"]
        shop.send("7", "1001")
        assert [order["GSI1SK"] for order in shop.to_send()] == ["1002"]

    def test_an_address_is_changed_where_it_is(self, shop: Shop, raw: Any) -> None:
        shop.change_address("7", "1001", {"street": "9 Mill Lane", "city": "Sheffield"})
        assert shop.all_of("7")[0]["address"] == {"street": "9 Mill Lane", "city": "Sheffield"}
        stored = items(raw)["USER#7", "ORDER#1001"]["address"]["M"]
        assert stored["street"].keys() == stored["city"].keys() == {"B"}

    def test_a_name_is_protected_in_a_user_and_plain_in_a_product(self, shop: Shop, raw: Any) -> None:
        stored = items(raw)
        assert stored["PRODUCT#12", "PRODUCT"]["name"] == {"S": "Darjeeling"}
        assert stored["USER#7", "PROFILE"]["name"].keys() == {"B"}

    def test_what_is_sold_out_cannot_be_ordered(self, shop: Shop, raw: Any) -> None:
        """Nothing of the transaction is done."""
        with pytest.raises(ClientError, match="TransactionCanceled"):
            shop.order("7", "1003", "12", ADDRESS)
        assert len(shop.all_of("7")) == 2

    def test_no_order_takes_the_place_of_another(self, shop: Shop) -> None:
        """Though there is enough in stock."""
        shop.offer("12", "Darjeeling", "tea", 2)
        with pytest.raises(ClientError, match="TransactionCanceled"):
            shop.order("8", "1002", "12", ADDRESS)
        assert shop.all_of("8")[0]["address"]["city"] == "Leeds"

    def test_only_what_was_ordered_is_sent(self, shop: Shop) -> None:
        """Nothing is made of an order that there is not."""
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            shop.send("7", "9999")
        assert len(shop.all_of("7")) == 2


class TestLater:
    def test_a_table_that_was_restored_under_another_name_is_read_and_searched(
        self, shop: Shop, raw: Any, dynamodb: DynamoDb
    ) -> None:
        """By another process, which knows the logical name."""
        raw.create_table(**definition("shop-restored"))
        for item in items(raw).values():
            raw.put_item(TableName="shop-restored", Item=item)
        encryptor.configure(encryptor.provider, encryptor.store)
        restored = Shop(dynamodb.resource(), "shop-restored")
        assert restored.all_of("7") == shop.all_of("7")
        assert restored.find("ann@example.org") == shop.find("ann@example.org")

    def test_others_are_served_when_a_user_was_forgotten(self, shop: Shop, raw: Any) -> None:
        """In lists and in the stream; who asks for the user gets an error that says why."""
        inserted = [{"eventName": "INSERT", "dynamodb": {"Keys": _key(item), "NewImage": item}} for item in _all(raw)]
        encryptor.data_keys.shred("USER#7", by="the user's wish")
        assert [order["GSI1SK"] for order in shop.to_send()] == ["1002"]
        assert handler({"Records": inserted}, None) == ["1 Low Street, Leeds"]
        with pytest.raises(KeyShreddedError, match=r"shop\.order\.address"):
            shop.all_of("7")

    @pytest.mark.parametrize("damaged", [{"M": {"city": {"B": b"x"}}}, {"B": b"x"}, {"M": {}}])
    def test_others_are_served_when_part_of_an_address_cannot_be_read(self, shop: Shop, raw: Any, damaged: Any) -> None:
        """Or all of it, or when it is not there."""
        item = items(raw)["USER#7", "ORDER#1001"]
        if damaged.get("M"):
            damaged = {"M": {**item["address"]["M"], **damaged["M"]}}
        raw.put_item(TableName="shop", Item={**item, "address": damaged})
        inserted = [{"eventName": "INSERT", "dynamodb": {"Keys": _key(item), "NewImage": item}} for item in _all(raw)]
        assert [order["GSI1SK"] for order in shop.to_send()] == ["1002"]
        assert handler({"Records": inserted}, None) == ["1 Low Street, Leeds"]


def _all(raw: Any) -> list[Any]:
    return [item for _, item in sorted(items(raw).items())]


def _key(item: Any) -> dict[str, Any]:
    return {"PK": item["PK"], "SK": item["SK"]}

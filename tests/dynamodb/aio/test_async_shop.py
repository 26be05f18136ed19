"""The shop of examples/ with aioboto3, behind FastAPI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from examples.shop import encryptor
from examples.shop.app import create_app
from examples.shop.shop import Shop
from examples.shop.table import definition
from fieldcrypt import LocalKeyProvider, MemoryKeyStore
from tests.dynamodb.aio.connected import resource_of
from tests.support.dynamodb import DynamoDb

ADDRESS = {"street": "5 High Street", "city": "Yorkshire"}


@pytest.fixture
def shop(dynamodb: DynamoDb) -> Iterator[Shop]:
    """The same with boto3, beside it."""
    encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    dynamodb.client().create_table(**definition("shop"))
    shop = Shop(dynamodb.resource(), "shop")
    shop.offer("12", "Darjeeling", "tea", 2)
    yield shop
    encryptor.close()


@pytest.fixture
def browser(dynamodb: DynamoDb, shop: Shop) -> Iterator[Any]:
    with TestClient(create_app(lambda: resource_of(dynamodb), "shop")) as browser:
        for user, name in (("7", "Ann"), ("8", "Bob")):
            browser.put(f"/users/{user}", json={"name": f"{name} Example", "email": f"{name}@example.org"})
            order = {"number": f"100{user}", "product": "12", "address": ADDRESS}
            assert browser.put(f"/users/{user}/orders", json=order).status_code == 204
        yield browser


def test_a_user_is_found_and_the_user_s_orders(browser: Any, shop: Shop) -> None:
    """Whichever of the two wrote them."""
    assert browser.get("/users", params={"email": "ann@EXAMPLE.org"}).json()["name"] == "Ann Example"
    browser.put("/users/7/orders/1007/address", json={"street": "9 Mill Lane", "city": "Sheffield"})
    shop.change_address("8", "1008", {"street": "1 Low Street", "city": "Leeds"})
    assert browser.get("/users/7/orders").json()[0]["address"] == shop.all_of("7")[0]["address"]
    assert browser.get("/users/8/orders").json()[0]["address"]["street"] == "1 Low Street"


def test_others_are_served_when_a_user_was_forgotten(browser: Any) -> None:
    encryptor.data_keys.shred("USER#7", by="the user's wish")
    assert [order["number"] for order in browser.get("/orders").json()] == ["1008"]
    assert browser.get("/users/7/orders").status_code == 410

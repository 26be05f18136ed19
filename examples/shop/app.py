"""The shop with aioboto3, behind FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from examples.shop import encryptor, requests
from examples.shop.table import definition, described, has_address
from fieldcrypt import KeyShreddedError, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_dynamodb import AsyncEncryptedTable, of_entity


class User(BaseModel):
    name: str
    email: str


class Address(BaseModel):
    street: str
    city: str


class Order(BaseModel):
    number: str
    product: str
    address: Address


async def _table(request: Request) -> AsyncEncryptedTable:
    table: AsyncEncryptedTable = request.app.state.table
    return table


Table = Annotated[AsyncEncryptedTable, Depends(_table)]


def create_app(dynamodb: Callable[[], AbstractAsyncContextManager[Any]], name: str) -> FastAPI:
    """Make the application.

    Args:
        dynamodb: gives a resource of aioboto3: `lambda: aioboto3.Session().resource("dynamodb")`.
        name: of the table.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with dynamodb() as resource:
            app.state.table = AsyncEncryptedTable(await resource.Table(name), described(name))
            yield

    app = FastAPI(lifespan=lifespan)

    @app.exception_handler(KeyShreddedError)
    async def forgotten(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "this user was forgotten"}, 410)

    @app.put("/users/{user}", status_code=204)
    async def sign_up(user: str, new: User, table: Table) -> None:
        await table.put_item(**requests.new_user(user, new.name, new.email))

    @app.put("/users/{user}/orders", status_code=204)
    async def order(user: str, new: Order, table: Table) -> None:
        address = new.address.model_dump()
        client = table.meta.client
        await client.transact_write_items(**requests.new_order(name, user, new.number, new.product, address))

    @app.put("/users/{user}/orders/{number}/address", status_code=204)
    async def change_address(user: str, number: str, new: Address, table: Table) -> None:
        await table.update_item(**requests.changed_address(user, number, new.model_dump()))

    @app.get("/users")
    async def find(email: str, table: Table) -> User:
        found = await of_entity(table, "user").query(**requests.user_by_email(email))
        if not found["Items"]:
            raise HTTPException(404)
        return User(**found["Items"][0])

    @app.get("/users/{user}/orders")
    async def orders(user: str, table: Table) -> list[Order]:
        found = await table.query(**requests.all_of(user))
        return [_order(item) for item in found["Items"] if item["SK"] != "PROFILE"]

    @app.get("/orders")
    async def to_send(table: Table) -> list[Order]:
        found = await table.query(**requests.open_orders())
        return [_order(item) for item in found["Items"] if has_address(item)]

    return app


def demo() -> FastAPI:
    """Return the application on a new table, with a key that is gone afterwards."""
    import aioboto3
    import boto3

    encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    dynamodb = boto3.resource("dynamodb")
    name = f"shop-{uuid4()}"
    dynamodb.create_table(**definition(name)).wait_until_exists()
    dynamodb.Table(name).put_item(**requests.new_product("12", "Darjeeling", "tea", 100))  # products are plain
    return create_app(lambda: aioboto3.Session().resource("dynamodb"), name)


def _order(item: dict[str, Any]) -> Order:
    return Order(number=item["GSI1SK"], product=item["product"], address=item["address"])

"""The shop with boto3."""

from __future__ import annotations

from typing import Any

from examples.shop import requests
from examples.shop.table import described, has_address
from fieldcrypt_dynamodb import EncryptedTable, of_entity


class Shop:
    """What it can do, on a table of a boto3 resource.

    Args:
        resource: boto3's.
        table: the table's name here.
    """

    def __init__(self, resource: Any, table: str) -> None:
        self._name = table
        self._table = EncryptedTable(resource.Table(table), described(table))
        self._users = of_entity(self._table, "user")

    def offer(self, product: str, name: str, category: str, stock: int) -> None:
        self._table.put_item(**requests.new_product(product, name, category, stock))

    def sign_up(self, user: str, name: str, email: str) -> None:
        self._table.put_item(**requests.new_user(user, name, email))

    def order(self, user: str, number: str, product: str, address: dict[str, str]) -> None:
        client = self._table.meta.client  # for the transaction, in Python's form
        client.transact_write_items(**requests.new_order(self._name, user, number, product, address))

    def change_address(self, user: str, number: str, address: dict[str, str]) -> None:
        self._table.update_item(**requests.changed_address(user, number, address))

    def send(self, user: str, number: str) -> None:
        self._table.update_item(**requests.sent_order(user, number))

    def products(self, category: str) -> list[Any]:
        return list(self._table.query(**requests.products_of(category))["Items"])

    def all_of(self, user: str) -> list[Any]:
        """Return the user's orders, and then the user."""
        return list(self._table.query(**requests.all_of(user))["Items"])

    def find(self, email: str) -> dict[str, Any] | None:
        found = self._users.query(**requests.user_by_email(email))["Items"]
        return found[0] if found else None

    def to_send(self) -> list[Any]:
        """Return the open orders whose address can be read: those of users who were forgotten, for example, cannot."""
        return [order for order in self._table.query(**requests.open_orders())["Items"] if has_address(order)]

"""What the shop asks of DynamoDB: the parameters of boto3's and aioboto3's methods, which are the same."""

from __future__ import annotations

from typing import Any

from boto3.dynamodb.conditions import Attr, Key

Params = dict[str, Any]


def user_key(user: str) -> Params:
    return {"PK": f"USER#{user}", "SK": "PROFILE"}


def order_key(user: str, number: str) -> Params:
    return {"PK": f"USER#{user}", "SK": f"ORDER#{number}"}


def product_key(product: str) -> Params:
    return {"PK": f"PRODUCT#{product}", "SK": "PRODUCT"}


def new_user(user: str, name: str, email: str) -> Params:
    item = {**user_key(user), "name": name, "email": email, "GSI1SK": "USER"}
    return {"Item": item, "ConditionExpression": Attr("PK").not_exists()}


def new_product(product: str, name: str, category: str, stock: int) -> Params:
    index = {"GSI1PK": f"CATEGORY#{category}", "GSI1SK": name}
    return {"Item": {**product_key(product), **index, "name": name, "stock": stock}}


def new_order(table: str, user: str, number: str, product: str, address: dict[str, str]) -> Params:
    """A transaction: the order, whose number must be new, and one piece less in stock."""
    index = {"GSI1PK": "STATE#open", "GSI1SK": number}
    order = {**order_key(user, number), **index, "product": product, "address": address}
    put = {"Item": order, "ConditionExpression": "attribute_not_exists(PK)"}
    taken = {
        "Key": product_key(product),
        "UpdateExpression": "SET stock = stock - :one",
        "ConditionExpression": "stock >= :one",
        "ExpressionAttributeValues": {":one": 1},
    }
    return {"TransactItems": [{"Put": {"TableName": table, **put}}, {"Update": {"TableName": table, **taken}}]}


def sent_order(user: str, number: str) -> Params:
    return {
        "Key": order_key(user, number),
        "UpdateExpression": "SET GSI1PK = :sent",
        "ConditionExpression": "attribute_exists(PK)",  # else an order would be made that has only a state
        "ExpressionAttributeValues": {":sent": "STATE#sent"},
    }


def changed_address(user: str, number: str, address: dict[str, str]) -> Params:
    return {
        "Key": order_key(user, number),
        "UpdateExpression": "SET address.street = :street, address.city = :city",
        "ExpressionAttributeValues": {":street": address["street"], ":city": address["city"]},
    }


def user_by_email(email: str) -> Params:
    return {"IndexName": "GSI1", "KeyConditionExpression": Key("email").eq(email)}


def all_of(user: str) -> Params:
    """The user and the user's orders, in one query."""
    return {"KeyConditionExpression": Key("PK").eq(f"USER#{user}")}


def open_orders() -> Params:
    """Of all users. An order of a user whose keys were shredded is among them, without its address."""
    return {"IndexName": "GSI1", "KeyConditionExpression": Key("GSI1PK").eq("STATE#open"), "on_unreadable": "mark"}


def products_of(category: str) -> Params:
    return {"IndexName": "GSI1", "KeyConditionExpression": Key("GSI1PK").eq(f"CATEGORY#{category}")}

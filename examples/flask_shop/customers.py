"""The endpoints for customers. Every statement names the merchant."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, request
from sqlalchemy import select

from examples.flask_shop.models import Customer, Merchant, db
from fieldcrypt_sqlalchemy import find, of_tenant

customers = Blueprint("customers", __name__, url_prefix="/<merchant>/customers")


@customers.post("")
def add(merchant: str) -> tuple[dict[str, Any], int]:
    db.get_or_404(Merchant, merchant)  # the first value of a tenant makes it a data key
    sent = request.get_json()
    customer = Customer(
        merchant_id=merchant, name=str(sent["name"]), address=str(sent["address"]), phone=str(sent["phone"])
    )
    db.session.add(customer)
    db.session.commit()
    return _shown(customer), 201


@customers.get("")
def page(merchant: str) -> dict[str, Any]:
    """Show a page of customers. Only what is shown is decrypted."""
    query = select(Customer).where(Customer.merchant_id == merchant).order_by(Customer.id)
    found = db.paginate(query, per_page=20)
    return {"customers": [_shown(customer) for customer in found], "pages": found.pages}


@customers.get("/<uuid:number>")
def one(merchant: str, number: UUID) -> dict[str, Any]:
    query = select(Customer).where(Customer.id == number, Customer.merchant_id == merchant)
    customer: Customer = db.first_or_404(query)
    return {**_shown(customer), "address": customer.address}


@customers.get("/by-phone/<digits>")
def by_phone(merchant: str, digits: str) -> list[dict[str, Any]]:
    query = select(Customer).where(of_tenant(Customer.phone, merchant).endswith(digits[-4:]))
    found: list[Customer] = find(db.session, query)
    return [_shown(customer) for customer in found]


def _shown(customer: Customer) -> dict[str, Any]:
    return {"id": str(customer.id), "name": customer.name, "phone": f"…{customer.phone[-4:]}"}

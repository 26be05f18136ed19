"""Searchable columns with the tenant whose tags are meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Mapped
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from fieldcrypt import key_text
from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.search.condition import search
from fieldcrypt_sqlalchemy.search.part import ColumnPart

__all__ = ["TenantColumn", "of_tenant"]


class TenantColumn:
    """A searchable column with the tenant whose tags are meant: what `of_tenant` returns, to be compared.

    It is compared as the column itself would be.
    """

    __slots__ = ("_column", "_tenant")

    def __init__(self, column: ColumnElement[Any], tenant: str) -> None:
        self._column, self._tenant = column, tenant

    @discreet
    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return self._column.is_(None) if other is None else self._search(operators.eq, other)

    @discreet
    def __ne__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return self._column.is_not(None) if other is None else self._search(operators.ne, other)

    __hash__ = None  # type: ignore[assignment]

    @discreet
    def __lt__(self, other: object) -> ColumnElement[bool]:
        return self._search(operators.lt, other)

    @discreet
    def __le__(self, other: object) -> ColumnElement[bool]:
        return self._search(operators.le, other)

    @discreet
    def __gt__(self, other: object) -> ColumnElement[bool]:
        return self._search(operators.gt, other)

    @discreet
    def __ge__(self, other: object) -> ColumnElement[bool]:
        return self._search(operators.ge, other)

    @discreet
    def in_(self, other: Iterable[Any]) -> ColumnElement[bool]:
        """Return the condition that the column has one of these values."""
        return self._search(operators.in_op, other)

    @discreet
    def not_in(self, other: Iterable[Any]) -> ColumnElement[bool]:
        """Return the condition that the column has a value that is none of these."""
        return self._search(operators.not_in_op, other)

    @discreet
    def between(self, low: Any, high: Any) -> ColumnElement[bool]:
        """Return the condition that the column has a value between these, or one of them."""
        return self._search(operators.between_op, low, high)

    @discreet
    def startswith(self, text: str) -> ColumnElement[bool]:
        """Return the condition that the column has a text that begins with this."""
        return self._search(operators.startswith_op, text)

    @discreet
    def endswith(self, text: str) -> ColumnElement[bool]:
        """Return the condition that the column has a text that ends with this."""
        return self._search(operators.endswith_op, text)

    def part(self, name: str) -> ColumnPart:
        """Return a part of the column, to be compared."""
        return ColumnPart(self._column, name, self._tenant)

    @discreet
    def equals(self, **values: Any) -> ColumnElement[bool]:
        """Return the condition that all attributes of a `CompoundIndex` have these values, of its companion column."""
        compound: Any = getattr(self._column.type, "compound", None)
        if compound is None:
            raise ProtectedColumnError("equals(…) is for the blind index column of a CompoundIndex")
        return compound.equals(self._column, values, self._tenant)  # type: ignore[no-any-return]

    @discreet
    def _search(self, op: Any, *operands: Any) -> ColumnElement[bool]:
        return search(self._column, op, operands, self._tenant)


def of_tenant(column: ColumnElement[Any] | Mapped[Any], tenant: Any) -> TenantColumn:
    """Return a searchable column with tags per tenant, to be compared: `of_tenant(Patient.email, "clinic-7") == value`.

    It finds no rows of other tenants.

    Args:
        column: the attribute or column; or the companion of a `CompoundIndex`.
        tenant: whose index keys to use: the value of the model's tenant attribute.

    Raises:
        ProtectedColumnError: the column has no tags per tenant.
        TypeError: the tenant's type is none that tenants have.
    """
    if isinstance(tenant, (ClauseElement, operators.ColumnOperators)):
        raise TypeError("of_tenant(column, tenant): name one tenant, as a value, and not by a column")
    of_attribute = getattr(column, "__clause_element__", None)
    element: Any = column if of_attribute is None else of_attribute()
    type_ = getattr(element, "type", None)
    compound = getattr(type_, "compound", None)
    indexes = getattr(type_, "indexes", ()) if compound is None else (compound.how,)
    if not any(index.per_tenant for index in indexes):
        raise ProtectedColumnError("of_tenant takes an encrypted column that is indexed with per_tenant=True")
    row_key = getattr(type_, "row_key", compound)
    return TenantColumn(element, key_text(tenant) if row_key is None else row_key.tenant_text(tenant))

"""Conditions on searchable columns, rewritten to their companion columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, ClauseElement, CollectionAggregate, ColumnElement

from fieldcrypt import FieldcryptError, key_text
from fieldcrypt.spi import located
from fieldcrypt_sqlalchemy.column.companion import Tag
from fieldcrypt_sqlalchemy.column.protected import direct
from fieldcrypt_sqlalchemy.column.tagger import Tagger
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error, parameterless_error
from fieldcrypt_sqlalchemy.internals.element import annotate_like

__all__ = ["SEARCHES", "Searched", "TenantColumn", "of_tenant", "search", "searched"]

SEARCHES = frozenset({operators.eq, operators.ne, operators.in_op, operators.not_in_op})
_NEGATIVE = frozenset({operators.ne, operators.not_in_op})
_ANNOTATIONS = ("parententity", "parentmapper", "entity_namespace", "orm_key")  # by which the ORM follows aliases


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Searched:
    """What a condition looks for: it stands in the statement for the tags, which are computed when that is executed."""

    column: Any
    tagger: Tagger
    values: tuple[Any, ...]
    tenant: str | None

    def __call__(self) -> list[Tag | None]:
        """Return the tags of the values."""
        try:
            return self.tagger.tags(self.values, self.tenant)
        except (TypeError, ValueError, FieldcryptError) as error:
            refused = parameterless_error(located(error, field=self.column.type.name, tenant=self.tenant))
        raise refused


class TruncatedMatch(BinaryExpression[bool]):
    """A condition that rows of other values meet, too: their tags begin alike. It compiles only for `find`."""

    inherit_cache = True

    searched: Searched

    def _negate(self) -> Any:
        raise _shared_tags_error(self.searched, "so that no rows can be left out by them: leave them out in Python")


@compiles(TruncatedMatch)
def _render_truncated(match: Any, compiler: Any, **kw: Any) -> str:
    raise _shared_tags_error(
        match.searched,
        "so that rows have to be compared after decryption: find(session, statement) does so, for conditions that are "
        "joined by AND",
    )


def _shared_tags_error(searched: Searched, why: str) -> ProtectedColumnError:
    return column_error(searched.tagger, f"has tags shorter than 16 bytes, which other values share, {why}")


class TenantColumn:
    """A searchable column with the tenant whose tags are meant: what `of_tenant` returns, to be compared."""

    __slots__ = ("_column", "_tenant")

    def __init__(self, column: ColumnElement[Any], tenant: str) -> None:
        self._column, self._tenant = column, tenant

    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return self._column.is_(None) if other is None else search(self._column, operators.eq, other, self._tenant)

    def __ne__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return self._column.is_not(None) if other is None else search(self._column, operators.ne, other, self._tenant)

    __hash__ = None  # type: ignore[assignment]

    def in_(self, other: Iterable[Any]) -> ColumnElement[bool]:
        """Return the condition that the column has one of these values."""
        return search(self._column, operators.in_op, other, self._tenant)

    def not_in(self, other: Iterable[Any]) -> ColumnElement[bool]:
        """Return the condition that the column has a value that is none of these."""
        return search(self._column, operators.not_in_op, other, self._tenant)


def of_tenant(column: ColumnElement[Any] | QueryableAttribute[Any], tenant: Any) -> TenantColumn:
    """Return a searchable column with tags per tenant, to be compared: `of_tenant(Patient.email, "clinic-7") == value`.

    It finds no rows of other tenants.

    Args:
        column: the attribute or column.
        tenant: whose index keys to use; what the model's tenant attribute has.

    Raises:
        ProtectedColumnError: the column has no tags per tenant.
        TypeError: the tenant is of no type that tenants have.
    """
    if isinstance(tenant, (ClauseElement, operators.ColumnOperators)):
        raise TypeError("of_tenant(column, tenant): name one tenant, as a value, and not by a column")
    element: Any = column.__clause_element__() if hasattr(column, "__clause_element__") else column
    index = getattr(getattr(element, "type", None), "index", None)
    if index is None or not index.per_tenant:
        raise ProtectedColumnError("of_tenant takes an encrypted column that is indexed with per_tenant=True")
    row_key = getattr(element.type, "row_key", None)
    return TenantColumn(element, key_text(tenant) if row_key is None else row_key.tenant_text(tenant))


def search(column: Any, op: Any, other: Any, tenant: str | None = None) -> ColumnElement[bool]:
    """Return the condition on the companion column that stands for one on a searchable column.

    The tags are computed when the statement is executed: as many for each value as there are live index keys. As ever
    in SQL, a NULL neither equals a value nor differs from one, nor does a value that the column's type makes NULL.

    Args:
        column: the searchable column, of a table, an alias or a subquery.
        op: one of `SEARCHES`.
        other: the value, or for IN the values.
        tenant: whose tags, if they are per tenant.

    Raises:
        ProtectedColumnError: the database cannot answer that.
        TypeError, ValueError: a value is not one of the column's.
    """
    described = column.type.described
    protected: Any = direct(column)
    if protected is None:
        raise ProtectedColumnError(
            f"{described} can be searched only as it is, not within an expression", field=column.type.name
        )
    tagger: Tagger = column.type.tagger
    if tagger.per_tenant and tenant is None:
        raise ProtectedColumnError(
            f"{described} has tags per tenant: name the tenant, of_tenant(column, tenant) == value",
            field=column.type.name,
        )
    values = _values(column.type, other, several=op in (operators.in_op, operators.not_in_op))
    for value in values:
        tagger.check(value)
    companion = _in_place_of(protected, tagger.companion(protected))
    searched = Searched(protected, tagger, values, tenant)
    tags: BindParameter[Any] = bindparam(None, callable_=searched, expanding=True, type_=companion.type, unique=True)
    condition: Any = companion.in_(tags)
    if tagger.truncated:
        condition.__class__ = TruncatedMatch
        condition.searched = searched
    return ~condition if op in _NEGATIVE else condition  # type: ignore[no-any-return]


def searched(element: Any) -> Searched | None:
    """Return what a condition looks for that a row meets by its tag; of any other element of a statement, None."""
    if isinstance(element, BinaryExpression) and element.operator is operators.in_op:
        source = getattr(element.right, "callable", None)
        if isinstance(source, Searched):
            return source
    return None


def _in_place_of(column: Any, companion: Any) -> Any:
    """Return the companion column as the ORM has to see it to do with it what it would do with the column."""
    return annotate_like(companion, column, _ANNOTATIONS)


def _values(type_: Any, other: Any, *, several: bool) -> tuple[Any, ...]:
    if isinstance(other, CollectionAggregate):
        raise column_error(
            type_, "cannot be compared with any_(…) or all_(…): use in_(…) or not_in(…), with plain values"
        )
    if isinstance(other, (ClauseElement, operators.ColumnOperators)) or hasattr(other, "__clause_element__"):
        raise column_error(
            type_,
            "can be compared with plain values only, whose tags are computed before the database "
            "has them: not with other columns, subqueries, parameters that are given later, or variables of a lambda",
        )
    if not several:
        return (other,)
    if isinstance(other, (str, bytes)) or not isinstance(other, Iterable):
        raise ProtectedColumnError(f"in_() on {type_.described} takes a list of plain values", field=type_.name)
    values = tuple(other)
    for value in values:
        if value is None:
            raise ProtectedColumnError(f"in_() on {type_.described} cannot take None: use is_(None)", field=type_.name)
        _values(type_, value, several=False)
    return values

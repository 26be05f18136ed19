"""Conditions on searchable columns, rewritten to their companion columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.elements import ColumnElement

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import AllEqual, Equal, PartIs, Question
from fieldcrypt_sqlalchemy.column.protected import direct
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.internals.element import annotate_like
from fieldcrypt_sqlalchemy.search.match import has_tags, match
from fieldcrypt_sqlalchemy.search.question import NEGATIVE, checked, plain_values, question
from fieldcrypt_sqlalchemy.search.searched import Searched, TagsOf

__all__ = ["search", "search_part", "search_together"]

_ANNOTATIONS = ("parententity", "parentmapper", "entity_namespace", "orm_key")  # by which the ORM follows aliases


def search(
    column: Any, op: Any, operands: tuple[Any, ...], tenant: str | None = None, **options: Any
) -> ColumnElement[bool]:
    """Return the condition on companion columns that stands for one on a searchable column.

    The tags are computed when the statement is executed: as many for each term as there are live index keys. As always
    in SQL, a NULL neither equals a value nor differs from one, nor does a value that the column's type makes NULL.

    Args:
        column: the searchable column, of a table, an alias or a subquery.
        op: one of `SEARCHES`.
        operands: the values on its right side, or for IN the list of them.
        tenant: whose tags, if they are per tenant.
        options: other keywords of the operator.

    Raises:
        ProtectedColumnError: the database cannot answer that, or no index of the column can.
        TypeError, ValueError: a value is not one of the column's.
    """
    asked, is_null = question(column.type.tagger, op, operands, options)
    condition: ColumnElement[bool] = _condition(_stored(column), column.type.tagger, asked, tenant, is_null=is_null)
    return ~condition if op in NEGATIVE else condition


def search_part(
    column: Any, part: str, other: Any, tenant: str | None, *, several: bool = False
) -> ColumnElement[bool]:
    """Return the condition that a part of the column's value is one of some values.

    Args:
        column, tenant: as for `search`.
        part: the name of the part, or of its index.
        other: the value, or a list of them.
        several: True if it is a list.

    Raises:
        As `search`.
    """
    tagger = column.type.tagger
    values = plain_values(tagger, other, several=several)
    if any(value is None for value in values):
        raise column_error(tagger, f"has no part that is None: compare the column, is_(None), and not its {part}")
    return _condition(_stored(column), tagger, PartIs(part, values), tenant)


def search_together(companion: Any, tagger: Any, values: dict[str, Any], tenant: str | None) -> ColumnElement[bool]:
    """Return the condition that each of several attributes has a value.

    Args:
        companion: the companion column of their index.
        tagger: of the index.
        values: by attribute.
        tenant: as for `search`.

    Raises:
        As `search`.
    """
    if values.keys() != set(tagger.members):
        named = ", ".join(f"{member}=…" for member in tagger.members)
        raise column_error(tagger, f"is compared by all that it is of: equals({named})")
    for value in values.values():
        plain_values(tagger, value, several=False)
    return _condition(companion, tagger, AllEqual(checked(tagger, tagger.converted, values)), tenant)


def _stored(column: Any) -> Any:
    protected = direct(column)
    if protected is None:
        raise column_error(column.type, "can be searched only as it is, not within an expression")
    return protected


def _condition(
    column: Any, tagger: Any, asked: Question, tenant: str | None, *, is_null: bool = False
) -> ColumnElement[bool]:
    try:
        answer = checked(tagger, tagger.indexes.search, asked)
    except ConfigurationError as error:
        refused = ProtectedColumnError(str(error), field=tagger.name)
    else:
        _check_tenant(tagger, answer, tenant)
        is_empty = isinstance(asked, (Equal, PartIs)) and not asked.values and not is_null
        searched = Searched(column, tagger, answer, tenant, is_null, is_empty)
        names = answer.companions or answer.how.companions[:1]
        is_companion = isinstance(asked, AllEqual)
        companions = {name: column if is_companion else tagger.companion(column, name) for name in names}
        each = [has_tags(_in_place_of(column, found), TagsOf(searched, name)) for name, found in companions.items()]
        return match(each, answer.is_exact)  # type: ignore[no-any-return]
    raise refused


def _check_tenant(tagger: Any, answer: Any, tenant: str | None) -> None:
    if answer.is_per_tenant and tenant is None:
        raise column_error(tagger, "has tags per tenant: name the tenant, of_tenant(column, tenant) == value")
    if tenant is not None and not answer.is_per_tenant:
        raise column_error(tagger, "has tags of all tenants for that: compare it without of_tenant(…)")


def _in_place_of(column: Any, companion: Any) -> Any:
    """Return the companion column in a form that the ORM treats as it would treat the column."""
    return annotate_like(companion, column, _ANNOTATIONS)

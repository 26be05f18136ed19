"""Searches that compare after decryption, because tags are shared by other values, or may have been copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

from sqlalchemy import Select, inspect
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList, Grouping

from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.internals.select import is_limited_or_grouped, where, with_where
from fieldcrypt_sqlalchemy.offload import check_session
from fieldcrypt_sqlalchemy.search.match import candidates, searched, searches
from fieldcrypt_sqlalchemy.search.order import Order, attribute_key
from fieldcrypt_sqlalchemy.search.searched import Searched

__all__ = ["find"]

T = TypeVar("T")

_MOST = 10_000  # rows, unless told otherwise


@overload
def find(
    session: Session | scoped_session[Any],
    statement: Select[tuple[T]],
    *,
    order_by: Any = None,
    key: Callable[[str], Any] | None = None,
    limit: int | None = None,
    most: int = _MOST,
) -> list[T]: ...


@overload  # with the types of SQLAlchemy 2.1
def find(
    session: Session | scoped_session[Any],
    statement: Select[T],
    *,
    order_by: Any = None,
    key: Callable[[str], Any] | None = None,
    limit: int | None = None,
    most: int = _MOST,
) -> list[T]: ...


@discreet
def find(
    session: Any,
    statement: Select[Any],
    *,
    order_by: Any = None,
    key: Callable[[str], Any] | None = None,
    limit: int | None = None,
    most: int = _MOST,
) -> list[Any]:
    """Return the objects that a SELECT of one model finds, if their decrypted values are those that it searches for.

        patients = find(session, select(Patient).where(Patient.phone == "+1 555 0100"))
        patients = find(session, select(Patient).where(Patient.ward == 7), order_by=[Patient.born.desc()])
        patients = await async_session.run_sync(find, statement)

    It leaves out rows that only have the tag of a value: because tags are shared, or because an attacker who can write
    to the table copied the tag, perhaps from another tenant's row. It cannot bring back rows whose tags were changed.
    It sorts decrypted values in Python, because the database cannot.

    Args:
        session: loads the objects, all candidates of the statement.
        statement: selects one model. Conditions on searchable columns are joined by AND, and rows are not limited,
            grouped or counted, for the database would do that to candidates.
        order_by: attributes of the model, or a list of them, each as it is or with `.desc()`. None comes last. Rows
            that are equal in all of them stay as the statement sorts them.
        key: what texts are sorted by, such as `str.casefold` or `locale.strxfrm`. Default: their code points.
        limit: how many objects to return at most.
        most: how many rows the database may return. With more an error is raised, and one more than this is all that is
            loaded. Rows of joined collections count.

    Raises:
        ProtectedColumnError: the statement is none of these, or has more candidates.
        TypeError: the session is not a Session.
        ValueError: a limit is not a number of rows.
    """
    check_session("find", session)
    _check_number("limit", 0 if limit is None else limit)
    _check_number("most", most)
    entity = _entity(statement)
    order = Order(entity, order_by, key)
    narrowed, comparisons = _narrowed(statement, entity)
    if is_limited_or_grouped(statement):
        if comparisons or order_by is not None or limit is not None:
            raise _limited_error()
        return list(session.scalars(narrowed).unique())
    found = _candidates(session, narrowed, most)
    return order.sort([row for row in found if all(each.holds(row) for each in comparisons)])[:limit]


def _candidates(session: Any, statement: Any, most: int) -> list[Any]:
    """Return the objects of a statement.

    Raises:
        ProtectedColumnError: it has more rows than that.
    """
    rows = 0

    def counted(found: Any) -> int:
        nonlocal rows
        rows += 1
        return id(found)

    candidates = list(session.scalars(statement.limit(most + 1)).unique(counted))
    if rows > most:
        raise ProtectedColumnError(
            f"find compares and sorts what it finds after decryption, and there are more than {most:,} rows: narrow "
            "the statement by more conditions, such as a narrower range or a longer beginning, or raise most="
        )
    return candidates


def _narrowed(statement: Any, entity: Any) -> tuple[Any, list[_Comparison]]:
    """Return the statement that finds candidates, and what is compared."""
    criteria, compared = [], {}
    for criterion in _conjuncts(where(statement)):
        search = searched(criterion)
        if search is not None:
            compared[search] = _Comparison(search, entity)
            criterion = candidates(criterion)
        criteria.append(criterion)
    narrowed = with_where(statement, criteria)
    for search in searches(narrowed):
        if search not in compared:
            raise column_error(
                search.tagger,
                "cannot be compared by find after decryption: join the conditions on it by AND, and select the model "
                "that it is of",
            )
    return narrowed, list(compared.values())


def _limited_error() -> ProtectedColumnError:
    return ProtectedColumnError(
        "find cannot take limit(), offset() or group_by(): the database would apply them before rows are decrypted, "
        "compared and sorted. Leave them out: there is find(…, limit=…), and slice or group the list that it returns"
    )


def _check_number(name: str, number: Any) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"{name}= is a number of rows")


def _entity(statement: Any) -> Any:
    """Return the model, or alias of one, that is selected."""
    selected: Any = statement.column_descriptions if isinstance(statement, Select) else ()
    entity = selected[0].get("entity") if len(selected) == 1 else None  # a function has none
    if entity is None or selected[0]["expr"] is not entity:
        raise ProtectedColumnError(
            "find takes a SELECT of one model, select(Model), whose objects are compared after decryption: not of "
            "columns, nor of several models"
        )
    return inspect(entity)


def _conjuncts(criteria: Any) -> Iterator[Any]:
    for criterion in criteria:
        if type(criterion) is Grouping:
            criterion = criterion.element
        if isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:
            yield from _conjuncts(criterion.clauses)
        else:
            yield criterion


class _Comparison:
    """A condition of the statement, on the decrypted attribute of a candidate, or on several."""

    def __init__(self, search: Searched, entity: Any) -> None:
        self._search = search
        key = attribute_key(entity, search.column)
        if key is None:
            raise column_error(
                search.tagger,
                "is no attribute of the model that is selected, and cannot be compared after "
                "decryption: select the model that it is of",
            )
        self._key = key

    def holds(self, row: Any) -> bool:
        """Return True if a candidate is what was searched for, and of the tenant that was named."""
        search, members = self._search, getattr(self._search.tagger, "members", None)
        value = getattr(row, self._key) if members is None else {member: getattr(row, member) for member in members}
        tells = getattr(search.column.type, "row_key", search.tagger)  # for several together, their index
        return search.matches(value) and (search.tenant is None or tells.tenant_of(row) == search.tenant)

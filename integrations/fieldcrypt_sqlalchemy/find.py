"""Searches that compare after decryption, because tags are shared by other values, or may have been copied."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, TypeVar, overload

from sqlalchemy import Select, inspect
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList

from fieldcrypt_sqlalchemy.column.search import Searched, searched
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.internals.element import clone, orm_notes
from fieldcrypt_sqlalchemy.internals.select import is_limited_or_grouped, where, with_where
from fieldcrypt_sqlalchemy.offload import check_session

__all__ = ["find"]

T = TypeVar("T")


@overload
def find(session: Session | scoped_session[Any], statement: Select[tuple[T]]) -> list[T]: ...


@overload  # with the types of SQLAlchemy 2.1
def find(session: Session | scoped_session[Any], statement: Select[T]) -> list[T]: ...


def find(session: Any, statement: Select[Any]) -> list[Any]:
    """Return the objects that a SELECT of one model finds, if their decrypted values are those that it searches for.

        patients = find(session, select(Patient).where(Patient.phone == "+1 555 0100"))
        patients = await async_session.run_sync(find, statement)

    It leaves out rows that only have the tag of a value: because tags shorter than 16 bytes are shared, or because
    an attacker who can write to the table copied the tag. It cannot bring back rows whose tags were changed.

    Args:
        session: loads the objects, all candidates of the statement.
        statement: selects one model. `==` and `in_` on searchable columns are joined by AND, and rows are not limited,
            grouped or counted, for the database would do that to candidates.

    Raises:
        ProtectedColumnError: the statement is another one.
        TypeError: the session is not a Session.
    """
    check_session("find", session)
    entity = _entity(statement)
    criteria, comparisons = [], {}
    for criterion in _conjuncts(where(statement)):
        search = searched(criterion)
        if search is not None:
            comparisons[search] = _Comparison(search, entity)
            criterion = _of_candidates(criterion)
        criteria.append(criterion)
    narrowed = with_where(statement, criteria)
    _check(narrowed, comparisons)
    candidates: Any = session.scalars(narrowed).unique()
    return [row for row in candidates if all(comparison.holds(row) for comparison in comparisons.values())]


def _check(statement: Any, compared: Container[Searched]) -> None:
    """Refuse a statement that searches for more than what is compared, or whose rows the database has to count."""
    searches = [search for search in map(searched, visitors.iterate(statement)) if search is not None]
    for search in searches:
        if search not in compared:
            raise ProtectedColumnError(
                f"find cannot compare {search.tagger.described} after decryption: join the conditions on it by AND, "
                "and select the model that it is of",
                field=search.tagger.name,
            )
    if searches and is_limited_or_grouped(statement):
        raise ProtectedColumnError(
            "find cannot take limit(), offset() or group_by(): the database would apply them before rows are decrypted "
            "and compared. Leave them out, and slice or group the list that find returns"
        )


def _entity(statement: Any) -> Any:
    """Return the model, or alias of one, that is selected."""
    selected: Any = statement.column_descriptions if isinstance(statement, Select) else ()
    if len(selected) != 1 or selected[0]["entity"] is None or selected[0]["expr"] is not selected[0]["entity"]:
        raise ProtectedColumnError(
            "find takes a SELECT of one model, select(Model), whose objects are compared after decryption: not of "
            "columns, nor of several models"
        )
    return inspect(selected[0]["entity"])


def _conjuncts(criteria: Any) -> Iterator[Any]:
    for criterion in criteria:
        if isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:
            yield from _conjuncts(criterion.clauses)
        else:
            yield criterion


def _of_candidates(match: Any) -> Any:
    """Return the condition in a form that compiles."""
    condition = clone(match)
    condition.__class__ = BinaryExpression
    return condition


class _Comparison:
    """A condition of the statement, on the decrypted attribute of a candidate."""

    def __init__(self, search: Searched, entity: Any) -> None:
        self._tagger, self._values = search.tagger, search.values
        notes = orm_notes(search.column)
        parent = notes.get("parententity")
        inherited = parent is not None and parent.is_mapper and entity.is_mapper and entity.isa(parent)
        if parent is not entity and not inherited:
            raise column_error(
                self._tagger,
                "is no attribute of the model that is selected, and cannot be compared after "
                "decryption: select the model that it is of",
            )
        self._key = notes["proxy_key"]

    def holds(self, row: Any) -> bool:
        """Return True if a candidate is what was searched for."""
        stored = getattr(row, self._key)
        return any(self._tagger.matches(stored, value) for value in self._values)

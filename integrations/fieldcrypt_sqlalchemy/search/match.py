"""Conditions on companions: exact ones, and ones that only `find` takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BindParameter, Boolean, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, Grouping, UnaryExpression

from fieldcrypt.spi import DEFAULT_TAG_SIZE, discreet
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.search.searched import Searched, TagsOf

__all__ = ["SHARES", "candidates", "has_tags", "match", "searched", "searches"]

# Two arrays have an element in common. The ORM also evaluates it on objects, when it synchronizes a session.
SHARES: Any = operators.custom_op(
    "&&", precedence=5, is_comparison=True, python_impl=lambda one, other: not set(one).isdisjoint(other)
)


class Match(Grouping[bool]):
    """A condition on one companion or several: a row that meets it is what was looked for."""

    inherit_cache = True

    operator = None  # else the element's would be taken for its own, and the element be joined to others without it

    def _negate(self) -> Any:
        condition: Any = self.self_group(against=operators.inv)
        return UnaryExpression(condition, operator=operators.inv, type_=Boolean())


class InexactMatch(Match):
    """A condition that rows with other values meet, too. It compiles only for `find`."""

    inherit_cache = True

    def _negate(self) -> Any:
        raise _inexact_error(searched(self), "so that no rows can be left out by them: leave them out in Python")


@compiles(InexactMatch)
@discreet(ours_alone=True)
def _render_inexact(match: Any, compiler: Any, **kw: Any) -> str:
    raise _inexact_error(
        searched(match),
        "so that rows have to be compared after decryption: find(session, statement) does so, for conditions that are "
        "joined by AND",
    )


def _inexact_error(search: Searched | None, why: str) -> ProtectedColumnError:
    if search is None:  # it was pickled, and knows only tags
        return ProtectedColumnError(f"a search has tags that other values share, {why}")
    short = search.search.how.tag_size < DEFAULT_TAG_SIZE
    what = "has tags shorter than 16 bytes, which other values share" if short else "has tags that other values share"
    return column_error(search.tagger, f"{what}, {why}")


class _TagsParameter(BindParameter[Any]):
    """The tags to look for. They are its `value` as well. SQLAlchemy takes nothing else of a parameter where it puts
    those of one statement into another that it has already: that of a loader option, or of a lambda.
    """

    inherit_cache = True

    @property
    def value(self) -> Any:
        return self.callable() if self.callable else self.__dict__["value"]

    @value.setter
    def value(self, value: Any) -> None:
        self.__dict__["value"] = value

    callable = None  # before `__init__` has set it

    def __repr__(self) -> str:
        return "<tags>"  # which would have to be computed


def has_tags(companion: Any, tags: TagsOf) -> BinaryExpression[bool]:
    """Return the condition that a companion holds one of the tags to look for."""
    is_array = companion.type.array
    parameter: Any = _TagsParameter(None, callable_=tags, expanding=not is_array, type_=companion.type, unique=True)
    condition: Any = companion.operate(SHARES, parameter) if is_array else companion.in_(parameter)
    return condition  # type: ignore[no-any-return]


def match(conditions: list[BinaryExpression[bool]], is_exact: bool) -> Any:
    """Return the condition that one of several is met."""
    if not is_exact:
        return InexactMatch(or_(*conditions))
    is_equality = len(conditions) == 1 and conditions[0].operator is operators.in_op
    return conditions[0] if is_equality else Match(or_(*conditions))


def candidates(condition: Any) -> Any:
    """Return a condition in a form that compiles, for callers that compare the rows it finds."""
    return condition.element if isinstance(condition, Match) else condition


def searched(element: Any) -> Searched | None:
    """Return what a condition looks for that a row meets by its tags; None for any other element of a statement."""
    while isinstance(element, Grouping):
        element = element.element
    if isinstance(element, BooleanClauseList) and element.operator is operators.or_:
        found = {searched(each) for each in element.clauses}
        return found.pop() if len(found) == 1 else None
    if isinstance(element, BinaryExpression) and element.operator in (operators.in_op, SHARES):
        source = getattr(element.right, "callable", None)
        if isinstance(source, TagsOf):
            return source.searched
    return None


def searches(element: Any) -> Iterator[Searched]:
    """Yield what a statement looks for, but not what it negates, which rows cannot be compared with."""
    found = searched(element)
    if found is not None:
        yield found
    elif not (isinstance(element, UnaryExpression) and element.operator is operators.inv and searched(element.element)):
        for child in element.get_children():
            yield from searches(child)

"""The operators that an encrypted column answers, and refuses."""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnClause, Null
from sqlalchemy.types import TypeDecorator

from fieldcrypt_sqlalchemy.column.protected import NullTest
from fieldcrypt_sqlalchemy.column.search import SEARCHES, search
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError

__all__ = ["Comparator"]

# With None on the other side these become IS NULL and IS NOT NULL, which the database can answer.
_NULL_TESTS = {
    operators.is_: operators.is_,
    operators.is_not: operators.is_not,
    operators.eq: operators.eq,
    operators.ne: operators.ne,
    operators.is_distinct_from: operators.is_not,
    operators.is_not_distinct_from: operators.is_,
}

_SPELT: dict[Any, str] = {
    operators.eq: "==",
    operators.ne: "!=",
    operators.lt: "<",
    operators.le: "<=",
    operators.gt: ">",
    operators.ge: ">=",
    operators.add: "+",
    operators.sub: "-",
    operators.mul: "*",
    operators.truediv: "/",
    operators.floordiv: "//",
    operators.mod: "%",
    operators.neg: "-",
    operators.inv: "NOT",
    operators.getitem: "[…]",
    operators.concat_op: "||",
    operators.in_op: "IN",
    operators.is_: "IS",
    operators.asc_op: "ORDER BY … ASC",
    operators.desc_op: "ORDER BY … DESC",
    operators.nulls_first_op: "ORDER BY … NULLS FIRST",
    operators.nulls_last_op: "ORDER BY … NULLS LAST",
}  # others by their names, which say it: LIKE, BETWEEN, DISTINCT


def _spelt(op: Any) -> str:
    """Return an operator as it is written. The text of one of `op()` is not shown: it may hold a value."""
    if isinstance(op, operators.custom_op):
        return "op(…)"
    return _SPELT.get(op) or op.__name__.removesuffix("_op").replace("_", " ").upper()


class Comparator(TypeDecorator.Comparator[Any]):
    """Lets through the tests for NULL, has the blind index answer others, and refuses what it cannot."""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        if op in _NULL_TESTS and len(other) == 1:
            if other[0] is None or isinstance(other[0], Null):
                test = super().operate(_NULL_TESTS[op], *other, **kwargs)
                test.__class__ = NullTest
                return test
            if isinstance(other[0], ColumnClause) and not other[0].is_literal:
                # So SQLAlchemy looks columns up in lists and dicts. As a condition it is refused where it is rendered.
                return super().operate(op, *other, **kwargs)
        if op in SEARCHES and self._type.index is not None:
            return search(self.expr, op, other[0])
        raise self._operator_error(op)

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        raise self._operator_error(op)

    @property
    def _type(self) -> Any:
        return self.expr.type  # an Encrypted; an unpickled comparator has not got it

    def _operator_error(self, op: Any) -> ProtectedColumnError:
        works = (
            "Only ==, !=, in_, not_in, is_(None) and is_not(None) work, by its blind index"
            if self._type.index is not None
            else "Only is_(None) and is_not(None) work; to search for equal values use a blind index"
        )
        return ProtectedColumnError(
            f"the database cannot apply {_spelt(op)} to {self._type.described}: it holds ciphertext, which differs "
            f"each time that a value is encrypted. {works}",
            field=self._type.name,
        )

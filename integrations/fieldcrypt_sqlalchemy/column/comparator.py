"""The operators that an encrypted column answers, and refuses."""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnClause, Null
from sqlalchemy.types import TypeDecorator

from fieldcrypt.spi import advice, discreet
from fieldcrypt_sqlalchemy.column.protected import NullTest
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.search.condition import search
from fieldcrypt_sqlalchemy.search.part import ColumnPart
from fieldcrypt_sqlalchemy.search.question import SEARCHES, example

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

_ORDERS = frozenset({operators.asc_op, operators.desc_op})  # for `find`; refused when they are rendered
_WITHOUT_CASE = frozenset({operators.istartswith_op, operators.iendswith_op})

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

    @discreet
    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        if op in _NULL_TESTS and len(other) == 1:
            if other[0] is None or isinstance(other[0], Null):
                test = super().operate(_NULL_TESTS[op], *other, **kwargs)
                test.__class__ = NullTest
                return test
            if isinstance(other[0], ColumnClause) and not other[0].is_literal:
                # So SQLAlchemy looks columns up in lists and dicts. As a condition it is refused where it is rendered.
                return super().operate(op, *other, **kwargs)
        if op in _ORDERS:
            return super().operate(op, *other, **kwargs)
        if op in SEARCHES and self._type.indexes:
            return search(self.expr, op, other, **kwargs)
        raise self._operator_error(op, other)

    @discreet
    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        raise self._operator_error(op)

    def part(self, name: str) -> ColumnPart:
        """Return a part of the column's value, to be compared: `Patient.ssn.part("ssn_last4") == "1120"`.

        Args:
            name: of the index, or of the part itself: "last 4", "domain".

        Raises:
            ProtectedColumnError: the column has no index.
        """
        if not self._type.indexes:
            raise ProtectedColumnError(
                f"{self._type.described} has no index of a part: declare it, index=IndexedBy(…, of=…)",
                field=self._type.name,
            )
        return ColumnPart(self.expr, name)

    @property
    def _type(self) -> Any:
        return self.expr.type  # an Encrypted; an unpickled comparator has not got it

    def _operator_error(self, op: Any, operands: tuple[Any, ...] = ()) -> ProtectedColumnError:
        if op in SEARCHES and operands:
            why = advice(example(op, operands))
            works = f"Only is_(None) and is_not(None) work. It has no blind index that answers {why}"
        elif not self._type.indexes:
            works = "Only is_(None) and is_not(None) work; to search for equal values use a blind index"
        elif op in _WITHOUT_CASE:
            works = 'Declare its index with normaliser="casefold", and use startswith(…) or endswith(…)'
        else:
            works = (
                "Only ==, !=, in_, not_in, is_(None) and is_not(None) work, by its blind index, and where it has an "
                "index for them startswith, endswith, between, <, <=, >, >= and part(…)"
            )
        return ProtectedColumnError(
            f"the database cannot apply {_spelt(op)} to {self._type.described}: it holds ciphertext, which differs "
            f"each time that a value is encrypted. {works}",
            field=self._type.name,
        )

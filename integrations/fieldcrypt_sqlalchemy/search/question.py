"""The question that an operator asks of the indexes of a searchable column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ClauseElement, CollectionAggregate

from fieldcrypt.spi import Between, EndsWith, Equal, Question, StartsWith, located
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error

__all__ = ["NEGATIVE", "SEARCHES", "checked", "example", "plain_values", "question"]

_IN = frozenset({operators.in_op, operators.not_in_op})
_EQUAL = frozenset({operators.eq, operators.ne, *_IN})
_OTHERS: dict[Any, Callable[..., Question]] = {
    operators.startswith_op: StartsWith,
    operators.endswith_op: EndsWith,
    operators.between_op: Between,
    operators.not_between_op: Between,
    operators.lt: lambda high: Between(None, high, with_high=False),
    operators.le: lambda high: Between(None, high),
    operators.gt: lambda low: Between(low, None, with_low=False),
    operators.ge: lambda low: Between(low, None),
}
SEARCHES = _EQUAL | _OTHERS.keys()
NEGATIVE = frozenset({operators.ne, operators.not_in_op, operators.not_between_op})


def question(tagger: Any, op: Any, operands: tuple[Any, ...], options: Mapping[str, Any]) -> tuple[Question, bool]:
    """Return the question that an operator asks, and whether one of its values is NULL to the column.

    Args:
        tagger: of the column.
        op: one of `SEARCHES`.
        operands: the value, or values, on its right side.
        options: its keywords.

    Raises:
        ProtectedColumnError: a value is not at hand, or an option cannot be honoured.
        TypeError, ValueError: a value is not one of the column's.
    """
    _refuse_options(tagger, op, options)
    if op in _EQUAL:
        values = checked(tagger, map, tagger.converted, plain_values(tagger, operands[0], several=op in _IN))
        known = tuple(value for value in values if value is not None)
        return Equal(known), len(known) < len(values)
    values = checked(tagger, map, tagger.converted, [_plain(tagger, operand) for operand in operands])
    if any(value is None for value in values):
        at_one_end = ", and for a range that is open at one end <= or >=" if len(values) > 1 else ""
        raise column_error(
            tagger, f"cannot be compared with None, or with what the column makes NULL: use is_(None){at_one_end}"
        )
    return _OTHERS[op](*values), False


def example(op: Any, operands: tuple[Any, ...]) -> Question:
    """Return a question of the kind that an operator asks, about nothing, for messages."""
    return Equal(()) if op in _EQUAL else _OTHERS[op](*("…" for _ in operands))


def checked(tagger: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; if it refuses, say that the column cannot be searched for that.

    Raises:
        TypeError, ValueError: it was refused. The message shows nothing of a value.
    """
    try:
        returned = function(*arguments)
        return tuple(returned) if isinstance(returned, map) else returned
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        refused = kind(f"{tagger.described} cannot be searched for that: {error}")
    raise located(refused, field=tagger.name)


def plain_values(tagger: Any, other: Any, *, several: bool) -> tuple[Any, ...]:
    """Return the values that a column is compared with.

    Args:
        tagger: of the column.
        other: what it is compared with.
        several: True for IN, which takes a list.

    Raises:
        ProtectedColumnError: they are not at hand.
    """
    if not several:
        return (_plain(tagger, other),)
    _plain(tagger, other)
    if isinstance(other, (str, bytes)) or not isinstance(other, Iterable):
        raise ProtectedColumnError(f"in_() on {tagger.described} takes a list of plain values", field=tagger.name)
    values = tuple(other)
    if any(value is None for value in values):
        raise ProtectedColumnError(f"in_() on {tagger.described} cannot take None: use is_(None)", field=tagger.name)
    return tuple(_plain(tagger, value) for value in values)


def _plain(tagger: Any, other: Any) -> Any:
    if isinstance(other, CollectionAggregate):
        raise column_error(
            tagger, "cannot be compared with any_(…) or all_(…): use in_(…) or not_in(…), with plain values"
        )
    if isinstance(other, (ClauseElement, operators.ColumnOperators)) or hasattr(other, "__clause_element__"):
        raise column_error(
            tagger,
            "can be compared with plain values only, because their tags are computed before the database "
            "has them: not with other columns, subqueries, parameters that are given later, or variables of a lambda",
        )
    return other


def _refuse_options(tagger: Any, op: Any, options: Mapping[str, Any]) -> None:
    if options.get("escape") is not None or options.get("autoescape"):
        raise column_error(
            tagger,
            "takes the text of startswith(…) and endswith(…) as it is: % and _ stand for themselves. Leave out "
            "autoescape= and escape=",
        )
    if options.get("symmetric"):
        raise column_error(tagger, "takes the lower bound of between(low, high) first: leave out symmetric=")

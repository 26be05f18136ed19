"""Executes an INSERT or UPDATE that may write protected values, with their tags and by the row rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Update
from sqlalchemy.orm.exc import StaleDataError

from fieldcrypt_sqlalchemy.internals.results import set_rowcount
from fieldcrypt_sqlalchemy.internals.wrapping import Options, Proceed, Rows
from fieldcrypt_sqlalchemy.internals.write import bulk_table
from fieldcrypt_sqlalchemy.row_rule.compound_writes import with_compounds
from fieldcrypt_sqlalchemy.row_rule.computed import with_computed
from fieldcrypt_sqlalchemy.row_rule.row_condition import RowCondition
from fieldcrypt_sqlalchemy.row_rule.row_rule import RowRule
from fieldcrypt_sqlalchemy.row_rule.tag_writes import searchable_columns, with_tags
from fieldcrypt_sqlalchemy.rows.compound_tag import CompoundTag

__all__ = ["PREPARED", "Write"]

PREPARED = "fieldcrypt_prepared"  # an execution option, without which such a statement is refused

Row = dict[str, Any]


class Write:
    """One execution of an INSERT or UPDATE.

    Args:
        proceed: what SQLAlchemy does to execute it.
        statement: not compiled yet.
        connection: what to execute it on.
        options: execution options.
    """

    def __init__(self, proceed: Proceed, statement: Any, connection: Connection, options: Options) -> None:
        self._proceed = proceed
        self._statement = statement
        self._connection = connection
        self._options = {**options, PREPARED: True}
        self._table = bulk_table(statement)
        # Of objects, or of mappings for a whole class; then it compares the number of rows with what it expects, where
        # the driver tells it of several at once.
        self._by_orm = "compiled_cache" in options or self._table is not statement.table
        self._one_by_one = self._by_orm and not connection.dialect.supports_sane_multi_rowcount

    def execute(self, rows: Rows) -> Any:
        """Execute the statement with rows of parameters, or none.

        Returns:
            What SQLAlchemy returns. Where one statement became several, for the last one, with the number of rows that
            all have met.
        """
        given = [dict(row) for row in rows] or [{}]
        searchable = searchable_columns(self._statement, self._table)
        self._statement = with_tags(self._statement, searchable, given)
        rule = RowRule(self._statement, self._table, self._connection)
        if rule.applies:
            rule.check(given)
            self._statement = with_computed(self._statement, self._table, given)
            self._statement, rests = with_compounds(self._statement, self._table, given)
            if isinstance(self._statement, Update):
                return self._update(rule, given, rests)
        return self._sent(self._statement, given)

    def _sent(self, statement: Any, rows: list[Row]) -> Any:
        return self._proceed(statement, self._connection, [] if rows == [{}] else rows, self._options)

    def _update(self, rule: RowRule, rows: list[Row], rests: list[list[CompoundTag]]) -> Any:
        """Execute an UPDATE of rows that depend on different conditions: as many statements as it takes."""
        result, met = None, 0
        for conditions, batch in self._batches(rule, rows, rests):
            result = self._sent(_conditional(self._statement, conditions, batch), batch)
            if len(rows) == 1:
                return result
            if self._one_by_one and conditions and result.rowcount == 0:
                raise StaleDataError(
                    f"UPDATE statement on table {self._table.description!r} expected to update 1 row(s); 0 were "
                    "matched: the row was deleted, moved to another key or tenant, or written by somebody else"
                )
            met += max(result.rowcount, 0)
        set_rowcount(result, met)
        return result

    def _batches(
        self, rule: RowRule, rows: list[Row], rests: list[list[CompoundTag]]
    ) -> Iterator[tuple[Sequence[RowCondition], list[Row]]]:
        """Yield rows that depend on the same, with that, in their order."""
        depending = [(rule.conditions(row, rest), row) for row, rest in zip(rows, rests, strict=True)]
        for _, group in groupby(enumerate(depending), key=self._shape):
            batch = [each for _, each in group]
            for conditions, row in batch if rows != [{}] else ():
                row.update({_name(at): each.value for at, each in enumerate(conditions) if each.value is not None})
            yield batch[0][0], [row for _, row in batch]

    def _shape(self, numbered: tuple[int, tuple[Sequence[RowCondition], Row]]) -> Any:
        number, (conditions, _) = numbered
        return number if self._one_by_one and conditions else [condition.shape for condition in conditions]


def _conditional(statement: Any, conditions: Sequence[RowCondition], rows: list[Row]) -> Any:
    if not conditions:
        return statement
    names = [_name(at) if rows[0] else None for at in range(len(conditions))]
    return statement.where(*(each.clause(name) for each, name in zip(conditions, names, strict=True)))


def _name(at: int) -> str:
    """Return the name of the parameter of a condition."""
    return f"fieldcrypt_row_{at}"

"""The row rule: what was committed can be read.

A statement that writes the key or the tenant of a row of a decorated model writes all its protected values, sealed for
that key and tenant. One that writes a protected value knows the key and tenant that the row has when it is written.
Anything else is refused before it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Update
from sqlalchemy.sql.elements import ClauseElement

from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.flush.moves import expected_row
from fieldcrypt_sqlalchemy.internals.write import multi_rows, prefixes
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.noted import binding_columns, compound_columns, row_keys_of
from fieldcrypt_sqlalchemy.row_rule.elsewhere import check_elsewhere
from fieldcrypt_sqlalchemy.row_rule.row_condition import RowCondition, conditions, members_at_rest
from fieldcrypt_sqlalchemy.row_rule.upsert_rule import check_upsert
from fieldcrypt_sqlalchemy.row_rule.written_row import Values, WrittenColumns
from fieldcrypt_sqlalchemy.rows.compound_tag import CompoundTag
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound
from fieldcrypt_sqlalchemy.rows.sealed import Sealed

__all__ = ["RowRule", "check_nested"]


def check_nested(statement: Any) -> None:
    """Refuse an INSERT or UPDATE within another statement that the rule is about, because its rows were not checked.

    Raises:
        ProtectedColumnError: it writes protected values of a decorated model, or what these are bound to.
    """
    table = statement.table
    columns = WrittenColumns(statement, table)
    inserted = {columns.key(name) for name, _ in columns.static} | {key for row in multi_rows(statement) for key in row}
    changed = columns.upserted | (inserted if isinstance(statement, Update) else set())
    bound = {column.key for column in table.c if isinstance(column.type, RowBound)}
    for column in columns.elsewhere:
        raise ProtectedColumnError(f"{column} is written by a statement of another table, within another one")
    compound = compound_columns(table)
    tags = {key for key in compound if isinstance(table.c[key].type, BlindIndexTag)}
    for key in (inserted & (bound | tags)) | (changed & (bound | binding_columns(table) | compound)):
        raise ProtectedColumnError(
            f"{table.name}.{key} is written by a statement within another one: protected values of a "
            "decorated model, and what they are bound to or indexed with, are written by a statement of their own"
        )


def _left_behind_error(column: Any, moved: str, row: BoundRow | None) -> ProtectedColumnError:
    """Return the error of a value that stays bound to the key that its row had."""
    bound = (
        f"{column.type.described} is bound to {moved!r}, which the statement writes without it. That would make it "
        "unreadable"
    )
    move = "change the object; or seal all protected values of the row for its new key, and set them too"
    if row is None:
        return ProtectedColumnError(f"{bound}. To write {moved!r}, {move}")
    return ProtectedColumnError(
        f"leave {moved!r} out of values() if the row keeps it: a sealed value brings it as a condition. {bound}. To "
        f"give the row another {moved!r}, {move}"
    )


class RowRule:
    """The rule for one statement.

    Args:
        statement: an INSERT or UPDATE.
        table: the table that it writes.
        connection: that it is executed on.
    """

    def __init__(self, statement: Any, table: Any, connection: Connection) -> None:
        self._statement = statement
        self._connection = connection
        self._table = table
        self._keys = row_keys_of(table)
        self._bound: dict[str, Any] = {column.key: column for column in table.c if isinstance(column.type, RowBound)}
        self._parts = binding_columns(table)
        self._columns = WrittenColumns(statement, table)
        self._part_keys: dict[Any, list[str | None]] = {}

    @property
    def applies(self) -> bool:
        """Whether keys, tenants or values of a decorated model may be written."""
        return bool(self._bound or self._parts or self._columns.elsewhere)

    def check(self, rows: list[dict[str, Any]]) -> None:
        """Refuse the statement if it breaks the rule.

        Args:
            rows: the rows of parameters that it is executed with, or one empty one.

        Raises:
            ProtectedColumnError: it does.
        """
        self._check_tables()
        protected = self._bound.keys() | self._parts
        is_update = isinstance(self._statement, Update)
        several = multi_rows(self._statement)
        written: list[Values] = [*several] or [self._columns.values(row) for row in rows]
        for values, parameters in zip(written, rows if not several else [{}] * len(several), strict=True):
            row = self._row(values)
            if not self._keys and (row is not None or (is_update and values.keys() & protected)):
                raise self._not_the_models_error()
            if is_update:
                self._check_update(values, row, parameters)
            elif row is not None and not self._is_placed(values, row):
                self._check_insert(values, row)
        if isinstance(self._statement, Insert):
            bound = list(self._bound.values())
            check_upsert(self._statement, self._columns, bound, self._keys, written, self._connection.dialect)

    def conditions(self, parameters: Values, rests: Sequence[CompoundTag]) -> tuple[RowCondition, ...]:
        """Return what an UPDATE of a row depends on, so that it meets no other row, nor one that has moved.

        Args:
            parameters: of the row.
            rests: the tags on whose members it depends as well.
        """
        values = self._columns.values(parameters)
        row = self._row(values) or next((rest.row for rest in rests), None)
        if row is None:
            return ()
        replaced: dict[Any, Sealed | None] = {}
        if row.left is not None:
            replaced = {column: value._origin.replaces for column, value in self._sealed(values) if value._origin}
        members = members_at_rest(rests, values.keys())
        return (*conditions(self._table, row, values.keys(), replaced), *members)

    def _sealed(self, values: Values) -> list[tuple[Any, Sealed]]:
        """Return the columns that get a sealed value, and the values."""
        return [
            (column, values[key])
            for key, column in self._bound.items()
            if key in values and values[key].__class__ is Sealed
        ]

    def _row(self, values: Values) -> BoundRow | None:
        """Return the row that the values are sealed for, or None if there are none.

        It runs for each row: what is wrong with one is looked for only if something is.
        """
        row: BoundRow | None = None
        origin: Any
        last: Any = Sealed  # none yet
        for key in self._bound:
            if key in values and (value := values[key]).__class__ is Sealed and (origin := value._origin) is not last:
                last = origin
                if origin is None or (row is not None and origin.row is not row):
                    self._check_origins(values)
                else:
                    row = origin.row
        return row

    def _check_origins(self, values: Values) -> None:
        """Refuse values that were not sealed here, or are for different rows."""
        row: BoundRow | None = None
        for column, value in self._sealed(values):
            if value._origin is None:
                raise column_error(
                    column.type,
                    "takes no value as it was selected, which may be another row's: open it, "
                    "and seal it for the row, seal(Model, {…})",
                )
            if row is not None and not row.is_same(value._origin.row):
                raise column_error(column.type, "and others are sealed for different rows")
            row = value._origin.row

    def _is_placed(self, values: Values, row: BoundRow) -> bool:
        """Return True if a row is inserted with the very objects that its values were sealed for: the usual case."""
        keys = self._part_keys.get(row.key)
        if keys is None:
            columns = row.key.columns_in(self._table)
            keys = self._part_keys[row.key] = [None if column is None else column.key for column in columns]
        for key, part in zip(keys, row.parts):  # noqa: B905 (there are as many; to say so takes time)
            if key is None or key not in values or values[key] is not part:
                return False
        return True

    @property
    def _described(self) -> str:
        return next(iter(self._bound.values())).type.described  # type: ignore[no-any-return]

    def _check_insert(self, values: Values, row: BoundRow) -> None:
        for index, column in enumerate(row.key.columns_in(self._table)):
            if column is not None and not self._is_part(row, index, values.get(column.key)):
                raise self._other_row_error(column, values)
        if not row.by_flush and any(column is None for column in row.key.columns_in(self._table)):
            check_elsewhere(self._connection, self._table, row)

    def _check_update(self, values: Values, row: BoundRow | None, parameters: Values) -> None:
        moved = [key for key in values if key in self._parts]
        if not moved:
            return
        whole = expected_row(self._connection, self._table, parameters, values)
        for key in self._bound if whole is None else whole.key.bound_in(self._table):
            if key not in values:
                raise _left_behind_error(self._bound[key], moved[0], row)
        for index, column in enumerate(row.key.columns_in(self._table)) if row is not None else ():
            if column is not None and column.key in values and not self._is_part(row, index, values[column.key]):
                raise self._other_row_error(column, values)
        for row_key in self._keys if whole is None else ():
            for column in row_key.bound_elsewhere(self._table):
                raise column_error(
                    column.type,
                    f"is in another table than {moved[0]!r}, to which it is bound. The "
                    "statement writes one table alone, which would make it unreadable: change the object",
                )

    def _check_tables(self) -> None:
        """Refuse to write what is bound, or what that is bound to, by way of another table than its model's own."""
        if not self._keys and self._columns.upserted & (self._bound.keys() | self._parts):
            raise self._not_the_models_error()
        for column in self._columns.elsewhere:
            raise ProtectedColumnError(
                f"{column} is written by a statement of another table: protected values, and what they are bound to, "
                "are written by statements of their own table"
            )
        if isinstance(self._statement, Insert) and any("replace" in each.lower() for each in prefixes(self._statement)):
            for key in self._keys:
                for column in key.bound_elsewhere(self._table):
                    raise column_error(
                        column.type, "is in another table than what REPLACE would write, and bound to it"
                    )

    def _not_the_models_error(self) -> ProtectedColumnError:
        return ProtectedColumnError(
            f"{self._table.description} is an alias or a copy of a decorated model's table: nobody can tell where the "
            "key of a row is. Use the model, or its __table__"
        )

    @staticmethod
    def _is_part(row: Any, index: int, value: Any) -> bool:
        return not isinstance(value, ClauseElement) and row.key.is_part(index, row.parts[index], value)

    def _other_row_error(self, column: Any, values: Values) -> ProtectedColumnError:
        described = ", ".join(each.type.described for each, _ in self._sealed(values))
        return ProtectedColumnError(
            f"{described}: sealed for another {column.key!r} than the statement writes. Seal the values for the row "
            "that they are written to, seal(Model, {…})"
        )

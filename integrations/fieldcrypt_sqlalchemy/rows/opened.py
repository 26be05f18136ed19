"""Selects columns of decorated models in plaintext, with the keys that are selected along with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.engine import result_tuple
from sqlalchemy.orm import Bundle, Session
from sqlalchemy.sql.selectable import SelectBase

from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.column.protected import inner
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.offload import check_session
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound
from fieldcrypt_sqlalchemy.rows.sealed import Sealed

__all__ = ["opened"]


@discreet
def opened(session: Session, statement: Any) -> Sequence[Row[Any]]:
    """Return the rows of a SELECT that lists columns, with the values of decorated models in plaintext.

        for id, clinic_id, ssn in opened(session, select(Patient.id, Patient.clinic_id, Patient.ssn)): ...

    Args:
        session: executes the statement; with an AsyncSession, `await session.run_sync(opened, statement)`.
        statement: a SELECT that lists protected columns, and with them the key and the tenant that they are bound to.

    Raises:
        ProtectedColumnError: it does not list the key, or the tenant, of a protected column; or it is not a SELECT of
            columns.
        TypeError: the session is not a Session.
        DecryptionError: a value is not of its row, or was changed.
        KeyProviderError, KeyStoreError: as for `Field.decrypt`.
    """
    check_session("opened", session)
    columns = _columns(statement)
    openers = {at: _opener(column, columns) for at, column in enumerate(columns) if isinstance(column.type, RowBound)}
    result = session.execute(statement)
    make = result_tuple(list(result.keys()))
    return [make([_open(openers.get(at), value, row) for at, value in enumerate(row)]) for row in result]


def _columns(statement: Any) -> list[Any]:
    """Return what a SELECT lists, if that is columns."""
    if not isinstance(statement, SelectBase) or any(map(_is_many, _described(statement))):
        raise ProtectedColumnError(
            "opened takes a SELECT of columns, select(Model.id, Model.attribute), not of models or Bundles. An object "
            "of a model opens its values itself; any other selected value opens with sealed.open(key, tenant=tenant)"
        )
    return [inner(column) for column in statement.selected_columns]


def _described(statement: Any) -> list[Any]:
    return statement.column_descriptions if isinstance(statement, Select) else []


def _is_many(selected: Mapping[str, Any]) -> bool:
    """Return True if what is selected comes back as one object, and not as a column of the row."""
    return isinstance(selected["expr"], Bundle) or selected["expr"] is selected.get("entity")


def _open(opener: Callable[[Sealed, Row[Any]], Any] | None, value: Any, row: Row[Any]) -> Any:
    return opener(value, row) if opener is not None and value.__class__ is Sealed else value


def _opener(column: Any, listed: Sequence[Any]) -> Callable[[Sealed, Row[Any]], Any]:
    """Return what opens the values of a column with the parts of their key, which stand elsewhere in the row."""
    key: RowKey = column.type.row_key
    indexes = [_index_of(key, name, column, listed) for name in key.names]

    def open_(sealed: Sealed, row: Row[Any]) -> Any:
        parts = [row[at] for at in indexes]
        tenant = parts.pop() if key.spec.tenant is not None else None
        return sealed.open(*parts, tenant=tenant)

    return open_


def _index_of(key: RowKey, name: str, column: Any, listed: Sequence[Any]) -> int:
    wanted = {hash(each) for each in key.columns_of(name)}
    tables = {hash(table) for table in key.mapper.tables}
    own = hash(getattr(column, "table", None))
    for at, each in enumerate(listed):
        table = hash(getattr(each, "table", None))
        if (table == own or {table, own} <= tables) and wanted & {hash(base) for base in each.base_columns}:
            return at
    raise column_error(column.type, f"is bound to {name!r}, which the statement does not list: add it")

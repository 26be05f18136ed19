"""Loads a value again that does not open because the object has another key, or tenant, than it was loaded with.

`refresh(object, ["tenant"])`, or a partial load that populates existing objects, brings the new tenant of a row that
has moved, beside values that were sealed for the old one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from fieldcrypt import DecryptionError
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.rows.sealed import Sealed
from fieldcrypt_sqlalchemy.rows.sealed_field import SealedField

__all__ = ["read_again"]


def read_again(
    state: Any, key: str, row: RowKey, field: SealedField, tenant: str | None, error: DecryptionError
) -> Any:
    """Return the value of an attribute, once it was loaded together with what it is bound to.

    Args:
        state: the object's.
        key: the attribute.
        row: tells the object's row.
        field: opens the attribute's values.
        tenant: whose value it was taken for.
        error: why the value that the object has does not open.

    Raises:
        DecryptionError: it does not open all the same; or the object belongs to no session, or was changed, so that it
            cannot be loaded.
    """
    names = {*row.binding_names, key}
    values = state.dict
    stored = values[key]._data
    if state.key is None or state.session is None or names & state.committed_state.keys():
        raise field.field.reported_error(error, stored, tenant)
    session = state.session
    try:
        with session.no_autoflush:
            session.refresh(state.obj(), sorted(names))
    except SQLAlchemyError:  # there is no such row any more, or this is no place to wait for the database
        raise field.field.reported_error(error, stored, tenant) from None
    again = values.get(key)
    return field.open(again, *row.place(state, values)) if again.__class__ is Sealed else again

"""Conditions by the form of what is stored, so that the database itself can tell what is protected and count it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import and_, not_, or_, true

from fieldcrypt.migration.engine.source import Which
from fieldcrypt_sqlalchemy.migration.column import MigratedColumn

__all__ = ["condition"]

At = Callable[[Any], Any]  # the column of a statement that a column of the model is


def condition(which: Which, columns: Sequence[MigratedColumn], at: At) -> Any:
    """Return what holds of rows of a kind.

    Args:
        which: the kind.
        columns: the protected ones.
        at: says which column stands for one of the model's.
    """
    if which is Which.ALL:
        return true()
    return or_(*(_of_column(which, each, at) for each in columns))


def _of_column(which: Which, migrated: MigratedColumn, at: At) -> Any:
    stored = at(migrated.column)
    if migrated.plain is None:
        ours = migrated.form.is_ours(stored)
        return ours if which is Which.FILLED else and_(stored.is_not(None), not_(ours))
    if which is Which.FILLED:
        return stored.is_not(None)
    plain = at(migrated.plain).is_not(None)
    empty = or_(stored.is_(None), not_(migrated.form.is_ours(stored)))
    return and_(plain, empty) if which is Which.DUE else plain

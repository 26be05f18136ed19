"""Checks mapped classes once all their attributes are known."""

from __future__ import annotations

import warnings
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.orm import Mapper

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.column.logical_name import logical_name
from fieldcrypt_sqlalchemy.column.type import is_searchable
from fieldcrypt_sqlalchemy.rows.plan import Plan, plan_of

__all__ = ["check_pairs", "warn_if_nothing_protected"]


def check_pairs(mapper: Mapper[Any], cls: Any) -> None:
    """Refuse a searchable attribute that lacks its blind index columns, or the tenant or row that its tags need.

    A class that reads the columns of another one, those of a view for example, may do without.

    Raises:
        ConfigurationError: the class has one.
    """
    plan = plan_of(mapper)
    column: Any
    for key, column in mapper.columns.items():
        if not is_searchable(column) or not _is_first(column, plan) or column.type.encryptor is None:
            continue
        tagger = column.type.tagger
        tagger.companions(column)
        if tagger.needs_row and (plan is None or plan.row is None):
            raise ConfigurationError(
                f"{cls.__name__}.{key} has tags that depend on the row, but nothing says which that is: "
                "@encrypted(…, row=…) on the class does"
            )
        if tagger.per_tenant and (plan is None or plan.row is None or plan.row.spec.tenant is None):
            raise ConfigurationError(
                f"{cls.__name__}.{key} has tags per tenant, but nothing says whose the row is: "
                "@encrypted(…, tenant=…) on the class does"
            )


def warn_if_nothing_protected(mapper: Mapper[Any], cls: Any) -> None:
    """Warn of a class that is decorated without effect: no class of its family has an encrypted column."""
    plan = plan_of(mapper)
    if plan is None or plan.row is None or plan.attributes:
        return
    family = (plan_of(each) for each in mapper.base_mapper.self_and_descendants)
    if not any(each is not None and each.attributes for each in family):
        warnings.warn(
            f"{cls.__name__} is decorated with @encrypted, but has no encrypted columns, so its values are stored as "
            "they are: declare them with mapped_column(Encrypted(…)), or take the decorator away",
            stacklevel=2,
        )


def _is_first(column: Any, plan: Plan | None) -> bool:
    """Return True if a column's field was declared with it, and not with a column that its type was taken from."""
    if not isinstance(column, Column) or not isinstance(column.table, Table):
        return False
    names = {f"{logical_name(column.table)}.{column.name}"}
    if plan is not None and plan.row is not None:
        names.add(plan.row.spec.field_name(column))
    type_: Any = column.type
    return type_.name in names

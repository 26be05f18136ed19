"""Warns of decorated classes without encrypted columns, which may be taken for protected."""

from __future__ import annotations

import warnings
from typing import Any

from sqlalchemy.orm import Mapper

from fieldcrypt_sqlalchemy.rows.plan import plan_of

__all__ = ["warn_if_nothing_protected"]


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

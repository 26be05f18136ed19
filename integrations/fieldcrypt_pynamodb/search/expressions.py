"""Which attributes a condition or an update is about, and which of them PynamoDB must not send as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, _Operand
from pynamodb.expressions.update import Action

from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.attribute.tables import table_of
from fieldcrypt_pynamodb.binding.plan import Plan

__all__ = ["protected_attributes", "paths", "plans", "root"]


def plans(model: Any) -> list[Plan]:
    """Return the plan of a decorated model, and those of the models whose items are in its table as well."""
    found = [model._fieldcrypt_plan()]
    for derived in model.__subclasses__():
        if table_of(derived) == found[0].table:
            found += plans(derived)
    return found


def protected_attributes(model: Any) -> dict[str, ProtectedAttribute[Any]]:
    """Return the protected attributes of a model's table, and those that hold tags, by their names in items."""
    found: dict[str, ProtectedAttribute[Any]] = {}
    for plan in plans(model):
        for attribute in plan.model.get_attributes().values():
            if isinstance(attribute, ProtectedAttribute):
                found[attribute.attr_name] = attribute
    return found


def paths(expression: Any) -> Iterator[Path]:
    """Yield all attributes, and places in attributes, that a condition, an update or an operand names."""
    if isinstance(expression, Path):
        yield expression
    elif isinstance(expression, (_Operand, Condition, Action)):
        for value in expression.values:
            yield from paths(value)


def root(path: Path) -> str:
    """Return the name of the attribute that a path leads into."""
    return path.path[0].partition("[")[0]

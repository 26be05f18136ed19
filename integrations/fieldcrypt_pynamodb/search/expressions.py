"""Which attributes a condition or an update is about, and which of them PynamoDB must not send as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, _Operand
from pynamodb.expressions.update import Action

from fieldcrypt_dynamodb.item.nested.met import Meaning
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.attribute.tables import table_of
from fieldcrypt_pynamodb.binding.plan import Plan
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["nested_error", "paths", "plans", "protected_attributes", "root"]


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


def nested_error(of: Sequence[Plan], path: Path) -> ProtectedAttributeError | None:
    """Return the error for a path to, into or around an encrypted attribute of a map; None if it leads to none."""
    for plan in of:
        if plan.nested is not None and root(path) in plan.nested.roots:
            met = plan.nested.met(path)
            if met.meaning is not Meaning.PLAIN:
                return plan.nested.refusal_error(met)
    return None


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

"""Conditions on protected attributes: those on searchable ones are rewritten to their companions, others refused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from pynamodb.constants import BINARY
from pynamodb.expressions.condition import And, Comparison, Condition, Exists, In, Not, NotExists, Or
from pynamodb.expressions.operand import Path

from fieldcrypt_dynamodb.expression.conditions import NO_TAG
from fieldcrypt_dynamodb.expression.limits import lists_of
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_pynamodb.attribute.companion import Tag
from fieldcrypt_pynamodb.attribute.pending import PendingOperand
from fieldcrypt_pynamodb.binding.plan import Plan
from fieldcrypt_pynamodb.binding.planned import PlannedAttribute
from fieldcrypt_pynamodb.binding.tagger import Tagger
from fieldcrypt_pynamodb.errors import ProtectedAttributeError
from fieldcrypt_pynamodb.search.expressions import nested_error, paths, plans, protected_attributes, root

__all__ = ["Search", "rewritten_condition", "rewritten_filter", "search_of"]


class Search:
    """What a condition looks for.

    Attributes:
        protected: the attribute.
        tagger: makes its tags.
    """

    def __init__(self, plan: Plan, protected: PlannedAttribute, plains: list[Any], tenant: str | None) -> None:
        if protected.tagger is None:
            raise protected.attribute._refusal_error()
        self.protected = protected
        self.tagger: Tagger = protected.tagger
        self._plan, self._plains, self._tenant = plan, plains, tenant

    def tags(self) -> list[Tag]:
        """Return all tags that a wanted item may have; none if there is no index key yet."""
        return self.tagger.tags(self._plains, self._tenant)

    def condition(self) -> Condition:
        """Return the condition on the companion."""
        found: Sequence[bytes] = self.tags() or [NO_TAG]
        path, values = Path([self.tagger.companion.attr_name]), [{BINARY: bytes(tag)} for tag in found]
        if len(values) == 1:
            return path == values[0]
        return reduce(or_, (path.is_in(*some) for some in lists_of(values)))

    def holds(self, instance: Any) -> bool:
        """Return True if an item that was found by its tag has the value, and is of the tenant, that was looked for.

        One whose value cannot be read, and is marked, may have it.
        """
        key = self.protected.key
        stored = instance.attribute_values.get(key)
        if stored is None or instance.get_attributes().get(key) is not self.protected.attribute:
            return False
        if self._tenant is not None and self._plan.item_key.tenant_of(instance) != self._tenant:
            return False
        if stored.__class__ is Unreadable:  # it may be what was looked for, as in DynamoDB's integration
            return True
        return any(self.tagger.matches(stored, plain) for plain in self._plains)


def rewritten_filter(condition: Condition | None, model: Any) -> tuple[Condition | None, list[Search]]:
    """Return a filter as it is sent, and what the items that it lets through are compared with after decryption.

    Raises:
        ProtectedAttributeError: DynamoDB cannot answer that.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tags`.
    """
    found: list[Search] = []
    return _rewritten(condition, model, found), found


def rewritten_condition(condition: Condition | None, model: Any) -> Condition | None:
    """Return a condition as it is sent where DynamoDB acts on it, so that nothing can be compared after decryption.

    Raises:
        As `rewritten_filter`; ProtectedAttributeError also if other values may have the tags.
    """
    return _rewritten(condition, model, None)


def _rewritten(condition: Condition | None, model: Any, found: list[Search] | None) -> Condition | None:
    if condition is None or not isinstance(condition, Condition):  # PynamoDB says what is wrong with it
        return condition
    return _Rewriting(model, found).rewrite(condition, compared=found is not None)


class _Rewriting:
    def __init__(self, model: Any, found: list[Search] | None) -> None:
        self._model = model
        self._found = found
        self._protected, self._plans = protected_attributes(model), plans(model)

    def rewrite(self, condition: Condition, *, compared: bool) -> Condition:
        if isinstance(condition, (And, Or, Not)):
            compared = compared and isinstance(condition, And)
            parts = [self.rewrite(part, compared=compared) for part in condition.values]
            return type(condition)(*parts)
        search = search_of(condition, self._model)
        if search is not None:
            if compared and self._found is not None:
                self._found.append(search)
            elif search.tagger.truncated:
                raise ProtectedAttributeError(
                    f"{search.protected.attribute._label} has tags shorter than 16 bytes, which other values share, "
                    "so that what is found has to be compared after decryption: that is done for filters of query and "
                    "scan that are joined by &, and not where DynamoDB counts, writes or negates",
                    field=search.protected.attribute.field_name,
                )
            return search.condition()
        for path in paths(condition):
            attribute, asks_presence = self._protected.get(root(path)), isinstance(condition, (Exists, NotExists))
            if attribute is not None and not (asks_presence and path.path == [root(path)]):
                raise attribute._refusal_error()
            nested = nested_error(self._plans, path)
            if nested is not None and not asks_presence:
                raise nested
        return condition


def search_of(condition: Any, model: Any) -> Search | None:
    """Return what a condition of a model looks for by a blind index; of any other condition, None."""
    if not isinstance(condition, (Comparison, In)) or condition.operator not in ("=", "IN"):
        return None
    path, *values = condition.values
    if not values or not isinstance(path, Path) or not all(isinstance(value, PendingOperand) for value in values):
        return None
    for plan in plans(model):
        protected = plan.planned(path.attribute)
        if protected is not None:
            tenant = values[0].tenant
            plains = [value.pending.plain for value in values]
            return Search(plan, protected, plains, None if tenant is None else plan.item_key.tenant_text(tenant))
    return None

"""Conditions on protected attributes: those on searchable ones are rewritten to their companions, others refused."""

from __future__ import annotations

from typing import Any

from pynamodb.constants import BINARY, BINARY_SET
from pynamodb.expressions.condition import And, Condition, Exists, Not, NotExists, Or
from pynamodb.expressions.operand import Path

from fieldcrypt.spi import DEFAULT_TAG_SIZE
from fieldcrypt_dynamodb.expression.conditions import NO_TAG
from fieldcrypt_dynamodb.expression.limits import check_growth, lists_of
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_pynamodb.attribute.companion import Companion
from fieldcrypt_pynamodb.attribute.pending import Asked
from fieldcrypt_pynamodb.binding.plan import Plan
from fieldcrypt_pynamodb.binding.tagger import Tagger
from fieldcrypt_pynamodb.errors import ProtectedAttributeError
from fieldcrypt_pynamodb.search.expressions import nested_error, paths, plans, protected_attributes, root

__all__ = ["Sought", "rewritten_condition", "rewritten_filter", "sought_by"]


class Sought:
    """What a condition looks for.

    Args:
        plan, tagger: of the model, and of what is searched.
        asked: the condition.
        companion: of the index that has to answer it, if not any may.

    Attributes:
        tagger: as given.
        is_exact: True if all items that have one of the tags are what is looked for.

    Raises:
        ProtectedAttributeError: no index answers it; it names no tenant, or one although tags are not per tenant.
    """

    def __init__(self, plan: Plan, tagger: Tagger, asked: Asked, companion: str | None = None) -> None:
        self._plan, self.tagger = plan, tagger
        self._search, self._matches = tagger.search(asked.question, companion)
        self.is_exact = self._search.is_exact
        self._tenant = None if asked.tenant is None else plan.item_key.tenant_text(asked.tenant)
        if self._search.is_per_tenant != (self._tenant is not None):
            wrong = "has tags per tenant: name the tenant, of_tenant(attribute, tenant)"
            if self._tenant is not None:
                wrong = f"is not searched for a tenant: {self._search.how.companion} has tags of all of them"
            raise ProtectedAttributeError(f"{tagger.label} {wrong}", field=tagger.field_name)

    @property
    def names(self) -> list[str]:
        """What of an item has to be read, so that it can be compared."""
        return [*self.tagger.names, *(companion.attr_name for companion in self._companions)]

    @property
    def _companions(self) -> list[Companion[Any]]:
        return [self.tagger.companions[key] for key in self._search.companions]

    def tags(self) -> list[tuple[str, bytes]]:
        """Return all tags that a wanted item may have, each after its companion; none without a key."""
        found = self._search.tags(self._tenant)
        return [(self.tagger.companions[key].attr_name, tag) for key in found for tag in found[key]]

    def condition(self) -> Condition:
        """Return the condition on the companions."""
        found = self._search.tags(self._tenant) or {self._search.how.companions[0]: [NO_TAG]}
        parts: list[Condition] = []
        for key, tags in found.items():
            companion = self.tagger.companions[key]
            path, values = Path([companion.attr_name]), [{BINARY: bytes(tag)} for tag in tags]
            if companion.attr_type == BINARY_SET:
                parts += map(path.contains, values)
            else:
                parts += [path == some[0] if len(some) == 1 else path.is_in(*some) for some in lists_of(values)]
        return parts[0] if len(parts) == 1 else _AnyOf(*parts)

    def holds(self, instance: Any) -> bool:
        """Return True if an item that was found by its tag has the value, and is of the tenant, that was looked for.

        One whose value cannot be read, and is marked, may have it.
        """
        plain = self.tagger.plain_of(instance)
        if plain is None:
            return False
        if self._tenant is not None and self._plan.item_key.tenant_of(instance) != self._tenant:
            return False
        if plain.__class__ is Unreadable:  # it may be what was looked for, as in DynamoDB's integration
            return True
        return self._matches(plain)

    def inexact_error(self, instead: str) -> ProtectedAttributeError:
        """Return the error for going by tags that other values may have as well.

        Args:
            instead: what can be done instead.
        """
        how = self._search.how
        why = (
            "has tags shorter than 16 bytes, which other values share"
            if how.tag_size < DEFAULT_TAG_SIZE
            else f"is asked what its index {how.index_name!r} answers with more items than those that are looked for"
        )
        return ProtectedAttributeError(
            f"{self.tagger.label} {why}, so that what is found has to be compared after decryption: {instead}",
            field=self.tagger.field_name,
        )


class _AnyOf(Condition):
    """Several conditions joined by OR, without parentheses around every two of them."""

    def __init__(self, *conditions: Condition) -> None:
        super().__init__("OR", *conditions)
        self.format_string = f"({' OR '.join(f'{{{at}}}' for at in range(len(conditions)))})"


def rewritten_filter(condition: Condition | None, model: Any) -> tuple[Condition | None, list[Sought]]:
    """Return a filter as it is sent, and what the items that it lets through are compared with after decryption.

    Raises:
        ProtectedAttributeError: DynamoDB cannot answer that.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tags`.
    """
    found: list[Sought] = []
    return _rewritten(condition, model, found), found


def rewritten_condition(condition: Condition | None, model: Any) -> Condition | None:
    """Return a condition as it is sent where DynamoDB acts on it, so that nothing can be compared after decryption.

    Raises:
        As `rewritten_filter`; ProtectedAttributeError also if other values may have the tags.
    """
    return _rewritten(condition, model, None)


def _rewritten(condition: Condition | None, model: Any, found: list[Sought] | None) -> Condition | None:
    if condition is None or not isinstance(condition, Condition):  # PynamoDB says what is wrong with it
        return condition
    rewriting = _Rewriting(model, found)
    rewritten = rewriting.rewrite(condition, compared=found is not None)
    if rewriting.asks:
        check_growth("ConditionExpression", "", {"ConditionExpression": rewritten.serialize({}, {})})
    return rewritten


class _Rewriting:
    def __init__(self, model: Any, found: list[Sought] | None) -> None:
        self._model = model
        self._found, self.asks = found, False
        self._protected, self._plans = protected_attributes(model), plans(model)

    def rewrite(self, condition: Condition, *, compared: bool) -> Condition:
        if isinstance(condition, (And, Or, Not)):
            compared = compared and isinstance(condition, And)
            parts = [self.rewrite(part, compared=compared) for part in condition.values]
            return type(condition)(*parts)
        if isinstance(condition, Asked):
            sought, self.asks = sought_by(condition, self._model), True
            if compared and self._found is not None:
                self._found.append(sought)
            elif not sought.is_exact:
                raise sought.inexact_error(
                    "that is done for filters of query and scan that are joined by &, and not where DynamoDB counts, "
                    "writes or negates"
                )
            return sought.condition()
        for path in paths(condition):
            attribute, asks_presence = self._protected.get(root(path)), isinstance(condition, (Exists, NotExists))
            if attribute is not None and not (asks_presence and path.path == [root(path)]):
                raise attribute._refusal_error()
            nested = nested_error(self._plans, path)
            if nested is not None and not asks_presence:
                raise nested
        return condition


def sought_by(asked: Asked, model: Any, companion: str | None = None) -> Sought:
    """Return what a condition of a model looks for by an index.

    Raises:
        ProtectedAttributeError: it is about no attribute of the model, or none that is searchable; as for `Sought`.
    """
    for plan in plans(model):
        tagger = plan.tagger_of(asked.attribute)
        if tagger is not None:
            return Sought(plan, tagger, asked, companion)
    raise asked.attribute._refusal_error()

"""The placeholders of a request: which are added, and whose values must not be sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.limits import check_growth
from fieldcrypt_dynamodb.expression.tokens import placeholders_in
from fieldcrypt_dynamodb.item.forms import Form

__all__ = ["EXPRESSIONS", "Placeholders"]

EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_NAMES, _VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"
_PREFIX = "fc"  # short, because expressions have 4 KB at most


class Placeholders:
    """`ExpressionAttributeNames` and `ExpressionAttributeValues` of one request, while its expressions are rewritten.

    Args:
        params: the request's parameters, whose expressions are texts.
        form: of the values that are given. Those that are added have DynamoDB's own.
    """

    def __init__(self, params: Mapping[str, Any], form: Form) -> None:
        self._form = form
        self.names: dict[str, str] = dict(params.get(_NAMES) or {})
        self.values: dict[str, Any] = dict(params.get(_VALUES) or {})
        self._given = {name: params[name] for name in EXPRESSIONS if name in params}
        self._given_values = frozenset(self.values)
        self._before = _placeholders(params) if self.names or self.values else set()
        self._taken: set[str] = set()

    def name(self, attribute: str) -> str:
        """Return a placeholder for an attribute."""
        return self._add("#", self.names, attribute)

    def value(self, value: Any) -> str:
        """Return a placeholder for a value that may be sent, in DynamoDB's own form."""
        return self._add(":", self.values, value)

    def _add(self, sign: str, known: dict[str, Any], content: Any) -> str:
        number = len(known)
        while f"{sign}{_PREFIX}{number}" in known:
            number += 1
        known[f"{sign}{_PREFIX}{number}"] = content
        return f"{sign}{_PREFIX}{number}"

    def take(self, placeholder: str) -> Any:
        """Return a value that was given for a protected attribute, and must not be sent as it is.

        Raises:
            ProtectedAttributeError: there is none.
        """
        if placeholder not in self._given_values:
            raise ProtectedAttributeError(f"{_VALUES} has no {placeholder}")
        self._taken.add(placeholder)
        return self.values[placeholder]

    def put_into(self, params: dict[str, Any]) -> None:
        """Set both parameters of a request as they are sent, with what its rewritten expressions refer to.

        Raises:
            ProtectedAttributeError: a value that was given for a protected attribute would be sent all the same, or an
            expression has become too large.
        """
        if not self.names and not self.values:
            return
        before, after = self._before, _placeholders(params)
        unused = self._given_values - before
        if unused:
            raise ProtectedAttributeError(
                f"no expression uses {', '.join(sorted(unused))}: DynamoDB refuses that, but has seen the value by then"
            )
        if self._taken & after:
            raise ProtectedAttributeError(
                f"{', '.join(sorted(self._taken & after))} is the value of a protected attribute, and of another "
                "one in plain: give them a placeholder each"
            )
        for name, given in self._given.items():
            check_growth(name, given, params)
        names = {key: name for key, name in self.names.items() if key in after or key not in before}
        values = {key: value for key, value in self.values.items() if key in after}
        values |= self._form.serialize_item({key: value for key, value in values.items() if key in self._given_values})
        for key, content in ((_NAMES, names), (_VALUES, values)):
            params.pop(key, None)
            if content:
                params[key] = content


def _placeholders(params: Mapping[str, Any]) -> set[str]:
    return {each for name in EXPRESSIONS if name in params for each in placeholders_in(params[name])}

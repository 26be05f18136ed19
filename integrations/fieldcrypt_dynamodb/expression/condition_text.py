"""Conditions of `boto3.dynamodb.conditions` as text, with placeholders that are not taken."""

from __future__ import annotations

import re
from typing import Any

from boto3.dynamodb.conditions import Attr, AttributeBase, ConditionBase, ConditionExpressionBuilder

__all__ = ["build_conditions", "ends_with"]

_KEY = "KeyConditionExpression"
_CONDITIONS = ("ConditionExpression", "FilterExpression", _KEY)


class _EndsWith(ConditionBase):
    expression_format = "{operator}({0}, {1})"
    expression_operator = "ends_with"


def ends_with(attribute: str | AttributeBase, text: str) -> ConditionBase:
    """Return the condition that a protected attribute ends with a text, for which it needs an index of `Suffixes`.

        table.scan(FilterExpression=ends_with("ssn", "1120") & Attr("ward").eq(5))

    In expressions that are texts it is called `ends_with(ssn, :end)`.

    Args:
        attribute: its name, or boto3's Attr or Key.
        text: the end.
    """
    return _EndsWith(attribute if isinstance(attribute, AttributeBase) else Attr(attribute), text)


def build_conditions(params: dict[str, Any], *, allowed: bool) -> None:
    """Replace the conditions in a request by texts: boto3's own, unless a placeholder is taken.

    Args:
        params: the request, which is changed.
        allowed: False for a client, which takes texts.

    Raises:
        TypeError: there is a condition, and it is not allowed.
    """
    builder = ConditionExpressionBuilder()  # one for all conditions, so that its placeholders differ
    for name in _CONDITIONS:
        if isinstance(params.get(name), ConditionBase):
            if not allowed:
                raise TypeError(f"a client takes {name} as text")
            _build(params, name, builder)


def _build(params: dict[str, Any], name: str, builder: ConditionExpressionBuilder) -> None:
    built = builder.build_expression(params[name], is_key_condition=name == _KEY)
    text, names, values = (
        built.condition_expression,
        built.attribute_name_placeholders,
        built.attribute_value_placeholders,
    )
    for sign, parameter, known in (
        ("#", "ExpressionAttributeNames", names),
        (":", "ExpressionAttributeValues", values),
    ):
        taken = dict(params.get(parameter) or {})
        for placeholder, content in known.items():
            new = placeholder
            if new in taken:
                new = f"{sign}{name[0].lower()}_{placeholder[1:]}"
                while new in taken:
                    new += "_"
                text = re.sub(rf"{re.escape(placeholder)}\b", new, text)
            taken[new] = content
        if taken:
            params[parameter] = taken
    params[name] = text

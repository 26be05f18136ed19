"""Conditions of `boto3.dynamodb.conditions` as text, with placeholders that are not taken."""

from __future__ import annotations

import re
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder

__all__ = ["build_conditions"]

_KEY = "KeyConditionExpression"
_CONDITIONS = ("ConditionExpression", "FilterExpression", _KEY)


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

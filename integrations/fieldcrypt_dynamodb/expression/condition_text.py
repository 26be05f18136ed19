"""Conditions of `boto3.dynamodb.conditions` as text, with placeholders that are not taken."""

from __future__ import annotations

import re
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder

__all__ = ["build_conditions"]

_KEY = "KeyConditionExpression"
_CONDITIONS = ("ConditionExpression", "FilterExpression", _KEY)


def build_conditions(params: dict[str, Any], *, allowed: bool) -> None:
    """Replace the conditions in a request by texts.

    Args:
        params: the request, which is changed.
        allowed: False for a client, which takes texts.

    Raises:
        TypeError: there is a condition, and it is not allowed.
    """
    for name in _CONDITIONS:
        if isinstance(params.get(name), ConditionBase):
            if not allowed:
                raise TypeError(f"a client takes {name} as text")
            _build(params, name)


def _build(params: dict[str, Any], name: str) -> None:
    """Turn a condition of boto3 into text, with placeholders that are not taken."""
    built = ConditionExpressionBuilder().build_expression(params[name], is_key_condition=name == _KEY)
    prefix = name[0].lower()
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
        for placeholder in sorted(known, key=len, reverse=True):
            new = f"{sign}{prefix}_{placeholder[1:]}"
            while new in taken:
                new += "_"
            text = re.sub(rf"{re.escape(placeholder)}\b", new, text)
            taken[new] = known[placeholder]
        if taken:
            params[parameter] = taken
    params[name] = text

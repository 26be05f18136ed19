"""Corrections of moto's DynamoDB where it differs from AWS."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any

from moto.dynamodb.responses import DynamoHandler

__all__ = ["correct_dynamodb"]

_WRITES = ("put_item", "update_item", "delete_item", "transact_write_items")


def correct_dynamodb() -> None:
    """Make conditional writes atomic: moto checks the condition, and writes while another thread may have written."""
    writing = Lock()
    for name in _WRITES:
        setattr(DynamoHandler, name, _one_at_a_time(getattr(DynamoHandler, name), writing))


def _one_at_a_time(write: Callable[..., Any], writing: Lock) -> Callable[..., Any]:
    @wraps(write)
    def one(*args: Any, **kwargs: Any) -> Any:
        with writing:
            return write(*args, **kwargs)

    return one

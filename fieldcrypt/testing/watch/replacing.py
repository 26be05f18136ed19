"""Methods of classes that are others for a while."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

__all__ = ["replace"]

_MISSING = object()


def replace(stack: ExitStack, owner: type, name: str, replacement: Any) -> None:
    """Put something in the place of a class's method until a stack is left; inherited ones are inherited again then."""
    before = vars(owner).get(name, _MISSING)
    setattr(owner, name, replacement)
    stack.callback(partial(delattr, owner, name) if before is _MISSING else partial(setattr, owner, name, before))

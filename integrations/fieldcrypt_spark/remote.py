"""What Python workers on the executors need, made there once."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from fieldcrypt import Field
from fieldcrypt.schemes import LegacyReader

__all__ = ["Remote"]

T = TypeVar("T", Field[Any], LegacyReader[Any])

_names: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()  # on the driver, of functions
_made: dict[str, Any] = {}  # on a worker, by name; a worker lives for one application


class Remote(Generic[T]):
    """A field or a reader that travels to the executors as its configuration, or as the function that makes it.

    All that travels of one function is one object again in a worker, however many tasks the worker runs: it is where
    live keys are kept.

    Args:
        source: a Field, whose Encryptor can be pickled; or a function without arguments, called in each worker.
    """

    def __init__(self, source: T | Callable[[], T]) -> None:
        self._source: Any = source
        self._name: str | None = None
        if callable(source):
            self._name = _names.setdefault(source, uuid.uuid4().hex)

    def get(self) -> T:
        """Return it, in this process."""
        if self._name is None:
            return cast(T, self._source)
        if self._name not in _made:
            _made[self._name] = self._source()
        return cast(T, _made[self._name])

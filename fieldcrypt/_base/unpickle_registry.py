"""The same object again for all pickles of one object."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, Protocol, TypeVar

from fieldcrypt import _system

__all__ = ["UnpickleRegistry"]

_IDENTITY_SIZE = 16
_MAX_KEPT = 64


class _Identified(Protocol):
    _identity: bytes | None


T = TypeVar("T", bound=_Identified)


class UnpickleRegistry(Generic[T]):
    """Objects that were pickled here, or came here in a pickle.

    The latter are kept: between two tasks of a process pool nothing else holds them, and what they have cached (keys,
    for an Encryptor) would have to be fetched again for every task.
    """

    def __init__(self) -> None:
        self._known: weakref.WeakValueDictionary[bytes, T] = weakref.WeakValueDictionary()
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def identity(self, original: T) -> bytes:
        """Return the identity that stands for an object in its pickles."""
        with self._lock:
            if original._identity is None:
                original._identity = _system.random_bytes(_IDENTITY_SIZE)
            self._known[original._identity] = original
            return original._identity

    def find(self, identity: bytes, make: Callable[[], T]) -> T:
        """Return the object of an identity, making it if it is not known."""
        with self._lock:
            original = self._known.get(identity)
            if original is None:
                original = self._known[identity] = self._kept[identity] = make()
                original._identity = identity
                while len(self._kept) > _MAX_KEPT:
                    self._kept.popitem(last=False)
            return original

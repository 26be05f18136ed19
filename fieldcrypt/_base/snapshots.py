"""Notice of a restore from a snapshot: AWS Lambda with SnapStart clones processes that have started."""

from __future__ import annotations

import weakref
from threading import Lock
from typing import Protocol

__all__ = ["forget_after_restore", "registered"]


class _Forgets(Protocol):
    def forget(self) -> None: ...


_lock = Lock()
_registered: weakref.WeakSet[_Forgets] = weakref.WeakSet()
_looked_for_hook = False


def forget_after_restore(one: _Forgets) -> None:
    """Call an object's `forget` after each restore of the process, for as long as the object lives."""
    global _looked_for_hook
    with _lock:
        _registered.add(one)
        if _looked_for_hook:
            return
        _looked_for_hook = True
    try:
        from snapshot_restore_py import register_after_restore  # which Lambda's runtime brings
    except ImportError:
        return
    register_after_restore(_restored)


def _restored() -> None:
    for one in registered():
        one.forget()


def registered() -> tuple[_Forgets, ...]:
    """Return all objects that a restore would have forget."""
    with _lock:
        return tuple(_registered)

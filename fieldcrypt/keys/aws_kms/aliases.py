"""Which keys the configured aliases point to, and have pointed to."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from fieldcrypt import _system
from fieldcrypt.keys.aws_kms.arn import KeyArn

__all__ = ["Aliases"]

_RESOLVE_INTERVAL = 60.0  # seconds; wraps under foreign keys must not become a DescribeKey call each


class Aliases:
    """Remembers every key that an alias has been seen to point to, so that a process reads on after it has moved.

    Args:
        describe: asks KMS which key an alias points to now, until the time given on the monotonic clock.
    """

    def __init__(self, describe: Callable[[KeyArn, float], KeyArn]) -> None:
        self._describe = describe
        self._keys: dict[KeyArn, list[KeyArn]] = {}  # the current one is last
        self._resolved: dict[KeyArn, float] = {}
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def note(self, alias: KeyArn, key: KeyArn) -> None:
        """Note that an alias points to a key now."""
        with self._lock:
            others = [other for other in self._keys.get(alias, ()) if other != key]
            self._keys[alias] = [*others, key]  # a new list, because readers take no lock
            self._resolved[alias] = _system.monotonic()

    def current(self, alias: KeyArn, end: float) -> KeyArn:
        """Return the key that an alias points to, as of a minute ago at most.

        Raises:
            KeyProviderError: KMS does not say.
        """
        if self._resolved.get(alias, float("-inf")) + _RESOLVE_INTERVAL <= _system.monotonic():
            self.note(alias, self._describe(alias, end))
        return self._keys[alias][-1]

    def meant(self, alias: KeyArn, key: KeyArn) -> bool:
        """Return True if an alias has been seen to point to a key."""
        return any(known.same_key(key) for known in self._keys.get(alias, ()))

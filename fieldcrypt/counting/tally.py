"""A count that costs the hot path one call of C, and loses nothing between threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count, islice
from typing import Protocol

from fieldcrypt.format.aead import InvalidTag

__all__ = ["PythonTally", "Tally", "counted"]


class Tally(Protocol):
    """How many values of a field and a tenant were encrypted, or decrypted."""

    @property
    def one(self) -> Callable[[], object]:
        """Counts one value."""
        ...

    def add(self, number: int, /) -> None:
        """Count so many."""
        ...

    def total(self) -> int:
        """Return how many there were. The caller holds a lock."""
        ...


class PythonTally:
    """A Tally of two counters of Python's, without a lock: of what was counted, and of what was taken back.

    Attributes:
        one: counts one value.
    """

    __slots__ = ("_counted", "_taken_back", "one")

    def __init__(self) -> None:
        self._counted, self._taken_back = count(), count()
        self.one: Callable[[], int] = self._counted.__next__

    def add(self, number: int, /) -> None:
        """Count so many; one is taken back by -1."""
        deque(islice(self._counted if number > 0 else self._taken_back, abs(number)), 0)

    def total(self) -> int:
        """Return how many there were. Looking moves both counters by one, so their difference stays."""
        return next(self._counted) - next(self._taken_back)


def counted(decrypt: Callable[..., bytes], tally: Tally) -> Callable[..., bytes]:
    """Return what does the same as AESGCM.decrypt, and counts each plaintext."""
    one = tally.one

    def decrypt_one(nonce: bytes, data: bytes, aad: bytes) -> bytes:
        try:
            plaintext = decrypt(nonce, data, aad)
        except ValueError:  # shorter than a nonce; one error for all that has no plaintext, so that callers can tell
            raise InvalidTag from None
        one()
        return plaintext

    return decrypt_one

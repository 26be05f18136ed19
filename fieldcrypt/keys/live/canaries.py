"""Canaries: values whose decryption is reported (SPEC section 15)."""

from __future__ import annotations

from fieldcrypt import _system
from fieldcrypt.keys.record.data_key import CANARY_SALTS

__all__ = ["Canaries"]


class Canaries:
    """Whether a process writes canaries now, and under which of the salts that each data key has for them."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: list[int] = []  # a list, because its operations need no lock, which a fork could find taken

    @property
    def number(self) -> int | None:
        """The number of the salt; None while ordinary values are written."""
        return next(iter(self._blocks), None)

    def begin(self) -> None:
        """Write canaries from now on, under a salt chosen at random, so that two plantings rarely share one."""
        self._blocks.append(_system.random_bytes(1)[0] % CANARY_SALTS)

    def end(self) -> None:
        """Undo one `begin`; with the last of them, write ordinary values again."""
        self._blocks.pop()

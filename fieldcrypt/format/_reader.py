"""Reading the parts of a byte string from front to back."""

from __future__ import annotations

__all__ = ["Reader"]


class Reader:
    """Takes parts of a byte string, and raises a ValueError when it is too short."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        end = self._position + size
        if end > len(self._data):
            raise ValueError("too short")
        part = self._data[self._position : end]
        self._position = end
        return part

    def number(self, size: int = 1) -> int:
        """Return the next bytes as an unsigned number."""
        return int.from_bytes(self.take(size), "big")

    def finish(self) -> None:
        """Raise a ValueError unless everything was read."""
        if self._position != len(self._data):
            raise ValueError("too long")

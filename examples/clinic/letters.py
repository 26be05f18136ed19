"""A dataclass: letters to patients, for any store of dictionaries."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from examples.clinic import encryptor
from fieldcrypt import ProtectedRecord


@dataclass(frozen=True)
class Letter:
    number: int
    clinic: str
    to: str
    text: str

    def __repr__(self) -> str:
        return f"Letter({self.number})"


LETTERS = ProtectedRecord("letters", encryptor, key="number", tenant="clinic", fields={"to": str, "text": str})


def stored(letter: Letter) -> dict[str, Any]:
    """Return what to store of a letter."""
    return LETTERS.encrypt(asdict(letter))


def opened(record: dict[str, Any]) -> Letter:
    """Return the letter that was stored."""
    return Letter(**LETTERS.decrypt(record))

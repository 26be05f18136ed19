"""What a checkpoint is about, so that one that was begun for something else is not gone on with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

__all__ = ["about"]

_SIZE = 16  # hexadecimal digits


def about(words: str, *declared: Iterable[str]) -> str:
    """Return words for people, the fields, and a digest of all that is declared.

    Args:
        declared: everything that decides what is written, and where: each a list of texts that are the same in every
            process. Not days until which something is accepted, which move.
    """
    digest = hashlib.sha256()
    for texts in declared:
        for text in texts:
            data = text.encode()
            digest.update(len(data).to_bytes(8) + data)
        digest.update(b"\xff" * 8)
    return f"{words} [{digest.hexdigest()[:_SIZE]}]"

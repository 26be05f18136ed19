"""The declaration that a checkpoint was begun for, so that it is not resumed for another one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

__all__ = ["about", "name_of"]

_SIZE = 16  # hexadecimal digits


def name_of(function: Any) -> str:
    """Return what identifies a function in every process: its name, and its code if others may have the same name."""
    if function is None or isinstance(function, str):
        return str(function)
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    code = getattr(function, "__code__", None)
    if "<" not in name or code is None:
        return name
    constants = [each for each in code.co_consts if not isinstance(each, type(code))]
    return f"{name} {code.co_code.hex()} {code.co_names} {constants}"


def about(words: str, *declared: Iterable[str]) -> str:
    """Return readable words and a digest of everything that is declared.

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

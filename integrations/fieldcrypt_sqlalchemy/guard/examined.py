"""The outcome of examining a compiled statement, noted on it, because SQLAlchemy caches compiled statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldcrypt_sqlalchemy.engine.binary_results import Types
from fieldcrypt_sqlalchemy.engine.prefetch import Columns

__all__ = ["EXAMINED", "Examined"]

EXAMINED = "fieldcrypt_examined"  # an attribute of what SQLAlchemy compiled


@dataclass(slots=True, eq=False)
class Examined:
    """What there is to do whenever a statement with protected columns is executed.

    Attributes:
        results: where encrypted columns are in its rows, and their types.
        written: a column that it writes to, for which it has to be prepared before it is compiled; or None.
        binary: the types of its result if that is to be fetched in binary, () if in text, None if not known yet.
    """

    results: Columns
    written: Any
    binary: Types | None = None

"""Prints the table of fieldcrypt/_unicode.py: which code points Unicode 14.0 assigns.

    python -m tests.support.unicode_table

Needs a Python whose tables are those of Unicode 14.0, as 3.11 is.
"""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from itertools import groupby

__all__ = ["VERSION", "assigned_runs"]

VERSION = "14.0.0"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def assigned_runs() -> str:
    """Return the lengths of runs of code points that this Python's Unicode assigns, and does not, in turn."""
    points = (unicodedata.category(chr(point)) != "Cn" for point in range(sys.maxunicode + 1))
    return " ".join(_base36(len(list(run))) for _, run in groupby(points))


def _base36(number: int) -> str:
    return _base36(number // 36).lstrip("0") + _DIGITS[number % 36] if number else "0"


if __name__ == "__main__":
    if unicodedata.unidata_version != VERSION:
        sys.exit(f"this Python has Unicode {unicodedata.unidata_version}, not {VERSION}")
    print(textwrap.fill(assigned_runs(), 118))

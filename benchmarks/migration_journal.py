"""What writers said while a backfill was killed beside them: which values are there for good, and which may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["Values", "read_journals"]

Values = dict[tuple[str, str], list[str]]  # by the key of the row or item, as text, and by name


def read_journals(journals: Sequence[Path]) -> tuple[Values, Values]:
    """Return the values that were acknowledged, in their order, and those whose answer a writer did not live to see."""
    acknowledged: Values = {}
    begun: Values = {}
    for journal in journals:
        last = None
        for line in journal.read_text(encoding="ascii").splitlines():
            state, key, name, value = line.split("\t")
            if state == "done":
                acknowledged.setdefault((key, name), []).append(value)
                last = None
            else:
                last = (key, name), value
        if last is not None:
            begun[last[0]] = [last[1]]
    return acknowledged, begun

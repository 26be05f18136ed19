"""How long the tags of a blind index should be."""

from __future__ import annotations

from typing import NamedTuple

from fieldcrypt.format._text import counted
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE

__all__ = ["TagPlan", "TagSize", "plan_tags"]


class TagSize(NamedTuple):
    """What to expect of tags of one size.

    Attributes:
        size: bytes of a tag.
        false_positives: rows that a search finds besides the matching ones, on average; each is fetched, decrypted and
            discarded.
        hidden_among: other values of the table that have the same tag as a value, on average.
    """

    size: int
    false_positives: float
    hidden_among: float


class TagPlan(NamedTuple):
    """What to expect of tags of each size; `str` makes a table of it.

    Attributes:
        rows, distinct: of the table.
        sizes: 1 to 16 bytes.
        recommended: the longest tags that hide each value among as many others as requested; None if even the shortest
            do not.
    """

    rows: int
    distinct: int
    sizes: tuple[TagSize, ...]
    recommended: int | None

    def __str__(self) -> str:
        lines = [
            f"{counted(self.rows, 'row')}, {counted(self.distinct, 'value')}",
            "bytes  false positives  hidden among",
        ]
        for size, false_positives, hidden_among in self.sizes:
            mark = "  recommended" if size == self.recommended else ""
            lines.append(f"{size:5}  {false_positives:15,.4g}  {hidden_among:12,.4g}{mark}")
        return "\n".join(lines)


def plan_tags(rows: int, distinct: int | None = None, *, hide_among: float = 0) -> TagPlan:
    """Return what tags of each size would cost, and what they would hide.

    Tags of n bytes are evenly spread over 256^n. So of the rows with other values, on average `rows * (1 - 1 /
    distinct)`, one in 256^n shares the tag, however often each value occurs. The same holds for the `distinct - 1`
    other values.

    Args:
        rows: how many there are, or will be, under one index key: of one tenant.
        distinct: how many different values they have. Default: each row has one of its own.
        hide_among: how many other values each value should share its tag with, on average. 0 hides nothing: equal tags
            mean equal values, and no search has false positives.

    Raises:
        ValueError: a number is out of range.
    """
    values = rows if distinct is None else distinct
    if not 1 <= values <= rows:
        raise ValueError("there is at least one row, and one value, and no more values than rows")
    if hide_among < 0:
        raise ValueError("hide_among cannot be negative")
    sizes = tuple(
        TagSize(size, rows * (1 - 1 / values) / 256**size, (values - 1) / 256**size)
        for size in range(1, DEFAULT_TAG_SIZE + 1)
    )
    enough = [each.size for each in sizes if each.hidden_among >= hide_among]
    return TagPlan(rows, values, sizes, max(enough, default=None))

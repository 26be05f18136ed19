"""Random samples of rows, and what they say about all rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """The number of random rows to check: if none is wrong, then with `confidence` fewer than `share` of all rows are.

    Attributes:
        confidence: between 0 and 1.
        share: between 0 and 1.

    Raises:
        ValueError: one of them is not between 0 and 1.
    """

    confidence: float = 0.99
    share: float = 0.001

    def __post_init__(self) -> None:
        if not (0 < self.confidence < 1 and 0 < self.share < 1):
            raise ValueError("confidence and share are between 0 and 1")

    @property
    def size(self) -> int:
        """The number of rows: the probability that so many miss a share of wrong rows is at most 1 - confidence."""
        return math.ceil(math.log(1 - self.confidence) / math.log(1 - self.share))

    def share_of(self, total: int) -> float | None:
        """Return the probability with which to examine each row, so that there are enough; None: examine all.

        Four standard deviations more than needed: by chance there are too few once in 30,000 samples.
        """
        wanted = self.size + 4 * math.sqrt(self.size)
        return wanted / total if wanted < total else None

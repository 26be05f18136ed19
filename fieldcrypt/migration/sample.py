"""Looking at some of the rows, and what that says about all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """So many random rows that, if none of them is wrong, with some confidence less than a share of all are.

    Attributes:
        confidence: that much, of 1.
        share: of all rows.

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
        """How many rows: the probability that so many miss a share of wrong ones is 1 - confidence at most."""
        return math.ceil(math.log(1 - self.confidence) / math.log(1 - self.share))

    def share_of(self, total: int) -> float | None:
        """Return with which probability each row is to be looked at, so that they are enough; None: look at all.

        Four standard deviations more than needed: chance gives fewer than enough once in 30,000 samples.
        """
        wanted = self.size + 4 * math.sqrt(self.size)
        return wanted / total if wanted < total else None

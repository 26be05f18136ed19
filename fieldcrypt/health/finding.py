"""The findings of `fieldcrypt doctor`."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

__all__ = ["Finding", "Verdict"]


class Verdict(enum.StrEnum):
    """How good a finding is."""

    OK = "ok"
    UNKNOWN = "unknown"  # this role may not check; there is no sign that anything is wrong
    WARNING = "warning"  # it works, but could be better, or will not work forever
    FAILED = "failed"


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        place: where: a region, or "key store".
        check: what was checked.
        verdict: the result.
        detail: the cause, in plain words.
        advice: what to do about it; empty if all is well.
        seconds: how long a call took, if that is what was measured.
    """

    place: str
    check: str
    verdict: Verdict
    detail: str = ""
    advice: str = ""
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding for a script."""
        return self._asdict() | {"verdict": self.verdict.value}

"""Ratios that must not be exceeded, and whether they are."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LIMITS", "Verdict", "judge", "read"]

LIMITS = Path(__file__).with_name("limits.toml")
ATTEMPTS = 3  # a busy machine makes a ratio look worse than it is, never three times in a row


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one limit.

    Attributes:
        benchmark, name: of the ratio.
        ratios: as it was measured, again and again while it was over the limit.
        limit: the most that is allowed.
    """

    benchmark: str
    name: str
    ratios: tuple[float, ...]
    limit: float

    @property
    def holds(self) -> bool:
        return min(self.ratios) <= self.limit


def read(path: Path = LIMITS) -> dict[str, dict[str, float]]:
    """Read limits: for each benchmark, ratio -> the most that is allowed.

    Raises:
        ValueError: something in the file is no table of positive numbers.
    """
    found: dict[str, dict[str, float]] = {}
    for benchmark, limits in tomllib.loads(path.read_text(encoding="utf-8")).items():
        if not isinstance(limits, dict):
            raise ValueError(  # noqa: TRY004 (of what a file says)
                f"{path}: {benchmark} is a limit outside of a benchmark's table"
            )
        for name, limit in limits.items():
            if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
                raise ValueError(f"{path}: the limit of {benchmark}, {name!r}, is no positive number")
        found[benchmark] = {name: float(limit) for name, limit in limits.items()}
    return found


def judge(benchmark: str, limits: Mapping[str, float], measure: Callable[[], Mapping[str, float]]) -> Iterator[Verdict]:
    """Measure until all limits hold, three times at most.

    Raises:
        LookupError: there is a limit of something that is not measured.
    """
    ratios: dict[str, list[float]] = {name: [] for name in limits}
    for _ in range(ATTEMPTS):
        found = measure()
        unknown = limits.keys() - found.keys()
        if unknown:
            raise LookupError(f"{benchmark} has limits of what it does not measure: {', '.join(sorted(unknown))}")
        for name, seen in ratios.items():
            seen.append(found[name])
        if all(min(seen) <= limits[name] for name, seen in ratios.items()):
            break
    for name, seen in ratios.items():
        yield Verdict(benchmark, name, tuple(seen), limits[name])

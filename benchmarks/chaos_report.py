"""What a chaos run saw, and whether that is what fieldcrypt promises."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.section import Table

__all__ = ["DENIED", "HEALTHY", "Operation", "Phase", "Report", "Row"]

HEALTHY = "healthy"
DENIED = "denied"  # by the key policy of the region
MAX_RATIO = 3.0  # the p99 while a region hangs, over that while all are healthy


@dataclass(slots=True)
class Phase:
    """A time in which one fault held, or none.

    Attributes:
        fault: its name, or HEALTHY.
        region: where; empty if all were healthy.
        seconds: how long, once it is over.
        timeouts: calls of KMS in that region that ran into the time-out.
    """

    fault: str = HEALTHY
    region: str = ""
    seconds: float = 0.0
    timeouts: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One encryption or decryption.

    Attributes:
        phases: in which it began and in which it ended, by number.
        seconds: how long it took.
        failure: the error it ended in, or empty.
        wrong: it returned another value than was written.
        refused: the region that decides for its application denied the key, so that it had to end in an error.
    """

    phases: tuple[int, int]
    seconds: float
    failure: str = ""
    wrong: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """All phases of one fault in one region.

    Attributes:
        paid: operations that took as long as the time-out or longer, because they ran into it or waited for a thread
            that did; left out of the p99 if the region hung.
        timeouts: calls of KMS that ran into it.
        allowed: how many may: one a thread when the fault begins, and one an application after each cool-down.
        refused: operations whose own region denied the key.
    """

    fault: str
    region: str
    operations: int
    failures: int
    p50: float
    p99: float
    longest: float
    paid: int
    timeouts: int
    allowed: int
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run.

    Attributes:
        asked: how many operations there had to be.
        rows: the healthy one first.
        wrong: values that were read and differed from what was written.
        failures: what operations failed with.
        applications: how many providers there were, each with an eye of its own on the regions.
        threads: how many threads there were in all.
    """

    asked: int
    rows: Sequence[Row]
    wrong: int
    failures: Sequence[str]
    applications: int
    threads: int

    @classmethod
    def of(
        cls,
        phases: Sequence[Phase],
        operations: Sequence[Operation],
        *,
        asked: int,
        timeout: float,
        cooldown: float,
        applications: int,
        threads: int,
    ) -> Report:
        """Sum up a run."""
        seconds: dict[tuple[str, str], list[float]] = {}
        refused = Counter[tuple[str, str]]()
        failures: dict[tuple[str, str], list[str]] = {}
        for operation in operations:
            first, last = operation.phases
            if operation.refused:  # by the denial, which may be over: threads that wait for one answer share it
                first = max(first - 1, 0)
                phase = max(phases[first : last + 1], key=lambda phase: phase.fault == DENIED)
            else:
                # One that a switch fell into counts for the fault, and rather for one that hangs.
                phase = max(phases[first : last + 1], key=lambda phase: (phase.fault == "hang", bool(phase.region)))
            seconds.setdefault((phase.region, phase.fault), []).append(operation.seconds)
            refused[phase.region, phase.fault] += operation.refused
            if operation.failure:
                failures.setdefault((phase.region, phase.fault), []).append(operation.failure)
        rows = []
        for (region, fault), times in sorted(seconds.items()):
            mine = [phase for phase in phases if (phase.region, phase.fault) == (region, fault)]
            counted = [time for time in times if time < timeout] if fault == "hang" else times
            rows.append(
                Row(
                    fault,
                    region,
                    operations=len(times),
                    failures=len(failures.get((region, fault), ())),
                    p50=_percentile(times, 50),
                    p99=_percentile(counted, 99),
                    longest=max(times),
                    paid=sum(time >= timeout for time in times),
                    timeouts=sum(phase.timeouts for phase in mine),
                    allowed=sum(threads + applications * int(phase.seconds / (timeout + cooldown)) for phase in mine),
                    refused=refused[region, fault],
                )
            )
        wrong = sum(operation.wrong for operation in operations)
        said = [
            f"{region or 'no region'}, {fault}: {text}" for (region, fault), texts in failures.items() for text in texts
        ]
        return cls(asked, rows, wrong, said, applications, threads)

    @property
    def operations(self) -> int:
        """How many there were, without those that were refused as they should."""
        return sum(row.operations for row in self.rows) - self.refused

    @property
    def refused(self) -> int:
        """How many were refused by their own region."""
        return sum(row.refused for row in self.rows)

    def ratio(self, row: Row) -> float:
        """A row's p99 over the healthy one."""
        healthy = next((row.p99 for row in self.rows if row.fault == HEALTHY), math.nan)
        return row.p99 / healthy

    def complaints(self) -> Iterator[str]:
        """Return what is not as promised, or nothing if all is well."""
        if self.failures:
            yield f"{len(self.failures):,} operations failed"
        if self.wrong:
            yield f"{self.wrong:,} values that were read were not what was written"
        if self.operations < self.asked:
            yield f"{self.operations:,} operations, {self.asked:,} were asked for"
        hanging = [row for row in self.rows if row.fault == "hang"]
        if not hanging:
            yield "no region hung"
        for row in hanging:
            where = f"while {row.region} hung"
            if not self.ratio(row) <= MAX_RATIO:  # nor not a number
                yield f"{where}, the p99 was {self.ratio(row):.1f} times that of healthy regions"
            if row.timeouts > row.allowed:
                yield f"{where}, {row.timeouts} calls ran into the time-out; {row.allowed} may"
            if row.paid > (most := row.allowed * self.threads // self.applications):
                yield f"{where}, {row.paid} operations were held up for the time-out; {most} may be"

    def table(self) -> Table:
        """Lay the rows out."""
        rows = []
        for row in self.rows:
            p50, p99, longest = (f"{time * 1000:,.0f}" for time in (row.p50, row.p99, row.longest))
            timeouts = f"{row.timeouts} of {row.allowed}" if row.fault == "hang" else str(row.timeouts)
            where = row.fault, row.region, f"{row.operations:,}"
            rows.append(
                (
                    *(*where, p50, p99, f"{self.ratio(row):.1f}", longest, timeouts),
                    *(str(row.paid), f"{row.refused:,}" if row.refused else "", str(row.failures)),
                )
            )
        figures = ("count", "p50 ms", "p99 ms", "x healthy", "max ms", "time-outs", "held up", "refused", "failed")
        return Table("Operations, by what was wrong where", ("fault", "region", *figures), tuple(rows), labels=2)

    def figures(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {**asdict(self), "complaints": list(self.complaints())}


def _percentile(times: Sequence[float], percent: int) -> float:
    ordered = sorted(times)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else math.nan

"""Findings as tables."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.kms.agreement import BOTH
from benchmarks.kms.contestants import CONTAINED, CONTESTANTS, ONE_CALL, STORED
from benchmarks.kms.findings import Findings
from benchmarks.kms.sample import Outcome
from benchmarks.kms.scenarios import FLEETS, ONE_KEY
from benchmarks.section import Table

__all__ = ["tables"]


def tables(found: Findings) -> tuple[Table, ...]:
    """Lay out what was found, in the order of a page."""
    return (
        _fleets(),
        _bill(found),
        _throttling(found),
        _waiting(found),
        _moments(found),
        _remedies(found),
        _again(found),
        _agreement(found),
    )


def _fleets() -> Table:
    return Table(
        title="The fleets",
        columns=("fleet", "processes", "regions", "tenants", "values a month", "values a process and second"),
        rows=tuple(
            (
                name,
                f"{fleet.processes:,}",
                f"{fleet.regions}",
                f"{fleet.tenants:,}",
                _number(fleet.values),
                _number(fleet.rate),
            )
            for name, fleet in FLEETS.items()
        ),
    )


def _rows(found: Findings) -> Iterator[tuple[str, str, Outcome]]:
    for name, outcomes in found.fleets.items():
        for number, contestant in enumerate(CONTESTANTS):
            yield ("" if number else name), contestant, outcomes[contestant]


def _bill(found: Findings) -> Table:
    rows = []
    for name, outcomes in found.fleets.items():
        for number, contestant in enumerate(CONTESTANTS):
            outcome = outcomes[contestant]
            share = outcome.calls / outcomes[ONE_CALL].calls
            rows.append(
                (
                    "" if number else name,
                    contestant,
                    _number(outcome.calls),
                    _number(outcome.by_region[0]),
                    f"{outcome.dollars:,.0f}",
                    f"{share:.2%}" if share < 0.1 else f"{share:.0%}",
                )
            )
    return Table(
        title="The bill of a month",
        columns=("fleet", "by", "calls", "of which in a region", "dollars", "of one call a value"),
        rows=tuple(rows),
        labels=2,
        note=f"At {found.tariff.price:.2f} dollars for 10,000 calls. Keys have a price of their own, a dollar a month "
        "for each and in each region.",
    )


def _throttling(found: Findings) -> Table:
    quota = found.tariff.quota
    rows = tuple(
        (
            name,
            contestant,
            _number(outcome.steady),
            _number(outcome.peak),
            _number(outcome.deployed),
            f"{max(outcome.peak, outcome.deployed) / quota:.1%}",
            f"{outcome.over * 1e6:,.0f}" if outcome.over > 1e-9 else "none",
        )
        for name, contestant, outcome in _rows(found)
    )
    return Table(
        title="Would KMS throttle it?",
        columns=(
            "fleet",
            "by",
            "calls a second",
            "busiest second of a day",
            "busiest second when all begin at once",
            "of the quota",
            "seconds over it, of a million",
        ),
        rows=rows,
        labels=2,
        note=f"In one region, whose quota is taken to be {quota:,.0f} calls a second for all that the account does: "
        "yours is in Service Quotas. The busiest second of a day is that of independent processes.",
    )


def _waiting(found: Findings) -> Table:
    rows = tuple(
        (
            name,
            contestant,
            f"{outcome.waiting:.2%}",
            f"{outcome.p99 * 1e3:,.0f}",
            f"{outcome.p999 * 1e3:,.0f}",
        )
        for name, contestant, outcome in _rows(found)
    )
    latency = found.latency
    return Table(
        title="How long reads wait for KMS",
        columns=("fleet", "by", "reads that wait", "p99, ms", "p99.9, ms"),
        rows=rows,
        labels=2,
        note=f"Calls take {latency.p50 * 1e3:.0f} ms (median) and {latency.p99 * 1e3:.0f} ms (p99), which is assumed.",
    )


def _moments(found: Findings) -> Table:
    quota = found.tariff.quota
    return Table(
        title=f"One data key for {ONE_KEY.processes:,} processes in one region",
        columns=("moment", "calls in the busiest second", "of the quota"),
        rows=tuple((moment.name, _number(moment.busiest), f"{moment.busiest / quota:.1%}") for moment in found.moments),
        note="fieldcrypt with a key store, and processes that use the key several times a second.",
    )


def _remedies(found: Findings) -> Table:
    return Table(
        title="What helps the largest fleet with a key store",
        columns=("how", "calls a month", "dollars", "p99 of reads, ms"),
        rows=tuple(
            (name, _number(outcome.calls), f"{outcome.dollars:,.0f}", f"{outcome.p99 * 1e3:,.0f}")
            for name, outcome in found.remedies.items()
        ),
    )


def _again(found: Findings) -> Table:
    return Table(
        title="The same with other processes, more of them, and other chance",
        columns=("fleet", "calls a month", "of another sample", "ratio"),
        rows=tuple(
            (
                name,
                _number(found.fleets[name][STORED].calls),
                _number(other.calls),
                f"{other.calls / found.fleets[name][STORED].calls:.2f}",
            )
            for name, other in found.again.items()
        ),
        note="fieldcrypt with a key store.",
    )


def _agreement(found: Findings) -> Table:
    forms = {"stored": STORED, "contained": CONTAINED, BOTH: "both"}
    return Table(
        title="Simulated and real: 3 processes, 2 regions, 8 tenants, real clocks, KMS over HTTP",
        columns=("by", "operation", "real", "simulated", "ratio"),
        rows=tuple(
            (forms[one.form], one.operation, f"{one.real:,}", f"{one.simulated:,.0f}", f"{one.ratio:.2f}")
            for one in found.agreement
        ),
        labels=2,
        note="Real processes with AwsKmsKeyProvider, keys that live for 2 seconds and rotate after 3; KMS is moto. "
        "Simulated is the mean of five runs, in which KMS and key store take as long as they did.",
    )


def _number(value: float) -> str:
    """Write a number with three digits that count, as far as it has a fraction."""
    if value >= 1e6:
        power = len(f"{value:.0f}") - 1
        power -= power % 3
        return f"{value / 10**power:.3g} {({6: 'million', 9: 'billion'}).get(power, f'x 10^{power}')}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"

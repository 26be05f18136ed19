"""Findings as tables, charts and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.kms.agreement import ALL, BOTH, TOLERANCE
from benchmarks.kms.contestants import CONTAINED, CONTESTANTS, ONE_CALL, STORED
from benchmarks.kms.findings import Findings
from benchmarks.kms.sample import Outcome
from benchmarks.kms.scenarios import FLEETS, ONE_KEY
from benchmarks.section import Chart, Section, Series, Table

__all__ = ["section"]

TITLE = "KMS calls and money"
_GROWING = 1.6  # times as many calls for ten times as many values, at the most, once every data key is in use

MEANING = (
    "What a fleet asks of KMS in a month, what that costs, and whether KMS would throttle it. Time is simulated, and "
    "the keyrings are the genuine ones: one for each process of a sample, asked whenever that can make a difference, "
    "over a key service that counts. All other processes do alike and are scaled up.",
    "Every process writes and reads values of all tenants at random times, four reads to a write. Tenants are used by "
    "Zipf's law. Nine of ten reads want a value of the last day or so, the tenth any value of a year; in one fleet all "
    "want one of the last minutes. Every process is replaced once a day, all of them in the same second. Data keys "
    "live for 15 minutes in memory and rotate after 90 days.",
    "With a key store, calls grow with processes and with the tenants that each of them meets within cache_ttl, and "
    "values hardly matter once these are all in use. Without one, and with a cache in the manner of "
    "aws-encryption-sdk, every process writes under data keys of its own, and every reader has to have each of them "
    "decrypted: among many processes a cache saves little.",
    "AWS publishes no latencies: those of a call are an assumption, and so p99 shows whether reads wait rather than "
    "for how long.",
)


def section(found: Findings) -> Section:
    """Lay out what was found."""
    return Section(
        name="kms",
        title=TITLE,
        meaning=MEANING,
        tables=tuple(
            table(found) for table in (_fleets, _bill, _throttling, _waiting, _moments, _remedies, _again, _agreement)
        ),
        charts=(_shares(found), *_growth(found)),
        figures=_figures(found),
        ratios=_ratios(found),
        complaints=tuple(_complaints(found)),
    )


def _fleets(found: Findings) -> Table:
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


def _shares(found: Findings) -> Chart:
    return Chart(
        title="With a key store, KMS is asked for a fraction of the values",
        kind="bars",
        series=tuple(
            Series(
                contestant,
                tuple(
                    (name, 100 * outcomes[contestant].calls / outcomes[ONE_CALL].calls)
                    for name, outcomes in found.fleets.items()
                ),
            )
            for contestant in CONTESTANTS
        ),
        y="calls of KMS for 100 values",
    )


def _growth(found: Findings) -> Iterator[Chart]:
    for axis, curves in found.growth.items():
        yield Chart(
            title=f"How the bill grows with {axis.partition(',')[0].removesuffix(' a month')}",
            kind="lines",
            series=tuple(
                Series(contestant, tuple((x, outcome.dollars) for x, outcome in curve.items()))
                for contestant, curve in curves.items()
            ),
            x=axis,
            y="dollars a month for calls of KMS",
            log_x=True,
            log_y=True,
        )


def _ratios(found: Findings) -> dict[str, float]:
    largest = found.fleets["the largest"]
    return {
        "key store over one call a value, the largest fleet": largest[STORED].calls / largest[ONE_CALL].calls,
        **{f"simulated over real calls, {one.form}": one.ratio for one in found.agreement if one.operation == ALL},
        **({"calls for ten times as many values": growth} if (growth := _with_values(found)) else {}),
    }


def _with_values(found: Findings) -> float | None:
    """Return how many times as many calls the last tenfold of values takes, if it was looked at."""
    curve = found.growth["values a month"][STORED]
    return curve[10**11].calls / curve[10**10].calls if 10**10 in curve else None


def _complaints(found: Findings) -> Iterator[str]:
    for one in found.agreement:
        if one.operation == ALL and not one.agrees:
            yield (
                f"{one.form}: {one.simulated:,.0f} calls were simulated and {one.real:,} were made; they may differ by "
                f"{TOLERANCE:.0%}"
            )
    for name, other in found.again.items():
        ratio = other.calls / found.fleets[name][STORED].calls
        if abs(ratio - 1) > 2 * TOLERANCE:
            yield f"{name}: two samples of one fleet differ by {abs(ratio - 1):.0%}"
    growth = _with_values(found)
    if growth is not None and growth > _GROWING:
        yield f"ten times as many values take {growth:.1f} times as many calls"


def _figures(found: Findings) -> dict[str, Any]:
    def outcomes(of: Mapping[Any, Outcome]) -> dict[str, Any]:
        return {str(name): asdict(outcome) for name, outcome in of.items()}

    return {
        "tariff": asdict(found.tariff),
        "latency": asdict(found.latency),
        "fleets": {name: outcomes(of) for name, of in found.fleets.items()},
        "again": outcomes(found.again),
        "remedies": outcomes(found.remedies),
        "growth": {
            axis: {name: outcomes(curve) for name, curve in curves.items()} for axis, curves in found.growth.items()
        },
        "moments": {moment.name: moment.busiest for moment in found.moments},
        "agreement": [{**asdict(one), "ratio": one.ratio} for one in found.agreement],
    }


def _number(value: float) -> str:
    """Write a number with three digits that count, as far as it has a fraction."""
    if value >= 1e6:
        power = len(f"{value:.0f}") - 1
        power -= power % 3
        return f"{value / 10**power:.3g} {({6: 'million', 9: 'billion'}).get(power, f'x 10^{power}')}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"

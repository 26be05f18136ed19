"""Findings as charts and words, and what is not as promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.kms.agreement import ALL, TOLERANCE
from benchmarks.kms.contestants import CONTESTANTS, ONE_CALL, STORED
from benchmarks.kms.findings import Findings
from benchmarks.kms.sample import Outcome
from benchmarks.kms.tables import tables
from benchmarks.section import Chart, Section, Series

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
        tables=tables(found),
        charts=(_shares(found), *_growth(found)),
        figures=_figures(found),
        ratios=_ratios(found),
        complaints=tuple(_complaints(found)),
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

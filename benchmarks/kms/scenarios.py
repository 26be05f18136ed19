"""The fleets that are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from benchmarks.kms.fleet import Fleet
from fieldcrypt import KeyPolicy

__all__ = ["AXES", "BASE", "FLEETS", "LARGEST", "ONE_KEY", "REMEDIES", "Axis", "Remedy"]

LARGEST = Fleet(processes=10_000, values=1e11, regions=4, tenants=1_000)
FLEETS: Mapping[str, Fleet] = {
    "a service": Fleet(processes=10, values=1e8, tenants=10),
    "a product": Fleet(processes=100, values=1e9, regions=2, tenants=100),
    "a product that reads what is new": Fleet(
        processes=100, values=1e9, regions=2, tenants=100, recent=1.0, recent_age=300.0
    ),
    "a platform": Fleet(processes=1_000, values=1e10, regions=3, tenants=1_000),
    "the largest": LARGEST,
    "the largest, without tenants": replace(LARGEST, tenants=1),
}

# Where one data key is all there is, and every process wants it.
ONE_KEY = Fleet(processes=10_000, values=1e11)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What can be done about many calls.

    Attributes:
        name: of it, for a table.
        fleet: what the fleet becomes by it.
        parts: how many such fleets there are side by side.
    """

    name: str
    fleet: Fleet
    parts: int = 1


def _cached(fleet: Fleet, **cache_ttl: float) -> Fleet:
    return replace(fleet, policy=KeyPolicy(cache_ttl=timedelta(**cache_ttl)))


def _routed(fleet: Fleet, parts: int) -> Fleet:
    """Return one of the parts of a fleet each of which serves tenants of its own."""
    return replace(
        fleet, processes=fleet.processes // parts, values=fleet.values / parts, tenants=fleet.tenants // parts
    )


REMEDIES = (
    Remedy("as it is: cache_ttl of 15 minutes", LARGEST),
    Remedy("cache_ttl of an hour", _cached(LARGEST, hours=1)),
    Remedy("cache_ttl of four hours", _cached(LARGEST, hours=4)),
    Remedy("each tenant served by a tenth of the processes", _routed(LARGEST, 10), 10),
    Remedy("both: a tenth, and an hour", _cached(_routed(LARGEST, 10), hours=1), 10),
    Remedy("without tenants", replace(LARGEST, tenants=1)),
)


@dataclass(frozen=True, slots=True)
class Axis:
    """What grows while all else stays as it is.

    Attributes:
        name: of what grows.
        fleets: by how much there is of it.
    """

    name: str
    fleets: Mapping[int, Fleet]


BASE = FLEETS["a product"]
AXES = (
    Axis("values a month", {10**power: replace(BASE, values=float(10**power)) for power in (6, 7, 8, 9, 10, 11)}),
    Axis("processes", {10**power: replace(BASE, processes=10**power, regions=1) for power in range(5)}),
    Axis("tenants", {10**power: replace(BASE, tenants=10**power) for power in range(6)}),
    Axis(
        "regions, each with 50 processes and 5·10⁸ values a month",
        {n: replace(BASE, regions=n, processes=50 * n, values=5e8 * n) for n in (1, 2, 4, 8)},
    ),
)

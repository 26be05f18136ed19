"""Who is compared, on the same fleet, and how much of it is simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.kms.contained import simulate_contained
from benchmarks.kms.fleet import Fleet
from benchmarks.kms.sample import Outcome, Sample
from benchmarks.kms.sdk_cache import simulate_sdk
from benchmarks.kms.service import Latency, Tariff
from benchmarks.kms.stored import simulate_stored

__all__ = ["CONTAINED", "CONTESTANTS", "ONE_CALL", "SDK", "STORED", "Effort", "outcome"]

STORED: Final = "fieldcrypt, key store"
CONTAINED: Final = "fieldcrypt, self-contained"
SDK: Final = "a cache like aws-encryption-sdk's"
ONE_CALL: Final = "one call a value"
CONTESTANTS = (STORED, CONTAINED, SDK, ONE_CALL)

# Of the calls that are simulated. The model of the SDK's cache is quicker than a keyring; without a key store, what is
# read differs from value to value.
_FACTORS: Final = {STORED: 1, CONTAINED: 2, SDK: 8}
# How long a fleet is watched, in times of `cache_ttl`: two in which it settles, then a whole number of terms. Keys that
# are in use all the time are asked for at the end of each, all of them since the start: fractions would be wrong.
_TERM: Final = 0.825  # of a key in fieldcrypt, on average; the SDK's cache knows no check ahead of time
_WATCHED: Final = {STORED: 2 + 3 * _TERM, CONTAINED: 2 + 3 * _TERM, SDK: 2 + 2}
_STARTING: Final = 10.0  # seconds in which a start is watched


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated of each fleet.

    Attributes:
        asks: about how many calls of KMS.
        seed: of all that is random.
        starting: whether to look more closely at how a fleet starts; where only the bill counts, that is not needed.
    """

    asks: int
    seed: int = 1
    starting: bool = True


def outcome(contestant: str, fleet: Fleet, effort: Effort, tariff: Tariff, latency: Latency) -> Outcome:
    """Describe the load that a fleet of this contestant's processes puts on KMS."""
    if contestant == ONE_CALL:
        return Outcome.of_one_call_a_value(fleet, tariff, latency)
    asks = effort.asks * _FACTORS[contestant]
    window = _WATCHED[contestant] * fleet.ttl
    long = _simulate(contestant, fleet, latency, asks, window, effort.seed)
    start = _simulate(contestant, fleet, latency, asks // 2, _STARTING, effort.seed) if effort.starting else long
    return Outcome.of(long, start, tariff)


def _simulate(contestant: str, fleet: Fleet, latency: Latency, asks: int, window: float, seed: int) -> Sample:
    """Simulate as many processes as take about so many calls of KMS, or one that takes more."""
    uses = fleet.rate * window
    if contestant == STORED:
        # A data key is asked for about so often, a tenant not more often than it is used.
        most = fleet.data_keys / fleet.tenants * (1 + window / fleet.ttl)
        expected = sum(min(uses * share, most) for share in fleet.popularity)
        return simulate_stored(
            fleet,
            latency,
            processes=_processes(fleet, asks / expected),
            window=window,
            seed=seed,
            one_in=max(1.0, expected / asks) if window > fleet.ttl else 1.0,
            asks=asks,
        )
    simulate: Callable[..., Sample] = simulate_contained if contestant == CONTAINED else simulate_sdk
    return simulate(fleet, latency, processes=_processes(fleet, asks / uses), window=window, seed=seed, asks=asks)


def _processes(fleet: Fleet, wanted: float) -> int:
    """Return how many processes to simulate: as many in each region, if there are enough."""
    number = max(1, min(int(wanted), fleet.processes, 64))
    return number - number % fleet.regions if number > fleet.regions else number

"""KMS as it is simulated: it counts its calls, and says how long each would have taken."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.kms.virtual_time import VirtualTime
from fieldcrypt import DecryptionError, KeyProvider, WrappedKey

__all__ = ["Call", "Kms", "Latency", "Tariff"]

_Z99 = 2.3263  # standard deviations up to the 99th percentile


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a call of KMS takes: lognormal, with these percentiles in seconds.

    AWS publishes no latencies. The defaults are what is assumed here for a call within the region over a connection
    that is open; users report 50 ms for whole operations with one or two calls (aws-encryption-sdk-python, issue 5).
    """

    p50: float = 0.010
    p99: float = 0.060

    def draw(self, rng: random.Random) -> float:
        """Draw the seconds of a call."""
        return rng.lognormvariate(math.log(self.p50), math.log(self.p99 / self.p50) / _Z99)

    def percentile(self, z: float) -> float:
        """Return the seconds that lie `z` standard deviations above the median's logarithm."""
        return self.p50 * math.exp(math.log(self.p99 / self.p50) * z / _Z99)


@dataclass(frozen=True, slots=True)
class Tariff:
    """What KMS asks for its calls and how many it bears.

    Attributes:
        price: dollars for 10,000 calls with a symmetric key (https://aws.amazon.com/kms/pricing/). Keys have a price
            of their own, and 20,000 calls a month are free: both are left out.
        quota: calls in a second, per account and region, of all its applications together. The default of AWS
            differs by region, was raised several times (from 5,500, 10,000 and 30,000; 50,000 where it was most in
            2021) and can be raised on request: what counts is in Service Quotas of the account
            (https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html).
    """

    price: float = 0.03
    quota: float = 10_000.0


class Call(NamedTuple):
    """A request.

    Attributes:
        time: when, in seconds since the simulation began.
        region: number of the region.
        operation: of KMS.
        seconds: how long it takes.
        tenant: whose data key it is about.
        waits: "read" or "write" for whom it holds up, or nothing if it is made ahead of time.
    """

    time: float
    region: int
    operation: str
    seconds: float
    tenant: int
    waits: str


class Kms:
    """The key service of all regions, with one multi-Region key.

    Attributes:
        calls: in their order.
        using: what is being done for which a call would be made: "read" or "write".
    """

    def __init__(self, time: VirtualTime, latency: Latency, rng: random.Random) -> None:
        self.calls: list[Call] = []
        self.using = ""
        self._time = time
        self._latency = latency
        self._rng = rng
        self._wrapped: dict[bytes, tuple[bytes, dict[str, str]]] = {}

    def note(self, region: int, operation: str, tenant: int) -> None:
        """Count a call, and take the time that it takes."""
        seconds = self._latency.draw(self._rng)
        waits = "" if self._time.in_background else self.using
        self.calls.append(Call(self._time.elapsed, region, operation, seconds, tenant, waits))
        self._time.wait(seconds)

    def keep(self, data_key: bytes, context: Mapping[str, str]) -> WrappedKey:
        """Wrap a data key without counting that."""
        token = self._rng.randbytes(16)
        self._wrapped[token] = data_key, dict(context)
        return WrappedKey("simulated", token)

    def open(self, wrap: WrappedKey, context: Mapping[str, str]) -> bytes:
        """Unwrap a data key without counting that."""
        data_key, bound = self._wrapped[wrap.data]
        if bound != context:
            raise DecryptionError
        return data_key

    def at(self, region: int) -> KeyProvider:
        """Return the key provider of the processes in a region."""
        return _Regional(self, region)


class _Regional(KeyProvider):
    def __init__(self, kms: Kms, region: int) -> None:
        self._kms = kms
        self._region = region

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        self._kms.note(self._region, "Encrypt", int(context["fieldcrypt:tenant"]))
        return [self._kms.keep(data_key, context)]

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        self._kms.note(self._region, "Decrypt", int(context["fieldcrypt:tenant"]))
        return self._kms.open(wraps[0], context)

    def wrapping_keys(self) -> Sequence[str]:
        return ["simulated"]

"""Time that passes from event to event, for the genuine keyrings too."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from fieldcrypt import _system

__all__ = ["VirtualTime"]

_ABOUT = 1_800_000_000.0  # seconds since 1970 when a simulation begins


class VirtualTime:
    """The clocks, threads and randomness of fieldcrypt's core while it is entered, and a list of what is to happen.

    Work in the background is done at once, and marked as such: what it asks of KMS holds nobody up. Data keys come from
    a generator with a seed, so that a run can be repeated; they protect nothing.

    Args:
        seed: of data keys, and of the moment at which a simulation begins.
        fraction: of a second, at which it begins; at random if None. Data keys note whole seconds only.

    Attributes:
        start: when it began, in seconds since 1970.
        now: seconds since 1970.
        in_background: True while what happens is nothing that anybody waits for.
    """

    def __init__(self, seed: int, fraction: float | None = None) -> None:
        rng = random.Random(seed)
        self.start = self.now = _ABOUT + (rng.random() if fraction is None else fraction)
        self.in_background = False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._seam = {
            "monotonic": lambda: self.now,
            "wall_clock": lambda: self.now,
            "sleep": self.wait,
            "start_thread": self._work,
            "random_bytes": rng.randbytes,
            "at_random": rng.random,
        }
        self._genuine: dict[str, Any] = {}

    def __enter__(self) -> Self:
        for name, ours in self._seam.items():
            self._genuine[name] = getattr(_system, name)
            setattr(_system, name, ours)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name, genuine in self._genuine.items():
            setattr(_system, name, genuine)

    @property
    def elapsed(self) -> float:
        """Seconds since the simulation began."""
        return self.now - self.start

    def at(self, time: float, work: Callable[[], None]) -> None:
        """Have something done at a time; of two things at one time, what was asked for first."""
        self._count += 1
        heapq.heappush(self._events, (time, self._count, work))

    def run(self, until: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Let things happen until a time, or until there was enough."""
        while self._events and self._events[0][0] < until and not enough():
            self.now, _, work = heapq.heappop(self._events)
            work()
        if not enough():
            self.now = until

    def wait(self, seconds: float) -> None:
        """Let time pass for whatever happens now, and for nothing else: the next event has a time of its own."""
        self.now += seconds

    def _work(self, work: Callable[[], None]) -> None:
        self.in_background = True
        try:
            work()
        finally:
            self.in_background = False

"""How late the ticks of an event loop are while something happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Any

from fieldcrypt import LocalKeyProvider, WrappedKey

__all__ = ["ATTEMPTS", "MAX_LAG", "SlowProvider", "lag_during"]

KMS_SECONDS = 0.3  # that a key service takes to answer: far more than MAX_LAG
MAX_LAG = 0.15  # seconds by which a tick of the event loop may be late: a busy machine is, by less than KMS_SECONDS
TICK = 0.005
ATTEMPTS = 4  # a busy machine may be late by itself, but not every time


class SlowProvider(LocalKeyProvider):
    """Answers when a distant KMS would."""

    calls = 0

    def wrap(self, data_key: bytes, context: Any) -> Sequence[WrappedKey]:
        self._wait()
        return super().wrap(data_key, context)

    def unwrap(self, wraps: Any, context: Any) -> bytes:
        self._wait()
        return super().unwrap(wraps, context)

    def _wait(self) -> None:
        type(self).calls += 1
        time.sleep(KMS_SECONDS)


async def lag_during(work: Awaitable[Any]) -> tuple[Any, float]:
    """Return what work returns, and by how many seconds a tick of the loop was late at most meanwhile."""
    late = 0.0

    async def tick() -> None:
        nonlocal late
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            late = max(late, time.perf_counter() - before - TICK)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(3 * TICK)
    try:
        result = await work
        await asyncio.sleep(3 * TICK)  # so that a tick is seen to be late which work held up to its very end
        return result, late
    finally:
        ticking.cancel()

"""Several workers on one step: their names, how they work together, and their rate."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from itertools import count
from threading import Event, Lock

from fieldcrypt import _system

__all__ = ["Pace", "is_dead", "work_together", "worker_name"]

_made = count()
_NODE_SIZE = 150  # characters of a machine's name
_NAP = 1.0  # seconds


def worker_name(number: int) -> str:
    """Return a unique name for a worker of this process: two steps of one process do not share it."""
    return f"{platform.node()[:_NODE_SIZE]} {os.getpid()} {number}.{next(_made)}"


def is_dead(worker: str) -> bool:
    """Return True if a worker belonged to a process of this machine that has ended, so that its lease can be taken."""
    node, _, process = worker.rpartition(" ")[0].rpartition(" ")
    if node != platform.node()[:_NODE_SIZE] or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    except (OverflowError, ValueError):  # not the number of a process
        return True
    return False


def work_together(workers: Sequence[Callable[[], object]], stop: Event) -> None:
    """Run workers until all are done, each in its own thread and a copy of the caller's context if there are several.

    When one of them raises something, `stop` is set, so that the others stop at their next checkpoint.

    Raises:
        What the first of them raised.
    """
    if len(workers) == 1:
        workers[0]()
        return

    with ThreadPoolExecutor(len(workers), thread_name_prefix="fieldcrypt") as pool:
        futures = [pool.submit(copy_context().run, worker) for worker in workers]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            raise


class Pace:
    """Keeps all workers of a process below a rate, by making them wait.

    Args:
        rate: how much per second, usually rows; None: as fast as possible.

    Raises:
        ValueError: the rate is not positive.
    """

    def __init__(self, rate: float | None = None) -> None:
        if rate is not None and rate <= 0:
            raise ValueError("a rate is more than 0 per second")
        self._rate = rate
        self._lock = Lock()
        self._free_at = 0.0

    def take(self, amount: float, meanwhile: Callable[[], object] | None = None) -> None:
        """Wait until so much more may be done, after what was taken before.

        Args:
            amount: how much.
            meanwhile: is called about once per second while it waits.
        """
        if self._rate is None:
            return
        with self._lock:
            now = _system.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + amount / self._rate
        left = start - now
        while left > 0:
            _system.sleep(left if meanwhile is None else min(left, _NAP))
            left -= _NAP if meanwhile is not None else left
            if meanwhile is not None:
                meanwhile()

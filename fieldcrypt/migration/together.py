"""Several workers at one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

__all__ = ["work_together"]


def work_together(workers: Sequence[Callable[[], object]], stop: Event) -> None:
    """Have workers work until all are done, each in a thread of its own if there are several.

    Args:
        workers: what they do.
        stop: is set when one of them raises something, so that the others stop at their next checkpoint.

    Raises:
        What the first of them raised.
    """
    if len(workers) == 1:
        workers[0]()
        return

    def work(worker: Callable[[], object]) -> None:
        try:
            worker()
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(len(workers), thread_name_prefix="fieldcrypt") as pool:
        futures = [pool.submit(work, worker) for worker in workers]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            raise

"""Threads for the steps of operations, so that no event loop is held up while they compute or wait for keys."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread, local
from typing import Any, TypeVar

from fieldcrypt import call_after_fork

__all__ = ["in_thread", "waiting"]

T = TypeVar("T")

# Threads that compute. Each takes the interpreter from the event loop for 5 ms at a time; none makes another faster.
_COMPUTING = 2
_WAITING = 256  # the most threads that wait for keys; further work waits until one of them is done


class Steps:
    """Runs work in a few threads. One that has to wait for keys is replaced meanwhile, so that others go on.

    They are not asyncio's threads: it has only a few for the whole application, and needs them to look up addresses.
    """

    def __init__(self) -> None:
        self._reset()
        call_after_fork(self._reset)

    def _reset(self) -> None:
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._starting = Lock()
        self._started = False
        self._substitutes = Semaphore(_WAITING)
        self._thread = local()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have work done by the next thread that is free."""
        if not self._started:
            self._start()
        future: Future[T] = Future()
        self._queue.put((future, work))
        return future

    def waiting(self, work: Callable[[], T]) -> T:
        """Do what may take time without computing. If one of the threads does it, another takes over from that one."""
        if getattr(self._thread, "goes_on", False) and self._substitutes.acquire(blocking=False):
            self._thread.goes_on = False
            try:
                self._start_one()
            except RuntimeError:  # there are no more threads to be had, so the others have to wait as well
                self._thread.goes_on = True
                self._substitutes.release()
        return work()

    def _start(self) -> None:
        with self._starting:
            if not self._started:
                for _ in range(_COMPUTING):
                    self._start_one()
                self._started = True

    def _start_one(self) -> None:
        Thread(target=self._go_on, name="fieldcrypt-aio", daemon=True).start()

    def _go_on(self) -> None:
        self._thread.goes_on = True
        while self._thread.goes_on:
            _do(*self._queue.get())
        self._substitutes.release()


def _do(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 (it is raised where the work was asked for)
        future.set_exception(error)
    else:
        future.set_result(result)


_steps = Steps()


async def in_thread(work: Callable[[], T]) -> T:
    """Do work in a thread, in a copy of the context, and return its result. If cancelled, it may go on there."""
    import asyncio  # here, so that users of boto3 do not load it

    context = contextvars.copy_context()
    return await asyncio.wrap_future(_steps.submit(lambda: context.run(work)))


def waiting(work: Callable[[], T]) -> T:
    """Do what may have to wait for a key store or a key provider, in any thread: an `Offload`."""
    return _steps.waiting(work)

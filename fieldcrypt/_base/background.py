"""Work in the background that no caller waits for."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock

from fieldcrypt import _system

__all__ = ["Background"]

_MAX_THREADS = 4


class Background:
    """Runs work in a few threads, which are started when there is work and end when there is none.

    The threads are daemons, so a process can end without waiting for a region that hangs.
    """

    def __init__(self) -> None:
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Forget work and threads; a forked child has no threads."""
        self._lock = Lock()
        self._waiting: dict[Hashable, Callable[[], object]] = {}
        self._running: set[Hashable] = set()
        self._threads = 0

    def submit(self, key: Hashable, work: Callable[[], object]) -> None:
        """Run work soon, unless work of the same key is waiting or running already.

        Work handles its own errors. If no thread can be started, at the end of the process, it is dropped.
        """
        with self._lock:
            if key in self._waiting or key in self._running:
                return
            self._waiting[key] = work
        self._start_thread()

    def _start_thread(self) -> None:
        with self._lock:
            if not self._waiting or self._threads == _MAX_THREADS:
                return
            self._threads += 1
        try:
            _system.start_thread(self._work)
        except RuntimeError:
            with self._lock:
                self._threads -= 1
                if not self._threads:
                    self._waiting.clear()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                key = next(iter(self._waiting))
                work = self._waiting.pop(key)
                self._running.add(key)
            try:
                work()
            except BaseException:
                with self._lock:
                    self._threads -= 1
                self._start_thread()  # for the work that is waiting
                raise
            finally:
                with self._lock:
                    self._running.discard(key)

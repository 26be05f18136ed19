"""The progress of a job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import NamedTuple

from fieldcrypt import _system

__all__ = ["Meter", "Progress"]

_LOG_EVERY = 60.0  # seconds


class Progress(NamedTuple):
    """The progress of a job.

    Attributes:
        step: what it does.
        done: rows, items or data keys that were looked at, also by other processes.
        total: how many there were at the beginning.
        changed: how many of `done` were changed.
        failed: how many could not be.
        rate: how many this process has recently examined per second.
        left: how long the rest takes at this rate; None if unknown.
    """

    step: str
    done: int
    total: int
    changed: int
    failed: int
    rate: float
    left: timedelta | None

    def __str__(self) -> str:
        line = f"{self.step}: {self.done:,} of {self.total:,}, {self.changed:,} changed, {self.failed:,} failed, "
        line += f"{self.rate:,.0f} per second"
        return line if self.left is None else f"{line}, {self.left} left"


class Meter:
    """Counts the progress of a step's workers, reports it, and logs a line per minute.

    Args:
        done, changed, failed: what was done before.
        on_progress: is called after each batch, by one worker at a time.
    """

    def __init__(
        self,
        step: str,
        total: int,
        done: int = 0,
        changed: int = 0,
        failed: int = 0,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        self._step = step
        self._total = total
        self._done, self._changed, self._failed = done, changed, failed
        self._tell = on_progress
        self._lock = Lock()
        self._began = self._logged = _system.monotonic()
        self._began_at = done

    @property
    def counts(self) -> tuple[int, int, int]:
        """What was done, changed and failed so far."""
        return self._done, self._changed, self._failed

    def add(self, done: int, changed: int = 0, failed: int = 0) -> None:
        """Count what a batch did."""
        with self._lock:
            self._done += done
            self._changed += changed
            self._failed += failed
            now = _system.monotonic()
            progress = self._progress(now)
            if now - self._logged >= _LOG_EVERY:
                self._logged = now
                _log(str(progress))
            if self._tell is not None:
                self._tell(progress)

    def _progress(self, now: float) -> Progress:
        seconds = now - self._began
        rate = (self._done - self._began_at) / seconds if seconds > 0 else 0.0
        remaining = max(0, self._total - self._done)
        left = timedelta(seconds=round(remaining / rate)) if rate > 0 else None
        return Progress(self._step, self._done, self._total, self._changed, self._failed, rate, left)


def _log(line: str) -> None:
    import logging  # as in events.py

    logging.getLogger("fieldcrypt").info("%s", line)

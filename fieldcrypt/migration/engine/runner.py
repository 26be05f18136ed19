"""Runs the steps that write over the parts of a migration, and says what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import Event
from typing import NamedTuple

from fieldcrypt.migration.engine.journal import Counts, Journal, Run
from fieldcrypt.migration.engine.remaining import remaining
from fieldcrypt.migration.engine.source import Counted, Source
from fieldcrypt.migration.engine.steps import Step, Undo
from fieldcrypt.migration.engine.worker import Worker
from fieldcrypt.migration.failures import Failures
from fieldcrypt.migration.job import OnProgress
from fieldcrypt.migration.pace import Pace
from fieldcrypt.migration.progress import Meter
from fieldcrypt.migration.reports import StepReport
from fieldcrypt.migration.together import work_together
from fieldcrypt.migration.worker_name import worker_name

__all__ = ["Part", "run_step"]

_COUNTED = ("total", *Counts._fields)


class Part(NamedTuple):
    """A table or collection of a migration.

    Attributes:
        source: its units.
        journal: how far the steps over it are.
    """

    source: Source
    journal: Journal


def run_step(
    step: Step,
    parts: Sequence[Part],
    *,
    workers: int,
    batch: int,
    pace: Pace,
    restart: bool,
    on_progress: OnProgress,
) -> StepReport:
    """Have workers do a step to all parts, and have the store count what is left.

    Args:
        step, parts: what is done to what.
        workers, batch, on_progress: see `StoredMigration.backfill`.
        pace: how fast to go.
        restart: begin again, whatever was begun.

    Raises:
        As `StoredMigration.backfill`.
    """
    failures, stop = Failures(), Event()
    runs = [_begin(step, part, restart) for part in parts]
    total, done, changed, failed = (sum(getattr(run, name) for run in runs) for name in _COUNTED)
    meter = Meter(step.name, total, done, changed, failed, on_progress)
    for part, run in zip(parts, runs, strict=True):
        made = [
            Worker(part.source, part.journal, step, worker_name(number), batch, pace, meter, failures, stop)
            for number in range(workers)
        ]
        work_together([partial(worker.run, run) for worker in made], stop)
    ended = [_ended(step, part) for part in parts]
    known = [run for run, _ in ended if run is not None]
    done, changed, failed = (sum(getattr(run, name) for run in known) for name in _COUNTED[1:])
    total, left = (sum(counted[at] for _, counted in ended) for at in range(2))
    is_complete = left == 0 and len(known) == len(parts) and all(run.ended is not None for run in known)
    return StepReport(done, changed, failed, failures.found, is_complete, (), total, left)


def _begin(step: Step, part: Part, restart: bool) -> Run:
    about = part.source.describe() + step.options
    old = part.journal.find(step.name)
    # An undo that goes over everything again loses nothing, so it needs no word to be begun again.
    is_other = isinstance(step, Undo) and old is not None and old.about != about
    return part.journal.begin(step.name, about, part.source.estimate(), restart=restart or is_other, drops=step.drops)


def _ended(step: Step, part: Part) -> tuple[Run | None, Counted]:
    """Return a run as it is now, and what is left of it if it has ended."""
    run = part.journal.find(step.name)
    if run is None or run.ended is None:
        return run, Counted(0 if run is None else run.total, 0)
    counted = remaining(part.source, step)
    if counted.those > run.failed:  # more than what failed: whoever looks at the status must not take it for done
        part.journal.note(run, Counts(run.done, run.changed, counted.those))
    return run, counted

"""Runs steps over the tables of a migration, and says in words what keeps them from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import Failures, Meter, MigrationError, Pace, StepReport, work_together, worker_name
from fieldcrypt.migration.job import OnProgress
from fieldcrypt_sqlalchemy.migration.checkpoints import Checkpoints
from fieldcrypt_sqlalchemy.migration.errors import in_words
from fieldcrypt_sqlalchemy.migration.part import Part
from fieldcrypt_sqlalchemy.migration.run import Run
from fieldcrypt_sqlalchemy.migration.schema import problems
from fieldcrypt_sqlalchemy.migration.steps import Step
from fieldcrypt_sqlalchemy.migration.worker import Worker

__all__ = ["Runner"]

_COUNTED = ("total", "done", "changed", "failed")


class Runner:
    """Runs the steps of one migration.

    Args:
        engine: of the database.
        name: the migration's.
        checkpoints: where what is done is written down.
        parts: its tables.
    """

    def __init__(self, engine: Engine, name: str, checkpoints: Checkpoints, parts: Sequence[Part]) -> None:
        self._engine = engine
        self._name = name
        self._checkpoints = checkpoints
        self._parts = parts

    def run(
        self,
        step: Step,
        workers: int,
        batch: int,
        rate: float | None,
        on_progress: OnProgress,
        *,
        restart: bool = False,
    ) -> StepReport:
        """Have workers do a step to all tables, and say what became of it (see `Migration.backfill`)."""
        if batch < 1 or workers < 1:
            raise ValueError("a batch is a row at least, and there is a worker at least")
        if workers > 1 and self._engine.dialect.is_async:
            raise ConfigurationError("with an AsyncEngine there is one worker: run the step in several processes")
        failures, stop, pace = Failures(), Event(), Pace(rate)
        with self.in_words(step.name):
            self.check(step.name)
            runs = [(part, self.begin(step.name, part, restart=restart)) for part in self._parts]
            counted = {name: sum(getattr(run, name) for _, run in runs) for name in _COUNTED}
            meter = Meter(step.name, **counted, on_progress=on_progress)
            for part, run in runs:
                made = [
                    Worker(
                        self._engine,
                        self._checkpoints,
                        step,
                        part,
                        worker_name(number),
                        batch,
                        pace,
                        meter,
                        failures,
                        stop,
                    )
                    for number in range(workers)
                ]
                work_together([partial(worker.run, run) for worker in made], stop)
            ended = [self._checkpoints.find(step.name, part.name) for part, _ in runs]
        known = [run for run in ended if run is not None]
        rows, changed, failed = (sum(getattr(run, name) for run in known) for name in _COUNTED[1:])
        complete = all(run.ended is not None for run in known) and len(known) == len(runs)
        return StepReport(rows, changed, failed, failures.found, complete)

    def begin(self, step: str, part: Part, *, restart: bool = False) -> Run:
        """Return the run of a step over a table: one that was begun, or a new one."""
        return self._checkpoints.begin(step, part, _about(part), restart=restart)

    def totals(self) -> dict[str, int]:
        """Return how many rows each table has."""
        with self._engine.connect() as connection:
            return {part.name: part.count(connection) for part in self._parts}

    def check(self, step: str) -> None:
        """Raise what keeps a step from being done, before anything is; and make the tables for checkpoints."""
        found = problems(self._engine, self._parts, step)
        if found:
            raise ConfigurationError("; ".join(found))
        self._checkpoints.create()

    @contextmanager
    def in_words(self, step: str) -> Iterator[None]:
        """Say what the database said, and what is wrong with the tables if they changed meanwhile."""
        try:
            yield
        except DBAPIError as error:
            refused, reason = error, in_words(error)
        else:
            return
        try:
            found = problems(self._engine, self._parts, step)
        except DBAPIError:
            found = []
        if found:
            raise ConfigurationError(
                f"{step} was stopped, for the tables are not as the model says: {'; '.join(found)}. What is done stays"
            ) from refused
        raise MigrationError(
            f"{self._name}: the database stopped the {step}: {reason}. What is done stays; run it again to go on"
        ) from refused


def _about(part: Part) -> str:
    """Say what a run is about, so that one that was begun is not gone on with as another."""
    columns = ", ".join(f"{each.name} ({each.type.name})" for each in part.columns)
    key = ", ".join(f"{each.name} {type(each.type).__name__}" for each in part.key)
    return f"{columns} by {key}"

"""How far a migration is, kept in its database: so that what is done and that it is done are committed together.

A run is a step over one table. Its frontier divides the rows into ranges of keys, which workers claim one at a time:
each is leased to its worker, and taken over by another one when the lease has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, delete, func, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import MigrationStatus, StepStatus, is_dead
from fieldcrypt_sqlalchemy.key_store.table_creation import create_tables
from fieldcrypt_sqlalchemy.keyset import Key
from fieldcrypt_sqlalchemy.migration.checkpoint_tables import COUNTS, NAME_SIZE, ranges, runs
from fieldcrypt_sqlalchemy.migration.part import Part
from fieldcrypt_sqlalchemy.migration.run import Range, Run, key_of, stored_key

__all__ = ["Checkpoints", "LostRangeError"]

T = TypeVar("T")

LEASE = 15.0  # seconds after which a range of which nothing was heard is anybody's


class LostRangeError(Exception):
    """A range was taken over by another worker, for nothing was heard of this one for too long."""


class Checkpoints:
    """The checkpoints of one migration.

    Args:
        engine: of the database that the data is in.
        name: the migration's.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        if not 1 <= len(name) <= NAME_SIZE:
            raise ConfigurationError(f"the name of a migration has 1 to {NAME_SIZE} characters")
        self._engine = engine
        self._name = name

    def create(self) -> None:
        """Make the tables unless they exist."""
        create_tables(self._run, (DBAPIError,), [runs, ranges])

    def exist(self) -> bool:
        """Say whether the tables are there."""
        with self._engine.connect() as connection:
            return bool(inspect(connection).has_table(runs.name))

    def _run(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    # Runs

    def find(self, step: str, part: str) -> Run | None:
        """Return a run, with all that its ranges have counted so far."""
        with self._engine.connect() as connection:
            return self._find(connection, step, part)

    def begin(self, step: str, part: Part, about: str, *, restart: bool) -> Run:
        """Return the run of a step that is to be worked at: one that was begun, or a new one.

        Raises:
            ConfigurationError: one was begun that was about something else.
        """
        with self._engine.begin() as connection:
            old = self._find(connection, step, part.name)
            if old is not None and not restart and old.ended is None:
                was = connection.scalar(select(runs.c.about).where(*old.of(runs)))
                if was != about:
                    raise ConfigurationError(
                        f"{part.name}: the {step} of {self._name!r} was begun for {was}, and is now for {about}: "
                        "finish it as it was, or say restart=True to begin anew; what is done stays done"
                    )
                connection.execute(update(runs).where(*old.of(runs)).values(paused=False))
                return old
            now = time.time()
            if old is not None:
                self._delete(connection, old)
            run = Run(self._name, step, part.name, part.count(connection), 0, 0, 0, now, None)
            values = {"name": run.name, "step": step, "part": run.part, "total": run.total, "about": about}
            try:
                connection.execute(insert(runs).values(values | {"began": now, "touched": now}))
            except IntegrityError:
                pass  # another process began it at the same time; this transaction is of no use any more
            else:
                return run
        return self.begin(step, part, about, restart=False)

    def drop(self, step: str, part: str) -> None:
        """Forget a run, so that it can be begun anew."""
        with self._engine.begin() as connection:
            run = self._find(connection, step, part)
            if run is not None:
                self._delete(connection, run)

    def note(self, run: Run) -> None:
        """Write down a run that was done in one piece."""
        with self._engine.begin() as connection:
            counted = {name: getattr(run, name) for name in COUNTS}
            connection.execute(
                update(runs).where(*run.of(runs)).values(counted | {"ended": time.time(), "exhausted": True})
            )

    def pause(self) -> None:
        """Have all workers stop at their next checkpoint."""
        with self._engine.begin() as connection:
            connection.execute(
                update(runs).where(runs.c.name == self._name, runs.c.ended.is_(None)).values(paused=True)
            )

    def is_paused(self, connection: Connection, run: Run) -> bool:
        """Say whether the workers of a run are to stop."""
        return bool(connection.scalar(select(runs.c.paused).where(*run.of(runs))))

    def status(self) -> MigrationStatus:
        """Say how far all steps are."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(runs).where(runs.c.name == self._name).order_by(runs.c.began)).all()
            return MigrationStatus(self._name, tuple(self._status(connection, row) for row in rows))

    def _status(self, connection: Connection, row: Any) -> StepStatus:
        run = self._find(connection, row.step, row.part)
        assert run is not None  # noqa: S101 (read in the same breath)
        query = select(ranges.c.worker).where(*run.of(ranges), ranges.c.finished.is_(False)).order_by("worker")
        workers = tuple(worker for worker in connection.scalars(query) if worker is not None)
        state = "paused" if row.paused else "running"
        if run.ended is not None:
            state = "failed" if run.failed else "done"
        counts = (run.total, run.done, run.changed, run.failed)
        return StepStatus(row.step, row.part, state, *counts, run.began, run.ended, workers)

    def _find(self, connection: Connection, step: str, part: str) -> Run | None:
        of_run = [runs.c.name == self._name, runs.c.step == step, runs.c.part == part]
        row = connection.execute(select(runs).where(*of_run)).one_or_none()
        if row is None:
            return None
        run = Run(row.name, row.step, row.part, row.total, row.done, row.changed, row.failed, row.began, row.ended)
        sums = [func.coalesce(func.sum(ranges.c[name]), 0) for name in COUNTS]
        open_ranges = connection.execute(select(*sums).where(*run.of(ranges))).one()
        counted = {name: getattr(run, name) + int(more) for name, more in zip(COUNTS, open_ranges, strict=True)}
        return replace(run, **counted)

    def _delete(self, connection: Connection, run: Run) -> None:
        for table in (ranges, runs):
            connection.execute(delete(table).where(*run.of(table)))

    # Ranges

    def claim(self, run: Run, part: Part, worker: str, rows: int) -> Range | bool:
        """Return a range to work at; or True if others are at work at the last ones, False if all is done.

        Args:
            run, part: of which.
            worker: who asks.
            rows: how many a new range has.
        """
        now = time.time()
        with self._engine.begin() as connection:
            # Holds the run until the end of the transaction, on every database.
            connection.execute(update(runs).where(*run.of(runs)).values(touched=now))
            row = connection.execute(select(runs).where(*run.of(runs))).one_or_none()
            if row is None or row.ended is not None:
                return False
            self._count_finished(connection, run)
            left = connection.execute(select(ranges).where(*run.of(ranges)).order_by(ranges.c.number)).all()
            mine = {"worker": worker, "leased_until": now + LEASE}
            for each in left:
                if not each.finished and (each.worker is None or each.leased_until < now or is_dead(each.worker)):
                    of_range = [*run.of(ranges), ranges.c.number == each.number]
                    connection.execute(update(ranges).where(*of_range).values(mine))
                    return Range(run, each.number, key_of(each.position), key_of(each.ends_at))
            if row.exhausted:
                if not left:
                    connection.execute(update(runs).where(*run.of(runs)).values(ended=now))
                return bool(left)
            frontier = key_of(row.frontier)
            ends_at = connection.execute(part.boundary(frontier, rows)).one_or_none()
            new = None if ends_at is None else tuple(ends_at)
            number = max((each.number for each in left), default=0) + 1
            stored = stored_key(part.name, new)
            values = {"name": run.name, "step": run.step, "part": run.part, "number": number} | mine
            connection.execute(insert(ranges).values(values | {"position": row.frontier, "ends_at": stored}))
            moved = {"exhausted": True} if new is None else {"frontier": stored}
            connection.execute(update(runs).where(*run.of(runs)).values(moved))
            return Range(run, number, frontier, new)

    def hold(self, connection: Connection, claimed: Range, worker: str) -> None:
        """Prolong the lease of a range, and hold the range until the end of the transaction.

        Raises:
            LostRangeError: it is another worker's by now, or was moved on.
        """
        self._update(connection, claimed, worker, {"leased_until": time.time() + LEASE})

    def advance(
        self,
        connection: Connection,
        part: Part,
        claimed: Range,
        worker: str,
        position: Key | None,
        counts: tuple[int, int, int],
        *,
        finished: bool,
    ) -> Range:
        """Write down what was done with rows, in the transaction in which it was, and return the range as it is then.

        Args:
            connection: of the transaction.
            part, claimed, worker: what, and who.
            position: the last key that is done.
            counts: rows that were looked at, that were changed, and that could not be.
            finished: the range is done.

        Raises:
            LostRangeError: it is another worker's by now.
        """
        position = claimed.position if position is None else position
        values: dict[str, Any] = {"position": stored_key(part.name, position), "finished": finished}
        values |= {name: ranges.c[name] + more for name, more in zip(COUNTS, counts, strict=True)}
        self._update(connection, claimed, worker, values)
        return replace(claimed, position=position)

    def release(self, worker: str) -> None:
        """Give up what a worker has claimed, which did not come to its end."""
        with self._engine.begin() as connection:
            mine = [ranges.c.name == self._name, ranges.c.worker == worker]
            connection.execute(update(ranges).where(*mine).values(worker=None))

    def _update(self, connection: Connection, claimed: Range, worker: str, values: dict[str, Any]) -> None:
        mine = [*claimed.run.of(ranges), ranges.c.number == claimed.number, ranges.c.worker == worker]
        if connection.execute(update(ranges).where(*mine, ranges.c.finished.is_(False)).values(values)).rowcount != 1:
            raise LostRangeError

    def _count_finished(self, connection: Connection, run: Run) -> None:
        """Add what finished ranges counted to their run, and forget them: there may be very many."""
        query = select(ranges.c.number, *(ranges.c[name] for name in COUNTS))
        finished = connection.execute(query.where(*run.of(ranges), ranges.c.finished.is_(True))).all()
        if finished:
            more = {name: sum(getattr(each, name) for each in finished) for name in COUNTS}
            counted = {name: runs.c[name] + each for name, each in more.items()}
            connection.execute(update(runs).where(*run.of(runs)).values(counted))
            # Those that were counted, and none that was finished since.
            these = ranges.c.number.in_([each.number for each in finished])
            connection.execute(delete(ranges).where(*run.of(ranges), these))

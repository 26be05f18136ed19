"""How far a migration is, kept in its database: so that what is done and that it is done are committed together.

A run is a step over one table. Its frontier divides the rows into ranges of keys, which workers claim one at a time:
each is leased to its worker, and taken over by another one when the lease has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, delete, func, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from fieldcrypt import ConfigurationError
from fieldcrypt.migration.engine.journal import (
    Counts,
    LostPortionError,
    Nothing,
    Portion,
    Run,
    at_work,
    is_free,
    other_declaration,
    rivals,
)
from fieldcrypt_sqlalchemy.key_store.table_creation import create_tables
from fieldcrypt_sqlalchemy.migration.checkpoint_tables import COUNTS, NAME_SIZE, ranges, runs
from fieldcrypt_sqlalchemy.migration.positions import key_of, stored_key
from fieldcrypt_sqlalchemy.migration.transaction import again_if_it_met_others

if TYPE_CHECKING:
    from fieldcrypt_sqlalchemy.migration.source import SqlSource

__all__ = ["Checkpoints"]

T = TypeVar("T")


class Checkpoints:
    """The checkpoints of one table of a migration: a `Journal`.

    Args:
        engine: of the database that the data is in. Its `schema_translate_map` says in which schema they are, too.
        name: the migration's.
        source: the table; None: only to make the tables.
    """

    lease = 15.0

    def __init__(self, engine: Engine, name: str, source: SqlSource | None = None) -> None:
        if not 1 <= len(name) <= NAME_SIZE:
            raise ConfigurationError(f"the name of a migration has 1 to {NAME_SIZE} characters")
        self._engine = engine
        self._name = name
        self._source = source
        self._part = "" if source is None else source.name

    def create(self) -> None:
        """Make the tables unless they exist."""
        create_tables(self._run, (DBAPIError,), [runs, ranges])

    def exists(self) -> bool:
        """Return True if the tables are there."""
        with self._engine.connect() as connection:
            return bool(inspect(connection).has_table(runs.name, connection.schema_for_object(runs)))

    def _run(self, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return again_if_it_met_others(once)

    def _of(self, table: Any, step: str | None = None) -> list[Any]:
        """Return the conditions that rows of one of the tables are about this part, and a step."""
        mine = [table.c.name == self._name, table.c.part == self._part]
        return mine if step is None else [*mine, table.c.step == step]

    # Runs

    def runs(self) -> Sequence[Run]:
        """Return all steps that were begun."""
        with self._engine.connect() as connection:
            steps = connection.scalars(select(runs.c.step).where(*self._of(runs))).all()
            found = [self._find(connection, step) for step in steps]
        return [run for run in found if run is not None]

    def find(self, step: str) -> Run | None:
        """Return a run, with all that its ranges have counted so far."""
        with self._engine.connect() as connection:
            return self._find(connection, step)

    def _find(self, connection: Connection, step: str) -> Run | None:
        row = connection.execute(select(runs).where(*self._of(runs, step))).one_or_none()
        if row is None:
            return None
        sums = [func.coalesce(func.sum(ranges.c[name]), 0) for name in COUNTS]
        more = connection.execute(select(*sums).where(*self._of(ranges, step))).one()
        done, changed, failed = (getattr(row, name) + int(each) for name, each in zip(COUNTS, more, strict=True))
        query = select(ranges.c.worker).where(*self._of(ranges, step), ranges.c.finished.is_(False)).order_by("worker")
        workers = tuple(worker for worker in connection.scalars(query) if worker is not None)
        counts = (row.total, done, changed, failed)
        return Run(step, self._part, row.about, *counts, row.began, row.ended, bool(row.paused), workers)

    def begin(self, step: str, about: str, total: int, *, restart: bool, drops: Sequence[str]) -> Run:
        """Return the run of a step that is to be worked at (see `Journal.begin`)."""

        def work(connection: Connection) -> Run:
            self._take_turns(connection)
            self._refuse_if_at_work(connection, rivals(step) | ({step} if restart and step != "verify" else set()))
            old = self._find(connection, step)
            goes_on = old is not None and old.ended is None and not restart
            if old is not None and goes_on and old.about != about:
                raise other_declaration(self._part, old, about)
            for each in drops if goes_on else (*drops, step):
                self._delete(connection, each)
            if old is not None and goes_on:
                connection.execute(update(runs).where(*self._of(runs, step)).values(paused=False))
                return old
            now = time.time()
            of_run = {"name": self._name, "step": step, "part": self._part}
            values = {"total": total, "about": about, "began": now, "touched": now}
            connection.execute(insert(runs).values(of_run | values))
            return Run(step, self._part, about, total, 0, 0, 0, now)

        try:
            return self._run(work)
        except IntegrityError:  # another process began it at the same time
            return self.begin(step, about, total, restart=False, drops=drops)

    def note(self, run: Run, counts: Counts) -> bool:
        """Write down a run that was done in one piece (see `Journal.note`)."""
        values = dict(zip(COUNTS, counts, strict=True)) | {"ended": time.time(), "exhausted": True}
        same = [*self._of(runs, run.step), runs.c.began == run.began]
        return self._run(lambda connection: connection.execute(update(runs).where(*same).values(values)).rowcount) == 1

    def pause(self) -> None:
        """Have all workers stop at their next checkpoint."""
        mine = [*self._of(runs), runs.c.ended.is_(None)]
        self._run(lambda connection: connection.execute(update(runs).where(*mine).values(paused=True)))

    def goes_on(self, run: Run) -> bool:
        """Return False if somebody asked all to stop."""
        with self._engine.connect() as connection:
            return not connection.scalar(select(runs.c.paused).where(*self._of(runs, run.step)))

    def _delete(self, connection: Connection, step: str) -> None:
        for table in (ranges, runs):
            connection.execute(delete(table).where(*self._of(table, step)))

    def _take_turns(self, connection: Connection) -> None:
        """Hold all runs of the part until the end of the transaction, so that no two steps claim at once."""
        connection.execute(update(runs).where(*self._of(runs)).values(touched=time.time()))

    def _refuse_if_at_work(self, connection: Connection, steps: Collection[str]) -> None:
        query = select(ranges.c.step, ranges.c.worker, ranges.c.leased_until)
        query = query.where(*self._of(ranges), ranges.c.finished.is_(False), ranges.c.step.in_(sorted(steps)))
        for step, worker, until in connection.execute(query) if steps else ():
            if not is_free(worker, until, time.time(), self.lease):
                raise at_work(self._part, step, worker, self.lease)

    # Ranges

    def claim(self, run: Run, worker: str, units: int) -> Portion | Nothing:
        """Return a range to work at (see `Journal.claim`)."""
        return self._run(lambda connection: self._claim(connection, run, worker, units))

    def _claim(self, connection: Connection, run: Run, worker: str, units: int) -> Portion | Nothing:
        now = time.time()
        self._take_turns(connection)
        self._refuse_if_at_work(connection, rivals(run.step))
        of_run, of_ranges = self._of(runs, run.step), self._of(ranges, run.step)
        row = connection.execute(select(runs).where(*of_run)).one_or_none()
        if row is None or row.ended is not None or row.began != run.began:
            return Nothing.DONE
        if row.paused:
            return Nothing.PAUSED
        self._count_finished(connection, run.step)
        left = connection.execute(select(ranges).where(*of_ranges).order_by(ranges.c.number)).all()
        mine = {"worker": worker, "leased_until": now + self.lease}
        for each in left:
            if not each.finished and is_free(each.worker, each.leased_until, now, self.lease):
                connection.execute(update(ranges).where(*of_ranges, ranges.c.number == each.number).values(mine))
                return Portion(run, each.number, key_of(each.position), key_of(each.ends_at))
        if row.exhausted:
            if not left:
                connection.execute(update(runs).where(*of_run).values(ended=now))
            return Nothing.WAIT if left else Nothing.DONE
        number = max((each.number for each in left), default=0) + 1
        return self._new(connection, run, number, row.frontier, mine, units)

    def _new(
        self, connection: Connection, run: Run, number: int, frontier: bytes | None, mine: dict[str, Any], units: int
    ) -> Portion:
        """Make the next range."""
        assert self._source is not None  # noqa: S101 (whoever claims has one)
        ends_at = connection.execute(self._source.boundary(key_of(frontier), units)).one_or_none()
        new = None if ends_at is None else tuple(ends_at)
        self._source.check_forward(connection, key_of(frontier), new)
        stored = stored_key(self._part, new)
        values = {"name": self._name, "step": run.step, "part": self._part, "number": number} | mine
        connection.execute(insert(ranges).values(values | {"position": frontier, "ends_at": stored}))
        moved = {"exhausted": True} if new is None else {"frontier": stored}
        connection.execute(update(runs).where(*self._of(runs, run.step)).values(moved))
        return Portion(run, number, key_of(frontier), new)

    def hold(self, batch: Connection | None, portion: Portion, worker: str) -> None:
        """Prolong the lease of a range (see `Journal.hold`)."""
        values = {"leased_until": time.time() + self.lease}
        if batch is None:
            self._run(lambda connection: self._update(connection, portion, worker, values))
        else:
            self._update(batch, portion, worker, values)

    def advance(self, batch: Connection, portion: Portion, worker: str, counts: Counts, *, finished: bool) -> None:
        """Write down how far a range is (see `Journal.advance`)."""
        values: dict[str, Any] = {"position": stored_key(self._part, portion.position), "finished": finished}
        values |= {name: ranges.c[name] + more for name, more in zip(COUNTS, counts, strict=True)}
        self._update(batch, portion, worker, values)

    def release(self, run: Run, worker: str) -> None:
        """Give up what a worker has (see `Journal.release`)."""
        mine = [*self._of(ranges, run.step), ranges.c.worker == worker]
        with suppress(DBAPIError):  # then the lease ends by itself
            self._run(lambda connection: connection.execute(update(ranges).where(*mine).values(worker=None)))

    def _update(self, connection: Connection, portion: Portion, worker: str, values: dict[str, Any]) -> None:
        mine = [*self._of(ranges, portion.run.step), ranges.c.number == portion.number, ranges.c.worker == worker]
        if connection.execute(update(ranges).where(*mine, ranges.c.finished.is_(False)).values(values)).rowcount != 1:
            raise LostPortionError

    def _count_finished(self, connection: Connection, step: str) -> None:
        """Add what finished ranges counted to their run, and forget them: there may be very many."""
        query = select(ranges.c.number, *(ranges.c[name] for name in COUNTS))
        finished = connection.execute(query.where(*self._of(ranges, step), ranges.c.finished.is_(True))).all()
        if finished:
            counted = {name: runs.c[name] + sum(getattr(each, name) for each in finished) for name in COUNTS}
            connection.execute(update(runs).where(*self._of(runs, step)).values(counted))
            # Those that were counted, and none that was finished since.
            these = ranges.c.number.in_([each.number for each in finished])
            connection.execute(delete(ranges).where(*self._of(ranges, step), these))

"""The journal of a migration in the database that it changes, so that work and journal are committed together.

A run is a step over one table. Its frontier divides the rows into ranges of keys, which workers claim one at a time:
each is leased to its worker, and taken over by another one when the lease has ended.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from fieldcrypt import ConfigurationError
from fieldcrypt.spi.migration import (
    Counts,
    Journal,
    LostPortionError,
    Nothing,
    Portion,
    Run,
    at_work_error,
    is_free,
    rivals,
)
from fieldcrypt_sqlalchemy.key_store.table_creation import create_tables
from fieldcrypt_sqlalchemy.migration.journal.checkpoint_tables import (
    COUNTS,
    NAME_SIZE,
    key_of,
    ranges,
    runs,
    stored_key,
)
from fieldcrypt_sqlalchemy.migration.journal.transaction import transact
from fieldcrypt_sqlalchemy.migration.row.table_rows import TableRows

__all__ = ["Checkpoints"]


class Checkpoints(Journal):
    """The checkpoints of one table of a migration.

    Args:
        engine: of the database that the data is in. Its `schema_translate_map` says in which schema they are, too.
        name: the migration's.
        source: the table; None: only to make the tables.
    """

    lease = 15.0

    def __init__(self, engine: Engine, name: str, source: TableRows | None = None) -> None:
        if not 1 <= len(name) <= NAME_SIZE:
            raise ConfigurationError(f"the name of a migration has 1 to {NAME_SIZE} characters")
        self._engine = engine
        self._name = name
        self._source = source
        self._part = "" if source is None else source.name

    def create(self) -> None:
        create_tables(partial(transact, self._engine), (DBAPIError,), [runs, ranges])

    def exists(self) -> bool:
        with self._engine.connect() as connection:
            return bool(inspect(connection).has_table(runs.name, connection.schema_for_object(runs)))

    def _of(self, table: Any, step: str | None = None) -> list[Any]:
        """Return the conditions that rows of one of the tables are about this part, and a step."""
        mine = [table.c.name == self._name, table.c.part == self._part]
        return mine if step is None else [*mine, table.c.step == step]

    def _change(self, table: Any, conditions: Sequence[Any], **values: Any) -> int:
        """Change rows of one of the tables in a transaction of their own; return how many."""
        changed = update(table).where(*conditions).values(values)
        return transact(self._engine, lambda connection: connection.execute(changed).rowcount)

    # Runs

    def runs(self) -> Sequence[Run]:
        with self._engine.connect() as connection:
            steps = connection.scalars(select(runs.c.step).where(*self._of(runs))).all()
            found_runs = [self._find(connection, step) for step in steps]
        return [run for run in found_runs if run is not None]

    def find(self, step: str) -> Run | None:
        with self._engine.connect() as connection:
            return self._find(connection, step)

    def _find(self, connection: Connection, step: str) -> Run | None:
        row = connection.execute(select(runs).where(*self._of(runs, step))).one_or_none()
        if row is None:
            return None
        sums = [func.coalesce(func.sum(ranges.c[name]), 0) for name in COUNTS]
        more = connection.execute(select(*sums).where(*self._of(ranges, step))).one()
        counts = Counts(*(getattr(row, name) + int(each) for name, each in zip(COUNTS, more, strict=True)))
        query = select(ranges.c.worker).where(*self._of(ranges, step), ranges.c.finished.is_(False)).order_by("worker")
        workers = tuple(worker for worker in connection.scalars(query) if worker is not None)
        return Run(step, self._part, row.about, row.total, *counts, row.began, row.ended, bool(row.paused), workers)

    def begin(self, step: str, about: str, total: int, *, restart: bool, drops: Sequence[str]) -> Run:
        def work(connection: Connection) -> Run:
            self._take_turns(connection)
            self._refuse_if_at_work(connection, rivals(step) | ({step} if restart else set()))
            old = self._find(connection, step)
            resumed = old if old is not None and old.is_resumed(about, restart=restart) else None
            for each in drops if resumed else (*drops, step):
                for table in (ranges, runs):
                    connection.execute(delete(table).where(*self._of(table, each)))
            if resumed is not None:
                connection.execute(update(runs).where(*self._of(runs, step)).values(paused=False))
                return resumed
            now = time.time()
            of_run = {"name": self._name, "step": step, "part": self._part}
            values = {"total": total, "about": about, "began": now, "touched": now}
            connection.execute(insert(runs).values(of_run | values))
            return Run(step, self._part, about, total, 0, 0, 0, now)

        try:
            return transact(self._engine, work)
        except IntegrityError:  # another process began it at the same time
            return self.begin(step, about, total, restart=False, drops=drops)

    def note(self, run: Run, counts: Counts) -> bool:
        same = [*self._of(runs, run.step), runs.c.began == run.began]
        return self._change(runs, same, ended=time.time(), exhausted=True, **counts._asdict()) == 1

    def add(self, batch: Connection, run: Run, counts: Counts) -> None:
        """Count what a batch does for a run that has no ranges."""
        more = {name: runs.c[name] + each for name, each in zip(COUNTS, counts, strict=True)}
        batch.execute(update(runs).where(*self._of(runs, run.step), runs.c.began == run.began).values(more))

    def pause(self) -> None:
        self._change(runs, [*self._of(runs), runs.c.ended.is_(None)], paused=True)

    def goes_on(self, run: Run) -> bool:
        with self._engine.connect() as connection:
            return not connection.scalar(select(runs.c.paused).where(*self._of(runs, run.step)))

    def _take_turns(self, connection: Connection) -> None:
        """Hold all runs of the part until the end of the transaction, so that no two steps claim at once."""
        connection.execute(update(runs).where(*self._of(runs)).values(touched=time.time()))

    def _refuse_if_at_work(self, connection: Connection, steps: Collection[str]) -> None:
        query = select(ranges.c.step, ranges.c.worker, ranges.c.leased_until)
        query = query.where(*self._of(ranges), ranges.c.finished.is_(False), ranges.c.step.in_(sorted(steps)))
        for step, worker, until in connection.execute(query) if steps else ():
            if not is_free(worker, until, time.time(), self.lease):
                raise at_work_error(self._part, step, worker, self.lease)

    # Ranges

    def claim(self, run: Run, worker: str, units: int) -> Portion | Nothing:
        return transact(self._engine, lambda connection: self._claim(connection, run, worker, units))

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
                return Portion(run, each.number, self._key(each.position), self._key(each.ends_at))
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
        assert self._source is not None  # noqa: S101 (a journal that claims has one)
        after = self._key(frontier)
        new = self._source.boundary(connection, after, units)
        if new is not None and new == after:  # each range would be this one
            raise self._source.leads_back_error()
        self._source.check_forward(after, new, connection)
        stored = stored_key(self._part, new)
        values = {"name": self._name, "step": run.step, "part": self._part, "number": number} | mine
        connection.execute(insert(ranges).values(values | {"position": frontier, "ends_at": stored}))
        moved = {"exhausted": True} if new is None else {"frontier": stored}
        connection.execute(update(runs).where(*self._of(runs, run.step)).values(moved))
        return Portion(run, number, after, new)

    def _key(self, stored: bytes | None) -> Any:
        assert self._source is not None  # noqa: S101 (as above)
        return key_of(self._part, stored, len(self._source.key))

    def hold(self, batch: Connection | None, portion: Portion, worker: str) -> None:
        self._update(batch, portion, worker, {"leased_until": time.time() + self.lease})

    def advance(self, batch: Connection, portion: Portion, worker: str, counts: Counts, *, finished: bool) -> None:
        values = {name: ranges.c[name] + more for name, more in counts._asdict().items()}
        position = stored_key(self._part, portion.position)
        self._update(batch, portion, worker, values | {"position": position, "finished": finished})

    def _update(self, batch: Connection | None, portion: Portion, worker: str, values: dict[str, Any]) -> None:
        mine = [*self._of(ranges, portion.run.step), ranges.c.number == portion.number, ranges.c.worker == worker]
        mine.append(ranges.c.finished.is_(False))
        if batch is None:
            met = self._change(ranges, mine, **values)
        else:
            met = batch.execute(update(ranges).where(*mine).values(values)).rowcount
        if met != 1:
            raise LostPortionError

    def release(self, run: Run, worker: str) -> None:
        with suppress(DBAPIError):  # then the lease ends by itself
            self._change(ranges, [*self._of(ranges, run.step), ranges.c.worker == worker], worker=None)

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

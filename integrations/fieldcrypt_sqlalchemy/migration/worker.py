"""One worker of a step: it claims ranges of keys, and does page after page of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Event
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from fieldcrypt import DecryptionError
from fieldcrypt.migration import Failures, Meter, Pace
from fieldcrypt_sqlalchemy.keyset import Key
from fieldcrypt_sqlalchemy.migration.checkpoints import Checkpoints, LostRangeError
from fieldcrypt_sqlalchemy.migration.errors import is_transient
from fieldcrypt_sqlalchemy.migration.part import MigratedRow, Part, Values
from fieldcrypt_sqlalchemy.migration.run import Range, Run
from fieldcrypt_sqlalchemy.migration.steps import Step

__all__ = ["Worker"]

_PAGES = 10  # of a range
_TRIES = 6  # of a transaction that met others
_WAIT = 0.25  # seconds until the last ranges of others are looked at again

T = TypeVar("T")

Change = tuple[Values, Exception | None]  # what to write into a row, and what keeps something from being written


class Worker:
    """Works at a step over a table until nothing is left, or it is told to stop.

    Args:
        engine: of the database.
        checkpoints: where to claim ranges, and to write down what is done.
        step, part: what is done, and to which rows.
        name: of this worker.
        batch: rows a transaction.
        pace: how fast to go.
        meter: counts.
        failures: where to tell what could not be done.
        stop: set when all are to stop at their next checkpoint.
    """

    def __init__(
        self,
        engine: Engine,
        checkpoints: Checkpoints,
        step: Step,
        part: Part,
        name: str,
        batch: int,
        pace: Pace,
        meter: Meter,
        failures: Failures,
        stop: Event,
    ) -> None:
        self._engine = engine
        self._checkpoints = checkpoints
        self._step = step
        self._part = part
        self._name = name
        self._batch = batch
        self._pace = pace
        self._meter = meter
        self._failures = failures
        self._stop = stop
        self._condition = step.condition(part)

    def run(self, run: Run) -> None:
        """Work at a run."""
        try:
            while not self._stop.is_set():
                claimed = _again(lambda: self._checkpoints.claim(run, self._part, self._name, self._batch * _PAGES))
                if isinstance(claimed, Range):
                    self._work(claimed)
                elif claimed:
                    self._stop.wait(_WAIT)
                else:
                    return
        finally:
            with suppress(DBAPIError):  # if the database is gone, the lease ends by itself, and this hides no error
                self._checkpoints.release(self._name)

    def _work(self, claimed: Range | None) -> None:
        try:
            while claimed is not None and not self._stop.is_set():
                self._pace.take(self._batch)
                claimed = self._page(claimed)
        except LostRangeError:
            return  # somebody else goes on with it

    def _page(self, claimed: Range) -> Range | None:
        """Do the next rows of a range; return what is left of it."""
        with self._engine.connect() as connection:
            if self._checkpoints.is_paused(connection, claimed.run):
                self._stop.set()
                return None
            query = self._part.query(claimed.position, claimed.ends_at, self._condition)
            rows = self._part.page(connection, query, self._batch)
        # While nothing is locked: keys may have to be fetched.
        prepared = [(row, self._change(row)) for row in rows]
        last = rows[-1].key if rows else None
        finished = len(rows) < self._batch
        try:
            after, counts = _again(lambda: self._write(claimed, prepared, last, finished))
        except IntegrityError:
            after, counts = self._one_by_one(claimed, rows, finished)
        self._meter.add(*counts)
        return None if finished else after

    def _write(
        self,
        claimed: Range,
        prepared: Sequence[tuple[MigratedRow, Change]],
        last: Key | None,
        finished: bool,
    ) -> tuple[Range, tuple[int, int, int]]:
        """Change rows, as they are now, and write down that it is done, in one transaction."""
        failures: dict[Key, Exception] = {}
        with self._engine.begin() as connection:
            self._checkpoints.hold(connection, claimed, self._name)
            changes = []
            for row, (values, error) in self._locked(connection, claimed, last, prepared):
                if error is not None:
                    failures[row.key] = error
                if values:
                    changes.append((row.key, values))
            self._part.write(connection, changes)
            counts = (len(prepared), len(changes), len(failures))
            after = self._checkpoints.advance(
                connection, self._part, claimed, self._name, last, counts, finished=finished
            )
        for key, error in failures.items():
            self._failures.add(key, error)
        return after, counts

    def _locked(
        self, connection: Connection, claimed: Range, last: Key | None, prepared: Sequence[tuple[MigratedRow, Change]]
    ) -> Iterator[tuple[MigratedRow, Change]]:
        """Yield the rows of a page once more, locked, with what is to be done to them as they are now."""
        if last is None or not any(values or error for _, (values, error) in prepared):
            return
        changes = {id(row): change for row, change in prepared}
        known = {row.key: row for row, _ in prepared}
        for row in self._part.locked(connection, claimed.position, last, self._condition, known):
            yield row, changes[id(row)] if id(row) in changes else self._change(row)

    def _one_by_one(self, claimed: Range, rows: Sequence[MigratedRow], finished: bool) -> Any:
        """Change rows each in a transaction of its own, for one of them met a constraint of the database."""
        changed = failed = 0
        position = claimed.position
        for row in rows:
            one = Range(claimed.run, claimed.number, position, row.key)
            last = finished and row is rows[-1]
            try:
                position, counts = self._write_one(one, row, last)
            except IntegrityError as error:
                self._failures.add(row.key, error)
                counts = (1, 0, 1)
                with self._engine.begin() as connection:
                    self._checkpoints.advance(connection, self._part, one, self._name, row.key, counts, finished=last)
                position = row.key
            changed, failed = changed + counts[1], failed + counts[2]
        return Range(claimed.run, claimed.number, position, claimed.ends_at), (len(rows), changed, failed)

    def _write_one(self, one: Range, row: MigratedRow, last: bool) -> tuple[Key | None, tuple[int, int, int]]:
        after, counts = _again(lambda: self._write(one, [(row, self._change(row))], row.key, last))
        return after.position, counts

    def _change(self, row: MigratedRow) -> Change:
        """Return what to write into a row, and what keeps a part of it from being written."""
        values: Values = {}
        failure: Exception | None = None
        for column, cell in zip(self._part.columns, row.cells, strict=True):
            try:
                values |= self._step.change(column, cell, row)
            except (DecryptionError, TypeError, ValueError) as error:
                failure = error
        return values, failure


def _again(work: Callable[[], T]) -> T:
    """Do a transaction, and do it once more if it met others."""
    for tried in range(1, _TRIES):
        try:
            return work()
        except DBAPIError as error:
            if isinstance(error, IntegrityError) or not is_transient(error):
                raise
        time.sleep(0.02 * 2**tried)
    return work()

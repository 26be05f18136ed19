"""A store in memory for the engine of migrations: with transactions, a clock, and processes that can be killed.

It is also the shortest example of what a store brings: a Source and a Journal.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt.migration import ExaminedValue, Sample, ValueStatus
from fieldcrypt.migration.engine.digest import about
from fieldcrypt.migration.engine.journal import (
    Counts,
    LostPortionError,
    Nothing,
    Portion,
    Run,
    at_work_error,
    is_free,
    other_declaration_error,
    rivals,
)
from fieldcrypt.migration.engine.migration import StoredMigration
from fieldcrypt.migration.engine.runner import Part
from fieldcrypt.migration.engine.source import Batch, Counted, Page, RefusedError, Source, Which, Written
from fieldcrypt.migration.engine.unit import Cell, Change, Place, ProtectedField
from fieldcrypt.spi import Accepted, is_envelope
from fieldcrypt.spi.migration import Examination

__all__ = ["Data", "Killed", "MemoryMigration", "Process", "Row", "number_of"]

LEASE = 10.0
SOON = datetime.now(UTC).date() + timedelta(days=30)

T = TypeVar("T")


class Killed(BaseException):
    """A process is no more."""


@dataclass
class Row:
    """What the store has of one row."""

    stored: Any = None
    plain: Any = None
    tag: Any = None
    tenant: str | None = None

    def plain_text(self) -> Any:
        """Return what a row without protection says."""
        return self.plain if self.plain is not None or is_envelope(self.stored) else self.stored


@dataclass
class Data:
    """All that is committed, and the hands of the clock."""

    rows: dict[int, Row] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    portions: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    frontier: dict[str, int | None] = field(default_factory=dict)
    now: float = 1000.0
    unique: set[str] = field(default_factory=set)  # values that a constraint refuses
    swallowed: set[int] = field(default_factory=set)  # rows that writes do not meet
    hidden: set[int] = field(default_factory=set)  # rows that no page returns

    def tick(self) -> float:
        """Return the time; no two things happen at the same."""
        self.now += 0.001
        return self.now


class Process:
    """Who works. Each call of the store is a moment at which it can be killed, and others can write."""

    def __init__(self, at: Callable[[str], object] = lambda call: None) -> None:
        self.at = at
        self.is_dead = False
        self.calls: list[str] = []

    def call(self, name: str) -> None:
        """Come to a moment."""
        if self.is_dead:
            raise Killed
        self.calls.append(name)
        try:
            self.at(name)
        except Killed:
            self.is_dead = True
            raise


class MemoryField(ProtectedField):
    """One protected field, in place or filled from plaintext beside it."""

    stored_name = "stored"

    def __init__(self, encryptor: Encryptor, *, copied: bool, indexed: bool, tenants: bool) -> None:
        self.name = "plain -> stored" if copied else "stored"
        self.plain_name = "plain" if copied else None
        self.tag_names = ("tag",) if indexed else ()
        self.tenants = tenants
        self._field = encryptor.field("rows.stored", str)
        self._index = encryptor.blind_index("rows.stored", str)
        self._examination = Examination(encryptor, self._field, None if copied else Accepted(SOON))

    def accepts_plaintext(self) -> bool:
        return self.plain_name is None

    def examine(self, cell: Cell, place: Place) -> ExaminedValue:
        return self._examination.examine(cell.stored, place.tenant, place.context)

    def examine_plaintext(self, cell: Cell, place: Place) -> ExaminedValue:
        if cell.plain in (None, ""):  # "" is none to the application
            return ExaminedValue(ValueStatus.NULL)
        if not isinstance(cell.plain, str):
            raise ZeroDivisionError("a type of the application's that raises what it likes")
        return ExaminedValue(ValueStatus.PLAINTEXT, cell.plain)

    def check_due(self, found: ExaminedValue) -> None:
        self._examination.check_due(found)

    def seal(self, value: Any, place: Place) -> Any:
        return self._field.encrypt(value, tenant=place.tenant, context=place.context)

    def tags(self, value: Any, place: Place) -> Mapping[str, Any]:
        return {name: None if value is None else self._index.tag(value) for name in self.tag_names}

    def as_plaintext(self, value: Any) -> Any:
        return value.encode()


class MemoryUnit:
    """A row as it was read."""

    def __init__(self, key: int, row: Row, protected: MemoryField) -> None:
        self.key = (key,)
        self.row = row
        self._field = protected

    def cells(self) -> Sequence[tuple[ProtectedField, Cell]]:
        return [
            (self._field, Cell(self.row.stored, dict.fromkeys(self._field.tag_names, self.row.tag), self.row.plain))
        ]

    def place(self) -> Place:
        return Place({"row": str(self.key[0])}, self.row.tenant if self._field.tenants else None)


class MemorySource(Source):
    """The rows."""

    name = "rows"

    def __init__(self, data: Data, protected: MemoryField, process: Process) -> None:
        self._data, self._field, self._process = data, protected, process
        self.fields = [protected]

    def problems(self, step: str) -> list[str]:
        self._process.call("problems")
        return []

    def describe(self) -> str:
        return about(self._field.name, [str(self._field.tag_names), str(self._field.tenants)])

    def remarks(self) -> Sequence[str]:
        return ["drop the column"]

    def estimate(self, which: Which = Which.ALL) -> int:
        return sum(self._is(row, which) for row in self._data.rows.values())

    def _is(self, row: Row, which: Which) -> bool:
        copied, ours = self._field.plain_name is not None, is_envelope(row.stored)
        if which is Which.ALL:
            return True
        if which is Which.FILLED:
            return row.stored is not None if copied else ours
        is_plain = row.plain is not None if copied else row.stored is not None and not ours
        return is_plain and (which is Which.PLAIN or not copied or row.stored is None)

    def count(self, which: Which) -> Counted:
        self._process.call("count")
        return Counted(len(self._data.rows), sum(self._is(row, which) for row in self._data.rows.values()))

    def _read(self, after: int | None, until: int | None, which: Which) -> list[MemoryUnit]:
        return [
            MemoryUnit(key, copy.copy(row), self._field)
            for key, row in sorted(self._data.rows.items())
            if (after is None or key > after) and (until is None or key <= until)
            if key not in self._data.hidden and self._is(row, which)
        ]

    def page(self, portion: Portion, which: Which, size: int) -> Page:
        self._process.call("page")
        units = self._read(portion.position, portion.until, which)
        position = units[:size][-1].key[0] if units else None
        return Page(units[:size], position, len(units) <= size)

    def pages(self, which: Which, sample: Sample | None = None) -> Iterator[Sequence[MemoryUnit]]:
        self._process.call("pages")
        yield self._read(None, None, which)

    def transact(self, work: Callable[[Batch], T]) -> T:
        self._process.call("transact")
        before = copy.deepcopy((self._data.rows, self._data.runs, self._data.portions, self._data.frontier))
        try:
            done = work("a transaction")
            self._process.call("commit")
        except BaseException:
            self._data.rows, self._data.runs, self._data.portions, self._data.frontier = before
            raise
        return done

    def write(
        self,
        batch: Batch,
        portion: Portion,
        page: Page,
        changes: Sequence[Change],
        again: Callable[[Any], Change],
        beat: Callable[[], None],
    ) -> Written:
        self._process.call("write")
        written = Written()
        for unit, change in zip(page.units, changes, strict=True):
            assert isinstance(unit, MemoryUnit)
            now = self._data.rows.get(unit.key[0])
            if now is None:
                continue
            if now != unit.row:
                change = again(MemoryUnit(unit.key[0], copy.copy(now), self._field))
            written.looked_at += 1
            if change.failure is not None:
                written.failures[unit.key] = change.failure
            if not change.values:
                continue
            if now.plain in self._data.unique:
                raise RefusedError(ValueError("a constraint"))
            if unit.key[0] in self._data.swallowed:
                written.failures[unit.key] = ValueError("was not met")
                continue
            for name, value in change.values.items():
                setattr(now, name, value)
            written.changed += 1
        return written

    def position_of(self, unit: Any) -> Any:
        return unit.key[0]


class MemoryJournal:
    """How far the steps are."""

    lease = LEASE

    def __init__(self, data: Data, process: Process) -> None:
        self._data, self._process = data, process

    def exists(self) -> bool:
        return True

    def create(self) -> None:
        self._process.call("create")

    def runs(self) -> Sequence[Run]:
        return list(self._data.runs.values())

    def find(self, step: str) -> Run | None:
        self._process.call("find")
        return self._data.runs.get(step)

    def _at_work(self, steps: frozenset[str]) -> tuple[str, str] | None:
        for (step, _), each in self._data.portions.items():
            free = is_free(each["worker"], each["until"], self._data.now, LEASE)
            if step in steps and not each["finished"] and not free:
                return step, each["worker"]
        return None

    def begin(self, step: str, about: str, total: int, *, restart: bool, drops: Sequence[str]) -> Run:
        self._process.call("begin")
        busy = self._at_work(rivals(step) | (frozenset({step}) if restart else frozenset()))
        if busy is not None:
            raise at_work_error("rows", *busy, LEASE)
        old = self._data.runs.get(step)
        goes_on = old is not None and old.ended is None and not restart
        if old is not None and goes_on and old.about != about:
            raise other_declaration_error("rows", old, about)
        for each in (*drops, *(() if goes_on else (step,))):
            self._drop(each)
        if old is not None and goes_on:
            self._data.runs[step] = replace(old, paused=False)
        else:
            self._data.runs[step] = Run(step, "rows", about, total, 0, 0, 0, self._data.tick())
            self._data.frontier[step] = -1
        return self._data.runs[step]

    def _drop(self, step: str) -> None:
        self._data.runs.pop(step, None)
        self._data.portions = {at: each for at, each in self._data.portions.items() if at[0] != step}

    def note(self, run: Run, counts: Counts) -> bool:
        self._process.call("note")
        now = self._data.runs.get(run.step)
        if now is None or now.began != run.began:
            return False
        ended = replace(now, done=counts.done, changed=counts.changed, failed=counts.failed, ended=self._data.tick())
        self._data.runs[run.step] = ended
        return True

    def claim(self, run: Run, worker: str, units: int) -> Portion | Nothing:
        self._process.call("claim")
        busy = self._at_work(rivals(run.step))
        if busy is not None:
            raise at_work_error("rows", *busy, LEASE)
        now = self._data.runs.get(run.step)
        if now is None or now.began != run.began or now.ended is not None:
            return Nothing.DONE
        if now.paused:
            return Nothing.PAUSED
        mine = {"worker": worker, "until": self._data.now + LEASE}
        left = {at: each for at, each in self._data.portions.items() if at[0] == run.step and not each["finished"]}
        for at, each in left.items():
            if is_free(each["worker"], each["until"], self._data.now, LEASE):
                each |= mine
                return Portion(run, at[1], each["position"], each["ends_at"])
        frontier = self._data.frontier[run.step]
        if frontier is None:
            if not left:
                self._data.runs[run.step] = replace(now, ended=self._data.tick())
            return Nothing.WAIT if left else Nothing.DONE
        beyond = [key for key in sorted(self._data.rows) if key > frontier]
        ends_at = beyond[units - 1] if len(beyond) >= units else None
        number = sum(at[0] == run.step for at in self._data.portions)
        new = {"position": frontier, "ends_at": ends_at, "finished": False} | mine
        self._data.portions[run.step, number] = new
        self._data.frontier[run.step] = ends_at
        return Portion(run, number, frontier, ends_at)

    def goes_on(self, run: Run) -> bool:
        self._process.call("goes_on")
        now = self._data.runs.get(run.step)
        return now is None or not now.paused

    def _mine(self, portion: Portion, worker: str) -> dict[str, Any]:
        found = self._data.portions.get((portion.run.step, portion.number))
        now = self._data.runs.get(portion.run.step)
        if found is None or found["worker"] != worker or found["finished"] or now is None:
            raise LostPortionError
        if now.began != portion.run.began:
            raise LostPortionError
        return found

    def hold(self, batch: Any, portion: Portion, worker: str) -> None:
        self._process.call("hold")
        self._mine(portion, worker)["until"] = self._data.now + LEASE

    def advance(self, batch: Any, portion: Portion, worker: str, counts: Counts, *, finished: bool) -> None:
        self._process.call("advance")
        found = self._mine(portion, worker)
        found |= {"position": portion.position, "finished": finished}
        run = self._data.runs[portion.run.step]
        summed = {name: getattr(run, name) + more for name, more in counts._asdict().items()}
        self._data.runs[portion.run.step] = replace(run, **summed)

    def release(self, run: Run, worker: str) -> None:
        self._process.call("release")
        for each in self._data.portions.values():
            if each["worker"] == worker:
                each["worker"] = None

    def pause(self) -> None:
        self._data.runs = {
            step: replace(run, paused=True) if run.ended is None else run for step, run in self._data.runs.items()
        }


class MemoryMigration(StoredMigration):
    """A migration of the rows in memory."""

    def __init__(
        self,
        data: Data,
        encryptor: Encryptor,
        process: Process | None = None,
        *,
        copied: bool = True,
        indexed: bool = False,
        tenants: bool = False,
    ) -> None:
        self.process = Process() if process is None else process
        protected = MemoryField(encryptor, copied=copied, indexed=indexed, tenants=tenants)
        self.source = MemorySource(data, protected, self.process)
        super().__init__("rows", [Part(self.source, MemoryJournal(data, self.process))])

    def translated_errors(self, step: str) -> AbstractContextManager[None]:
        return nullcontext()

    def check_workers(self, workers: int) -> None:
        if workers > 1:
            raise ConfigurationError("one worker")


def number_of(report: Any) -> tuple[int, int, int, int, int, bool]:
    """Return the numbers of a step's report."""
    return report.rows, report.changed, report.failed, report.total, report.left, report.complete

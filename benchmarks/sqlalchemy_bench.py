"""What protected columns cost in SQLAlchemy: the same table unprotected, column-bound and bound to rows.

    python -m benchmarks.sqlalchemy_bench [--rows N] [--repeat N] [--database NAME] [--check] [--json FILE]

A table of a key, a tenant and five protected columns of mixed types (two texts, a date, an exact number, an int) is
written and read through the ORM and through Core, on SQLite in memory, where the database takes the least of the time,
and on PostgreSQL over loopback. All forms of a measure take turns, and a ratio is taken within a round. The garbage
collector is on, as in applications. With --check, exit code 1 if a ratio is over its limit.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from operator import attrgetter
from pathlib import Path
from time import perf_counter
from typing import Any

import sqlalchemy
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import Engine, create_engine, insert, select
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import Session

from benchmarks import measure
from benchmarks.measure import Result
from benchmarks.sqlalchemy_models import PROTECTED, Base, ColumnBound, Plain, RowBound, encryptor, made_rows
from fieldcrypt import LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import seal
from tests.doubles import CountingProvider
from tests.postgres import Postgres

FEW_ROWS = 100  # the keys that these need are all that any number of rows needs
GETS = 1000
DATABASES = ("sqlite", "postgresql")

Work = Callable[[], object]
Rows = list[dict[str, Any]]
Contest = Callable[[Engine, Any, Rows], AbstractContextManager[Work]]  # prepares, and cleans up, what is not timed

_read_protected = attrgetter(*PROTECTED)


@dataclass(frozen=True, slots=True)
class Contender:
    """A protected form of the table in a measure.

    Attributes:
        form: its name.
        model: the mapped class.
        contest: what is timed.
        limit: how many times the time of the plain table it may take, or None.
    """

    form: str
    model: type[Base]
    contest: Contest
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report.

    Attributes:
        database, name, form: what was measured.
        us: median time a row, in microseconds.
        ratio: to the plain table, the median over the rounds; None for the plain table.
        quartiles: of the ratio.
        limit: for the ratio, or None.
    """

    database: str
    name: str
    form: str
    us: float
    ratio: float | None = None
    quartiles: tuple[float, float] | None = None
    limit: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the limit does not hold."""
        return self.limit is not None and self.ratio is not None and self.ratio > self.limit


# What is timed


def _empty_table(engine: Engine, model: Any) -> None:
    model.__table__.drop(engine, checkfirst=True)
    model.__table__.create(engine)


@contextmanager
def adding(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Make objects, add and commit them, into a fresh table."""
    _empty_table(engine, model)
    with Session(engine) as session:

        def work() -> None:
            session.add_all([model(**row) for row in rows])
            session.commit()

        yield work


@contextmanager
def loading(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Load all objects; whatever is decrypted at all when it is loaded is."""
    with Session(engine) as session:
        yield lambda: session.scalars(select(model)).all()


@contextmanager
def reading(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Load all objects, and read the five attributes of each."""
    with Session(engine) as session:

        def work() -> object:
            loaded = session.scalars(select(model)).all()
            for patient in loaded:
                _read_protected(patient)
            return loaded

        yield work


@contextmanager
def getting(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Get one object after the other by its key, as many as GETS, and read its attributes."""
    keys = [row["id"] for row in islice(cycle(rows), GETS)]
    random.shuffle(keys)
    with Session(engine) as session:

        def work() -> None:
            for key in keys:
                patient = session.get_one(model, key)
                _read_protected(patient)
                session.expunge(patient)  # the next one is got from the database, too

        yield work


@contextmanager
def inserting(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Insert rows by Core, into a fresh table."""
    _empty_table(engine, model)
    with engine.connect() as connection:

        def work() -> None:
            connection.execute(insert(model.__table__), rows)
            connection.commit()

        yield work


@contextmanager
def sealing(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Seal rows and insert them by Core, into a fresh table."""
    _empty_table(engine, model)
    with engine.connect() as connection:

        def work() -> None:
            connection.execute(insert(model.__table__), [seal(model, row) for row in rows])
            connection.commit()

        yield work


@contextmanager
def selecting(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Select all rows by Core."""
    with engine.connect() as connection:
        yield lambda: connection.execute(select(model.__table__)).all()


# What writes stands before what reads: it leaves the tables full.
MEASURES: Mapping[tuple[str, Contest], tuple[Contender, ...]] = {
    ("ORM add_all, commit", adding): (
        Contender("column-bound", ColumnBound, adding, 1.7),
        Contender("decorated", RowBound, adding, 2.2),
    ),
    ("Core insert", inserting): (
        Contender("column-bound", ColumnBound, inserting),
        Contender("decorated, seal()", RowBound, sealing),
    ),
    ("ORM load", loading): (
        Contender("column-bound", ColumnBound, loading, 1.8),
        Contender("decorated, unread", RowBound, loading, 1.3),
    ),
    ("ORM load, read all five", reading): (
        Contender("column-bound", ColumnBound, reading, 1.8),
        Contender("decorated", RowBound, reading, 2.2),
    ),
    ("ORM get, read all five", getting): (
        Contender("column-bound", ColumnBound, getting, 1.2),
        Contender("decorated", RowBound, getting, 1.2),
    ),
    ("Core select", selecting): (
        Contender("column-bound", ColumnBound, selecting),
        Contender("decorated, unread", RowBound, selecting),
    ),
}


def run(engine: Engine, count: int, repeat: int, on_round: Callable[[str], None]) -> Iterator[Line]:
    """Measure everything on one database.

    Args:
        engine: of a database that may be written to.
        count: rows.
        repeat: rounds of a measure.
        on_round: called after every round with the name of the measure, for a progress bar.
    """
    encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    rows = list(made_rows(count))
    for (name, plain), contenders in MEASURES.items():
        divisor = GETS if plain is getting else count
        contests = {"plain": partial(plain, engine, Plain, rows)}
        contests |= {its.form: partial(its.contest, engine, its.model, rows) for its in contenders}
        results = _rounds(contests, repeat, divisor, partial(on_round, name))
        floor = results["plain"]
        yield Line(engine.name, name, "plain", floor.median)
        for its in contenders:
            mine = results[its.form]
            yield Line(engine.name, name, its.form, mine.median, mine.ratio(floor), mine.spread(floor), its.limit)


def _rounds(
    contests: Mapping[str, Callable[[], AbstractContextManager[Work]]],
    repeat: int,
    divisor: int,
    on_round: Callable[[], None],
) -> dict[str, Result]:
    times: dict[str, list[float]] = {name: [] for name in contests}
    for contest in contests.values():
        _seconds(contest)  # what happens once (statements are compiled, keys made) is not part of the measure
    order = list(contests)
    for _ in range(repeat):
        random.shuffle(order)
        for name in order:
            times[name].append(_seconds(contests[name]) / divisor * 1e6)
        on_round()
    return {name: Result(tuple(values)) for name, values in times.items()}


def _seconds(contest: Callable[[], AbstractContextManager[Work]]) -> float:
    with contest() as work:
        gc.collect()  # the garbage of others; one's own is collected when it comes to that
        start = perf_counter()
        made = work()
        seconds = perf_counter() - start
        del made
    return seconds


def key_calls(engine: Engine, count: int) -> tuple[int, int]:
    """Write and read rows in both protected forms; return how often a data key was wrapped, and unwrapped."""
    provider, store = CountingProvider(), MemoryKeyStore()
    encryptor.configure(provider, store)
    rows = list(made_rows(count))
    for model in (ColumnBound, RowBound):
        with adding(engine, model, rows) as work:
            work()
    encryptor.configure(provider, store)  # as a process that has just started: no key is live
    for model in (ColumnBound, RowBound):
        with reading(engine, model, rows) as work:
            work()
    return provider.wraps, provider.unwraps


@contextmanager
def database(name: str) -> Iterator[Engine]:
    """Yield an engine on an empty database: SQLite in memory, or a PostgreSQL that is started for it."""
    with ExitStack() as stack:
        url = "sqlite://" if name == "sqlite" else stack.enter_context(Postgres()).url
        engine = create_engine(url)
        stack.callback(engine.dispose)
        yield engine


# The report


def _table(name: str, lines: list[Line]) -> Table:
    title = {"sqlite": "SQLite, in memory", "postgresql": "PostgreSQL, over loopback"}[name]
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))  # fits into 80 columns
    for column in ("", "form"):
        table.add_column(column)
    for column in ("us/row", "x plain", "quartiles", "limit"):
        table.add_column(column, justify="right")
    table.add_column("")
    for line in lines:
        if line.ratio is None or line.quartiles is None:
            table.add_row(line.name, line.form, f"{line.us:,.2f}")
            continue
        low, high = line.quartiles
        limit = "" if line.limit is None else f"{line.limit}"
        verdict = "" if line.limit is None else "[red]over[/]" if line.is_over else "[green]holds[/]"
        table.add_row("", line.form, f"{line.us:,.2f}", f"{line.ratio:.2f}", f"{low:.2f}-{high:.2f}", limit, verdict)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sqlalchemy_bench", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rows", type=int, default=10_000, metavar="N", help=f"at least {FEW_ROWS}; default 10,000")
    parser.add_argument(
        "--repeat", type=int, default=11, metavar="N", help="rounds of a measure, at least 2; default 11"
    )
    parser.add_argument("--database", choices=DATABASES, help="only this one")
    parser.add_argument("--check", action="store_true", help="exit code 1 if a limit does not hold")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    if arguments.rows < FEW_ROWS or arguments.repeat < 2:
        parser.error(f"there are at least {FEW_ROWS} rows and 2 rounds")

    console = Console()
    warnings.filterwarnings("ignore", "Dialect sqlite.*Decimal", SAWarning)  # of the plain table; no digit is lost here
    lines: list[Line] = []
    calls: dict[str, dict[int, tuple[int, int]]] = {}
    names = (arguments.database,) if arguments.database else DATABASES
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("", total=len(names) * len(MEASURES) * arguments.repeat)
        for name in names:
            with database(name) as engine:
                on_round = partial(_advance, progress, task, name)
                lines += run(engine, arguments.rows, arguments.repeat, on_round)
                calls[name] = {count: key_calls(engine, count) for count in (FEW_ROWS, arguments.rows)}

    console.print(f"{arguments.rows:,} rows, 5 protected columns; median of {arguments.repeat} rounds; gc is on")
    for name in names:
        console.print(_table(name, [line for line in lines if line.database == name]))
        said = [f"{count:,} rows {wraps} wraps, {unwraps} unwraps" for count, (wraps, unwraps) in calls[name].items()]
        console.print(f"calls of the key provider to write and read both forms: {'; '.join(said)}\n")
    for key, value in {**measure.environment(), "sqlalchemy": sqlalchemy.__version__}.items():
        console.print(f"[dim]{key}: {value}[/]")
    if arguments.json:
        measure.write_json(arguments.json, {"lines": [asdict(line) for line in lines], "key_calls": calls})
    grown = any(len(set(counts.values())) > 1 for counts in calls.values())
    return 1 if arguments.check and (grown or any(line.is_over for line in lines)) else 0


def _advance(progress: Progress, task: Any, database: str, name: str) -> None:
    progress.update(task, advance=1, description=f"{database}: {name}")


if __name__ == "__main__":
    sys.exit(main())

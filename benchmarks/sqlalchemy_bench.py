"""What protected columns cost in SQLAlchemy: a table unprotected, column-bound, and bound to its rows.

    python -m benchmarks.sqlalchemy_bench [--rows N] [--repeat N] [--database NAME] [--check] [--json FILE]

The table has a UUID for a key, a tenant, and five columns that are protected: two texts, a date, a Numeric and an int.
It is written and read through the ORM and through Core, on SQLite in memory, where the database takes the least of the
time, and on PostgreSQL over loopback. Its three forms take turns, and a ratio is taken within a round. The garbage
collector is on, as in applications. With --check, exit code 1 if a limit does not hold.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import sqlalchemy
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SAWarning

from benchmarks import measure
from benchmarks.measure import Result
from benchmarks.sqlalchemy_workload import (
    GETS,
    MEASURES,
    ColumnBound,
    RowBound,
    Work,
    adding,
    encryptor,
    getting,
    patients,
    reading,
)
from fieldcrypt import LocalKeyProvider, MemoryKeyStore
from tests.doubles import CountingProvider
from tests.postgres import Postgres

FEW_ROWS = 100  # of all tenants, so that no more keys are needed for any number of rows
TITLES = {"sqlite": "SQLite, in memory", "postgresql": "PostgreSQL, over loopback"}

Contests = Mapping[str, Callable[[], AbstractContextManager[Work]]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report: one form of the table in one measure.

    Attributes:
        us: median time a row, in microseconds.
        ratio: to the plain table, the median over the rounds; 1 for that one.
        quartiles: of the ratio.
        limit: for the ratio, or None.
    """

    database: str
    measure: str
    form: str
    us: float
    ratio: float
    quartiles: tuple[float, float]
    limit: float | None

    @property
    def is_over(self) -> bool:
        """Whether the limit does not hold."""
        return self.limit is not None and self.ratio > self.limit


@dataclass(frozen=True, slots=True)
class KeyCalls:
    """How often the key provider was asked while rows were written, and read by a process that has just started."""

    database: str
    rows: int
    wraps: int
    unwraps: int


@contextmanager
def database(name: str) -> Iterator[Engine]:
    """Yield an engine on an empty database: SQLite in memory, or a PostgreSQL server of its own."""
    with ExitStack() as stack:
        engine = create_engine("sqlite://" if name == "sqlite" else stack.enter_context(Postgres()).url)
        stack.callback(engine.dispose)
        yield engine


def run(engine: Engine, count: int, repeat: int, on_round: Callable[[str], None]) -> Iterator[Line]:
    """Measure everything on one database.

    Args:
        engine: of a database that is empty.
        count: rows.
        repeat: rounds of each measure.
        on_round: called after every round with the measure's name, for a progress bar.
    """
    encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    rows = list(patients(count))
    for what in MEASURES:
        contests = {form.name: partial(form.contest, engine, form.model, rows) for form in what.forms}
        divisor = GETS if what.forms[0].contest is getting else count
        results = _rounds(contests, repeat, divisor, partial(on_round, what.name))
        floor = results[what.forms[0].name]
        for form in what.forms:
            mine = results[form.name]
            figures = mine.median, mine.ratio(floor), mine.spread(floor)
            yield Line(engine.name, what.name, form.name, *figures, form.limit)


def _rounds(contests: Contests, repeat: int, divisor: int, on_round: Callable[[], None]) -> dict[str, Result]:
    times: dict[str, list[float]] = {name: [] for name in contests}
    for contest in contests.values():
        _seconds(contest)  # what happens once (statements are compiled, keys are made) is not part of the measure
    order = list(contests)
    for _ in range(repeat):
        random.shuffle(order)
        for name in order:
            times[name].append(_seconds(contests[name]) / divisor * 1e6)
        on_round()
    return {name: Result(tuple(values)) for name, values in times.items()}


def _seconds(contest: Callable[[], AbstractContextManager[Work]]) -> float:
    with contest() as work:
        gc.collect()  # what others left behind; the collector stays on
        start = perf_counter()
        made = work()
        seconds = perf_counter() - start
        del made
    return seconds


def key_calls(engine: Engine, count: int) -> KeyCalls:
    """Write and read rows in both protected forms, and count."""
    provider, store = CountingProvider(), MemoryKeyStore()
    rows = list(patients(count))
    for contest in (adding, reading):
        encryptor.configure(provider, store)  # no key is live then
        for model in (ColumnBound, RowBound):
            with contest(engine, model, rows) as work:
                work()
    return KeyCalls(engine.name, count, provider.wraps, provider.unwraps)


def complaints(lines: Sequence[Line], calls: Sequence[KeyCalls]) -> Iterator[str]:
    """Say what is not as promised; nothing, if all is well."""
    for line in lines:
        if line.is_over:
            yield f"{line.database}, {line.measure}, {line.form}: {line.ratio:.2f} times plain, over {line.limit}"
    if len({(call.wraps, call.unwraps) for call in calls}) > 1:
        yield "the number of calls of the key provider depends on the number of rows"


def _table(title: str, lines: Sequence[Line]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))  # fits into 80 columns
    for column in ("", "form"):
        table.add_column(column)
    for column in ("us/row", "x plain", "quartiles", "limit"):
        table.add_column(column, justify="right")
    table.add_column("")
    for line in lines:
        if line.form == "plain":
            table.add_row(line.measure, line.form, f"{line.us:,.1f}")
            continue
        low, high = line.quartiles
        limit = verdict = ""
        if line.limit is not None:
            limit, verdict = str(line.limit), "[red]over[/]" if line.is_over else "[green]holds[/]"
        table.add_row("", line.form, f"{line.us:,.1f}", f"{line.ratio:.2f}", f"{low:.2f}-{high:.2f}", limit, verdict)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sqlalchemy_bench", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rows", type=int, default=10_000, metavar="N", help=f"at least {FEW_ROWS} (default 10,000)")
    parser.add_argument(
        "--repeat", type=int, default=11, metavar="N", help="rounds of a measure, at least 2 (default 11)"
    )
    parser.add_argument("--database", choices=TITLES, help="only this one")
    parser.add_argument("--check", action="store_true", help="exit code 1 if a limit does not hold")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    if arguments.rows < FEW_ROWS or arguments.repeat < 2:
        parser.error(f"it takes {FEW_ROWS} rows and 2 rounds at least")

    console = Console()
    warnings.filterwarnings("ignore", "Dialect sqlite.*Decimal", SAWarning)  # the plain table's, which loses no digit
    lines: list[Line] = []
    calls: list[KeyCalls] = []
    names = [arguments.database] if arguments.database else list(TITLES)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("", total=len(names) * len(MEASURES) * arguments.repeat)
        for name in names:

            def on_round(what: str, name: str = name) -> None:
                progress.update(task, advance=1, description=f"{name}: {what}")

            with database(name) as engine:
                lines += run(engine, arguments.rows, arguments.repeat, on_round)
                calls += [key_calls(engine, count) for count in (FEW_ROWS, arguments.rows)]
    _report(console, arguments, names, lines, calls)
    found = list(complaints(lines, calls))
    for complaint in found:
        console.print(f"[red]not as promised:[/] {complaint}")
    if arguments.json:
        figures: dict[str, Any] = {"lines": [asdict(line) for line in lines], "key_calls": [asdict(c) for c in calls]}
        measure.write_json(arguments.json, figures)
    return 1 if arguments.check and found else 0


def _report(
    console: Console, arguments: Any, names: Sequence[str], lines: Sequence[Line], calls: Sequence[KeyCalls]
) -> None:
    console.print(f"{arguments.rows:,} rows, 5 columns of 6 protected; medians of {arguments.repeat} rounds; gc is on")
    for name in names:
        console.print(_table(TITLES[name], [line for line in lines if line.database == name]))
    console.print("Calls of the key provider, to write and to read all in both protected forms:")
    for call in calls:
        console.print(f"  {call.database}, {call.rows:,} rows: {call.wraps} to wrap, {call.unwraps} to unwrap a key")
    for key, value in {**measure.environment(), "sqlalchemy": sqlalchemy.__version__}.items():
        console.print(f"[dim]{key}: {value}[/]")


if __name__ == "__main__":
    sys.exit(main())

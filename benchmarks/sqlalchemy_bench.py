"""What protected columns cost in SQLAlchemy: a table unprotected, column-bound, bound to its rows, and by a peer.

The table has a UUID for a key, a tenant, and five columns that are protected: two texts, a date, a Numeric and an int.
It is written and read through the ORM and through Core, on SQLite in memory, where the database takes the least of the
time, and on PostgreSQL over loopback. Its forms take turns, and a ratio is taken within a round. The garbage collector
is on, as in applications.
"""

from __future__ import annotations

import gc
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from time import perf_counter
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SAWarning

from benchmarks.compare import microseconds, times
from benchmarks.measure import Result
from benchmarks.section import Benchmark, Chart, Options, Section, Series, Table
from benchmarks.sqlalchemy_workload import (
    GETS,
    PLAIN,
    ColumnBound,
    RowBound,
    Work,
    adding,
    encryptor,
    getting,
    measures,
    patients,
    reading,
)
from fieldcrypt import LocalKeyProvider, MemoryKeyStore
from tests.support.doubles import CountingProvider
from tests.support.postgres import Postgres

__all__ = ["BENCHMARK", "TITLES", "database", "rounds_of"]

FEW_ROWS = 100  # of all tenants, so that no more keys are needed for any number of rows
TITLES = {"sqlite": "SQLite, in memory", "postgresql": "PostgreSQL, over loopback"}

Contests = Mapping[str, Callable[[], AbstractContextManager[Work]]]


@dataclass(frozen=True, slots=True)
class Line:
    """One form of the table in one measure.

    Attributes:
        us: median time a row, in microseconds.
        ratio: to the plain table, the median over the rounds; 1 for that one.
        quartiles: of the ratio.
    """

    database: str
    measure: str
    form: str
    us: float
    ratio: float
    quartiles: tuple[float, float]


@dataclass(frozen=True, slots=True)
class KeyCalls:
    """How often the key provider was asked while rows were written, and read by a process that has just started."""

    database: str
    rows: int
    wraps: int
    unwraps: int


def run(options: Options) -> Section:
    """Measure on both databases."""
    rows, rounds = (300, 2) if options.quick else (5_000, 7)
    peer, missing = _peer()
    lines: list[Line] = []
    calls: list[KeyCalls] = []
    steps = len(TITLES) * len(list(measures(None))) * rounds
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Dialect sqlite.*Decimal", SAWarning)  # the plain table loses no digit
        for name in TITLES:
            with database(name) as engine:
                on_round = partial(_advance, options, 1 / steps, name)
                lines += measured(engine, rows, rounds, peer, on_round)
                calls += [key_calls(engine, count) for count in (FEW_ROWS, rows)]
    shown = {(line.database, line.measure, line.form): line for line in lines}
    orm = [shown[name, "ORM load, read all", "decorated"].ratio for name in TITLES]
    return Section(
        name="sqlalchemy",
        title="SQLAlchemy: a table with five protected columns",
        summary=(
            f"Objects whose five protected columns are all read take {times(orm[0])} times as long to load as "
            f"unprotected ones on SQLite in memory, and {times(orm[1])} times as long on PostgreSQL."
        ),
        meaning=(
            f"{rows:,} rows with a UUID and a tenant, and two texts, a date, a Numeric and a number that are "
            "protected: in the model's columns alone (column-bound), or bound to the row and its tenant (decorated). "
            "Everything is done in turn with the same table unprotected and in each of its forms, in random order, "
            "garbage collector on; x plain is to the unprotected table in the same round.",
            "PostgreSQL runs on the same machine. SQLite is in memory, which makes the ratio as bad as it can be: a "
            "database that takes its time makes encryption matter less. A decorated model pays for what it reads: a "
            "list that shows none of its protected fields costs what it costs without protection.",
        ),
        tables=(*(_table(name, lines) for name in TITLES), _call_table(calls)),
        charts=tuple(_chart(name, lines) for name in TITLES),
        figures={"lines": [asdict(line) for line in lines], "key_calls": [asdict(each) for each in calls]},
        ratios=_ratios(lines),
        complaints=tuple(complaints(calls)),
        missing=missing,
    )


def check() -> dict[str, float]:
    """Measure on SQLite, where a ratio is at its worst and needs no server."""
    with warnings.catch_warnings(), database("sqlite") as engine:
        warnings.filterwarnings("ignore", "Dialect sqlite.*Decimal", SAWarning)
        return _ratios(measured(engine, 1_000, 7, None, lambda _: None))


def _ratios(lines: Iterable[Line]) -> dict[str, float]:
    return {f"{line.database}, {line.measure}, {line.form}": line.ratio for line in lines if line.form != PLAIN}


def _advance(options: Options, part: float, name: str, what: str) -> None:
    options.advance(part, f"{name}: {what}")


def _peer() -> tuple[Any, dict[str, str]]:
    try:
        return import_module("benchmarks.sqlalchemy_peer").PEER, {}
    except ImportError as error:
        return None, {"sqlalchemy-utils": str(error)}


@contextmanager
def database(name: str) -> Iterator[Engine]:
    """Yield an engine on an empty database: SQLite in memory, or a PostgreSQL server of its own."""
    with ExitStack() as stack:
        engine = create_engine("sqlite://" if name == "sqlite" else stack.enter_context(Postgres()).url)
        stack.callback(engine.dispose)
        yield engine


def measured(engine: Engine, count: int, rounds: int, peer: Any, on_round: Callable[[str], None]) -> Iterator[Line]:
    """Measure everything on one database.

    Args:
        engine: of a database that is empty.
        count: rows.
        rounds: of each measure.
        peer: the form of another library, or None.
        on_round: called after every round with the measure's name, for a progress bar.
    """
    encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    rows = list(patients(count))
    for what in measures(peer):
        contests = {form.name: partial(form.contest, engine, form.model, rows) for form in what.forms}
        divisor = GETS if what.forms[0].contest is getting else count
        results = rounds_of(contests, rounds, divisor, partial(on_round, what.name))
        floor = results[PLAIN]
        for name, mine in results.items():
            yield Line(engine.name, what.name, name, mine.median, mine.ratio(floor), mine.spread(floor))


def rounds_of(contests: Contests, rounds: int, divisor: int, on_round: Callable[[], None]) -> dict[str, Result]:
    """Let contests take turns, in random order, and return their microseconds by so many."""
    taken: dict[str, list[float]] = {name: [] for name in contests}
    for contest in contests.values():
        _seconds(contest)  # what happens once (statements are compiled, keys are made) is not part of the measure
    order = list(contests)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            taken[name].append(_seconds(contests[name]) / divisor * 1e6)
        on_round()
    return {name: Result(tuple(values)) for name, values in taken.items()}


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


def complaints(calls: Sequence[KeyCalls]) -> Iterator[str]:
    """Return what is not as promised, or nothing if all is well."""
    if len({(call.wraps, call.unwraps) for call in calls}) > 1:
        yield "the number of calls of the key provider depends on the number of rows"


def _table(name: str, lines: Sequence[Line]) -> Table:
    rows = tuple(
        (line.measure, line.form, microseconds(line.us), times(line.ratio), "–".join(map(times, line.quartiles)))
        for line in lines
        if line.database == name
    )
    return Table(TITLES[name], ("work", "columns", "µs a row", "x plain", "quartiles"), rows, labels=2)


def _call_table(calls: Sequence[KeyCalls]) -> Table:
    return Table(
        "Calls of the key provider, to write and to read all in both protected forms",
        ("database", "rows", "to wrap a key", "to unwrap one"),
        tuple((TITLES[call.database], f"{call.rows:,}", str(call.wraps), str(call.unwraps)) for call in calls),
        note="One for each tenant, of 20, and one for the column-bound table; more rows need no more.",
    )


def _chart(name: str, lines: Sequence[Line]) -> Chart:
    forms: dict[str, list[Line]] = {}
    for line in lines:
        if line.database == name and line.form != PLAIN:
            forms.setdefault(line.form.partition(",")[0], []).append(line)
    series = tuple(
        Series(
            form,
            tuple((line.measure, line.ratio) for line in of_form),
            tuple(line.quartiles for line in of_form),
        )
        for form, of_form in forms.items()
    )
    return Chart(f"{TITLES[name]}: beside the same table unprotected", "bars", series, y="x plain", limit=1.0)


BENCHMARK = Benchmark(
    "sqlalchemy", "SQLAlchemy: a table with five protected columns", run, seconds=(170, 10), check=check
)

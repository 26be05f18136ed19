"""A table of SQLAlchemy's with five protected columns: by both backends, beside the same table unprotected."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import DeclarativeBase

from benchmarks.compare import microseconds
from benchmarks.measure import Result
from benchmarks.native.row import NATIVE, PURE, Row
from benchmarks.sqlalchemy_bench import TITLES, database, rounds_of
from benchmarks.sqlalchemy_workload import (
    PLAIN,
    Contest,
    Plain,
    adding,
    loading,
    patients,
    protected,
    reading,
    selecting,
)
from fieldcrypt import Encryptor

__all__ = ["table_rows"]

COLUMN_BOUND, DECORATED = 0, 1  # the models of `protected`


@dataclass(frozen=True, slots=True)
class Work:
    """Something to do with the table.

    Attributes:
        name: what the report calls it.
        contest: what is timed.
        model: which of the protected models does it.
        goals: x plain, on SQLite and on PostgreSQL, by backend.
    """

    name: str
    contest: Contest
    model: int
    goals: Mapping[str, tuple[float, float]]


# The one that writes comes first: it leaves the tables full.
WORKS = (
    Work("ORM add_all, decorated", adding, DECORATED, {PURE: (1.6, 1.7), NATIVE: (1.4, 1.4)}),
    Work("ORM load, column-bound", loading, COLUMN_BOUND, {PURE: (1.95, 2.4), NATIVE: (1.35, 1.5)}),
    Work("ORM load and read all, decorated", reading, DECORATED, {PURE: (2.4, 3.1), NATIVE: (1.6, 1.9)}),
    Work("Core select, column-bound", selecting, COLUMN_BOUND, {PURE: (3.0, 5.0), NATIVE: (1.8, 2.2)}),
)
ORDER = (1, 2, 0, 3)  # of the report

Results = Mapping[str, Result]


def table_rows(
    encryptors: Mapping[str, Encryptor],
    count: int,
    rounds: int,
    databases: Iterable[str] = TITLES,
    on_work: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """Measure, and yield one row of the report for each work.

    Args:
        encryptors: by backend.
        count: rows of the table.
        rounds: of each work.
        databases: "sqlite" and "postgresql", or one of them.
        on_work: called with what was done.
    """
    models = {name: protected(keys, f"_{name}", _base()) for name, keys in encryptors.items()}
    found: dict[str, list[Results]] = {work.name: [] for work in WORKS}
    names = tuple(databases)
    for name in names:
        with warnings.catch_warnings(), database(name) as engine:
            warnings.filterwarnings("ignore", "Dialect sqlite.*Decimal", SAWarning)  # the plain table loses no digit
            for work, results in _measured(engine, models, count, rounds):
                found[work.name].append(results)
                on_work(f"{name}: {work.name}")
    for number in ORDER:
        yield _row(WORKS[number], found[WORKS[number].name], names)


def _base() -> type[DeclarativeBase]:
    class Base(DeclarativeBase):
        pass

    return Base


def _measured(
    engine: Engine, models: Mapping[str, tuple[Any, Any]], count: int, rounds: int
) -> Iterator[tuple[Work, Results]]:
    made = list(patients(count))
    full: set[Any] = set()
    for work in WORKS:
        of_work = {PLAIN: Plain, **{name: both[work.model] for name, both in models.items()}}
        for model in of_work.values():
            if work.contest is not adding and model not in full:
                _fill(engine, model, made)
            full.add(model)
        contests = {name: partial(work.contest, engine, model, made) for name, model in of_work.items()}
        yield work, rounds_of(contests, rounds, count, lambda: None)


def _fill(engine: Engine, model: Any, rows: list[dict[str, Any]]) -> None:
    with adding(engine, model, rows) as work:
        work()


def _row(work: Work, results: list[Results], databases: tuple[str, ...]) -> Row:
    backends = [name for name in results[0] if name != PLAIN]
    return Row(
        f"{work.name}, {' / '.join(TITLES[name].partition(',')[0] for name in databases)}",
        f"plain, {' / '.join(microseconds(each[PLAIN].median) for each in results)} µs per row",
        databases,
        {name: tuple(each[name].ratio(each[PLAIN]) for each in results) for name in backends},
        {
            name: tuple(goal for database, goal in zip(TITLES, both, strict=True) if database in databases)
            for name, both in work.goals.items()
        },
    )

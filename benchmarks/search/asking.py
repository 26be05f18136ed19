"""Asks each kind of index, its unprotected counterpart, and a whole table that is decrypted."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.search.kinds import KINDS, Kind, Plain
from benchmarks.search.people import Person, rows
from benchmarks.search.table import PLAIN, protected, size_of
from fieldcrypt import Encryptor, row_context

__all__ = ["Answered", "ask_all", "decrypted_all", "insert_costs"]


_LETTERS = 4  # of the surnames that are asked for, so that there is a prefix


class Answered(NamedTuple):
    """What questions of one kind took.

    Attributes:
        kind: its name.
        tags: that a question asks for.
        read: rows that the database returned, on average.
        right: rows among them that were asked for.
        ms, plain_ms: the median time to have the decrypted values; and of the unprotected table.
        spread: the quartiles of `ms`.
        stored, indexed: bytes of tags per row, in the table and in the indexes.
        scans: the ways in which the database read the table.
    """

    kind: str
    tags: int
    read: float
    right: float
    ms: float
    plain_ms: float
    spread: tuple[float, float]
    stored: float
    indexed: float
    scans: tuple[str, ...]


def ask_all(
    connection: Any,
    encryptor: Encryptor,
    known: list[Person],
    count: int,
    questions: int,
    advance: Callable[[float], None],
) -> Iterator[Answered]:
    """Ask about the same people, drawn from the rows, by every kind."""
    dice = random.Random(8)
    drawn = (person for at in range(10 * questions) for _, person in rows(known, *_one(dice.randrange(count))))
    asked = [person for person in drawn if len(person.surname) >= _LETTERS][:questions]
    for kind in KINDS:
        yield _ask(connection, encryptor, kind, asked)
        advance(1 / len(KINDS))


def _one(number: int) -> tuple[int, int]:
    return number, number + 1


def _ask(connection: Any, encryptor: Encryptor, kind: Kind, asked: Sequence[Person]) -> Answered:
    field, indexes = kind.field(encryptor), kind.indexes(encryptor)
    times, plain_times, read, right, tags = [], [], 0, 0, 0
    scans: set[str] = set()
    for at, person in enumerate((asked[0], *asked)):  # the first one warms up
        began = perf_counter()
        search = indexes.search(kind.ask(person))
        wanted = search.tags(None)
        where, parameters = _condition(kind, wanted)
        found = connection.execute(f"SELECT id, value FROM {kind.table} WHERE {where}", parameters).fetchall()
        values = [field.decrypt(value, context=row_context(number)) for number, value in found]
        kept = values if search.is_exact else [value for value in values if search.matches(value)]
        took = perf_counter() - began
        began = perf_counter()
        plain = _plain(connection, kind, kind.plain(person))
        if len(plain) != len(kept):
            raise AssertionError(f"{kind.name}: {len(kept)} rows, and {len(plain)} of the unprotected table")
        if at:
            times.append(took * 1e3)
            plain_times.append((perf_counter() - began) * 1e3)
            read, right = read + len(found), right + len(kept)
            tags = sum(map(len, wanted.values()))
        if at < 5:
            scans |= _scans(connection, kind, where, parameters)
    low, _, high = statistics.quantiles(times, n=4)
    stored, indexed = size_of(connection, kind)
    return Answered(
        *(kind.name, tags, read / len(times), right / len(times), statistics.median(times)),
        *(statistics.median(plain_times), (low, high), stored, indexed, tuple(sorted(scans))),
    )


def _condition(kind: Kind, wanted: Any) -> tuple[str, list[Any]]:
    operator = "&& %s::bytea[]" if kind.one_companion else "= ANY(%s::bytea[])"
    return " OR ".join(f"{companion} {operator}" for companion in wanted), [*wanted.values()]


def _plain(connection: Any, kind: Kind, plain: Plain) -> Any:
    where, parameters = plain
    return connection.execute(f"SELECT id, {kind.member} FROM {PLAIN} WHERE {where}", parameters).fetchall()


def _scans(connection: Any, kind: Kind, where: str, parameters: Sequence[Any]) -> set[str]:
    explained = connection.execute(f"EXPLAIN SELECT id, value FROM {kind.table} WHERE {where}", parameters).fetchall()
    lines = [line.strip().removeprefix("->").strip() for (line,) in explained]
    return {line.partition(" on ")[0].partition(" using ")[0] for line in lines if " Scan" in line}


def decrypted_all(connection: Any, encryptor: Encryptor) -> float:
    """Return the seconds that it takes to read a whole table and decrypt every value, as without an index."""
    kind = KINDS[0]
    field, began = kind.field(encryptor), perf_counter()
    with connection.cursor(name="all") as cursor:
        cursor.itersize = 10_000
        cursor.execute(f"SELECT id, value FROM {kind.table}")
        for number, value in cursor:
            field.decrypt(value, context=row_context(number))
    return perf_counter() - began


def insert_costs(
    connection: Any, encryptor: Encryptor, known: list[Person], begin: int, size: int, rounds: int
) -> dict[str, list[float]]:
    """Return the microseconds per row that encrypting, tagging and inserting takes by kind, once for each round."""
    makers = {kind.name: (kind, protected(kind, encryptor)) for kind in KINDS}
    taken: dict[str, list[float]] = {name: [] for name in makers}
    for number in range(rounds):
        people = [*rows(known, begin + number * size, begin + (number + 1) * size)]
        for name in random.sample([*makers], len(makers)):
            kind, make = makers[name]
            began = perf_counter()
            made = [make(*row) for row in people]
            places = ", ".join(["%b"] * len(made[0]))
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {kind.table} VALUES ({places})", made)
            connection.commit()
            taken[name].append((perf_counter() - began) / size * 1e6)
    return taken

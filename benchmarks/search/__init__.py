"""What searching costs in a million rows on PostgreSQL, and what tags of real names and birthdays tell."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks.search.asking import ask_all, decrypted_all, insert_costs
from benchmarks.search.people import people
from benchmarks.search.report import TITLE, Findings, section
from benchmarks.search.simulation import guessed, placed
from benchmarks.search.table import create, encryptor_of, index
from benchmarks.section import Benchmark, Options, Section
from tests.support.postgres import Postgres

__all__ = ["BENCHMARK"]

people()  # or the benchmark is missing


def _run(options: Options) -> Section:
    """Make the tables, ask, insert, and attack."""
    count, questions, rounds = (20_000, 10, 2) if options.quick else (1_000_000, 200, 7)
    known = people()

    def advance(part: float, what: str) -> Callable[[float], None]:
        options.advance(0, what)
        return lambda fraction: options.advance(fraction * part, what)

    with Postgres() as server, tempfile.TemporaryDirectory() as folder:
        url = server.url.replace("+psycopg", "")
        advancing = advance(0.7, "filling the tables")
        create(url, Path(folder), count, advancing)
        index(url, advancing)
        encryptor = encryptor_of(Path(folder))
        with psycopg.connect(url) as connection:
            answered = [*ask_all(connection, encryptor, known, count, questions, advance(0.1, "asking"))]
            everything = decrypted_all(connection, encryptor)
            options.advance(0.05, "inserting")
            inserted = insert_costs(connection, encryptor, known, count, 500 if options.quick else 2_000, rounds)
    options.advance(0.1, "attacking")
    return section(Findings(count, answered, everything, inserted, [*guessed(known)], [*placed(known)]))


BENCHMARK = Benchmark("search", TITLE, _run, seconds=(480, 30))

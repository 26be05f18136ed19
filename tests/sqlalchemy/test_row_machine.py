"""The row rule: whatever is done to rows of decorated models, what was committed can be read, or was refused."""

from __future__ import annotations

import os
import traceback
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.conftest import Database
from tests.sqlalchemy.row_rule.ledger import RowRuleError
from tests.sqlalchemy.row_rule.models import SHAPES
from tests.sqlalchemy.row_rule.row_machine import DOORS, run

# How many steps at least of each model, by database: (in the suite, with --long).
STEPS = {"sqlite": (600, 20_000), "postgresql": (150, 2_000), "mariadb": (150, 2_000)}


def engine_for(database: Database, kind: str) -> Engine:
    engine = database(kind)
    if kind == "sqlite":
        event.listen(engine, "connect", _in_a_hurry)
        engine.dispose()  # of the connections that were made before
    SHAPES["bound"].metadata.create_all(engine)
    return engine


def _in_a_hurry(connection: Any, _: Any) -> None:
    """Do not wait for the disk, which no test pulls the plug of."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


def traceback_of(error: BaseException | None) -> str:
    """Return where an error came from that is no finding of the machine's own."""
    return "" if isinstance(error, RowRuleError) else "".join(traceback.format_exception(error, limit=-6))


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_committed_can_be_read(
    shape: str, kind: str, database: Database, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each value is the last one that was written, its tag finds it, and what was refused has sent nothing.

    The suite does the same each time. `make test-long` looks further, and elsewhere each time; with ARGS="--doors
    'move tenant,update'", at these ways to change rows alone.
    """
    engine = engine_for(database, kind)
    in_suite, long = STEPS[kind]
    named = pytestconfig.getoption("--doors")
    doors = DOORS if named is None else frozenset(named.split(","))
    tally: Counter[str] = Counter()
    try:
        if not pytestconfig.getoption("--long"):
            run(shape, engine, in_suite, doors=doors, derandomize=True)
            return
        while tally["steps"] < long:
            tally += run(shape, engine, long - tally["steps"], doors=doors)
    except RowRuleError as error:
        pytest.fail(f"{error}\n{traceback_of(error.__cause__)}", pytrace=False)
    with capsys.disabled():
        committed = tally["commit: done"]
        print(f"\n{shape}, {kind}: {tally['steps']} steps, {tally['refused']} refused, {committed} committed")
        for outcome, count in sorted(tally.items()) if os.environ.get("FIELDCRYPT_TALLY") else ():
            print(f"  {outcome}: {count}")

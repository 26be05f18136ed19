"""Whatever is asked of protected columns, the answer is SQL's own of the same rows without protection."""

from __future__ import annotations

from random import SystemRandom

import pytest

from tests.conftest import Database
from tests.sqlalchemy.twins.story import Story
from tests.support.doubles import Later

STEPS = {"sqlite": (40, 2_000), "postgresql": (12, 600), "mariadb": (12, 600)}  # in the suite, and with --long


@pytest.mark.parametrize("kind", STEPS)
def test_a_search_finds_what_sql_finds_without_protection(
    kind: str, database: Database, later: Later, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all kinds of indexes, through changes, moves, rotations of index keys, and migrations half done.

    The suite does the same each time. `make test-search` looks further, and elsewhere each time; ARGS="--seed 7" tells
    one story again.
    """
    in_suite, long = STEPS[kind]
    is_long = pytestconfig.getoption("--long")
    seed = pytestconfig.getoption("--seed") or (SystemRandom().randrange(10**6) if is_long else 1)
    story = Story(database(kind), seed, later)
    try:
        story.tell(long if is_long else in_suite)
    except Exception as error:
        error.add_note(f"{kind}, --seed {seed}: {dict(story.tally)}")
        raise
    assert story.tally["found"]
    assert story.tally["found by find"]
    if is_long:
        with capsys.disabled():
            print(f"\n{kind}, --seed {seed}: {dict(story.tally)}")

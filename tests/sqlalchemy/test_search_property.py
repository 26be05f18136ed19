"""Whatever is asked of protected columns, the answer is SQL's own of the same rows without protection."""

from __future__ import annotations

import pytest

from tests.conftest import Database
from tests.sqlalchemy.twins.story import Story
from tests.support.doubles import Later
from tests.support.stories import told

STEPS = {"sqlite": (20, 2_000), "postgresql": (12, 600), "mariadb": (12, 600)}  # in the suite, and with --long


@pytest.mark.parametrize("kind", STEPS)
def test_a_search_finds_what_sql_finds_without_protection(
    kind: str, database: Database, later: Later, request: pytest.FixtureRequest
) -> None:
    """With all kinds of indexes, through changes, moves, rotations of index keys, and migrations half done."""
    tally = told(lambda seed: Story(database(kind), seed, later), kind, STEPS[kind], request)
    assert tally["found"]
    assert tally["found by find"]

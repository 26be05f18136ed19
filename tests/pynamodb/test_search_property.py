"""Whatever models are asked, the answer is that of the same people without protection."""

from __future__ import annotations

from random import SystemRandom
from typing import Any

import pytest

from tests.conftest import Clock
from tests.pynamodb.story import Story

IN_SUITE, LONG = 30, 1_000  # steps


@pytest.mark.parametrize("per_tenant", [False, True])
def test_a_search_finds_what_there_is(
    per_tenant: bool, meta: Any, clock: Clock, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all kinds of indexes, through saves, updates, deletions and rotations of index keys.

    The suite does the same each time; `make test-search` takes more steps, others each time.
    """
    is_long = pytestconfig.getoption("--long")
    seed = pytestconfig.getoption("--seed") or (SystemRandom().randrange(10**6) if is_long else 1)
    story = Story(meta, seed, clock, per_tenant=per_tenant)
    try:
        story.tell(LONG if is_long else IN_SUITE)
    except Exception as error:
        error.add_note(f"--seed {seed}: {dict(story.tally)}")
        raise
    assert min(story.tally[each] for each in ("found", "queried", "inexact")) > 0
    if is_long:
        with capsys.disabled():
            print(f"\n--seed {seed}: {dict(story.tally)}")

"""Whatever models are asked, the answer is that of the same people without protection."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Clock
from tests.pynamodb.story import Story
from tests.support.stories import told

STEPS = (16, 1_000)  # in the suite, and with --long


@pytest.mark.parametrize("per_tenant", [False, True])
def test_a_search_finds_what_there_is(
    per_tenant: bool, meta: Any, clock: Clock, request: pytest.FixtureRequest
) -> None:
    """With all kinds of indexes, through saves, updates, deletions and rotations of index keys."""
    name = "of one tenant" if per_tenant else "of all"
    tally = told(lambda seed: Story(meta, seed, clock, per_tenant=per_tenant), name, STEPS, request)
    assert min(tally[each] for each in ("found", "queried", "inexact")) > 0

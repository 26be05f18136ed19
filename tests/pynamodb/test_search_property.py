"""Whatever models are asked, the answer is that of the same people without protection."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Clock
from tests.pynamodb.story import Story
from tests.support.dynamodb import DynamoDb
from tests.support.stories import told
from tests.support.wiretap import Secrets

STEPS = (16, 1_000)  # in the suite, and with --long


@pytest.mark.parametrize("per_tenant", [False, True])
def test_a_search_finds_what_there_is(
    per_tenant: bool, meta: Any, dynamodb: DynamoDb, clock: Clock, secrets: Secrets, request: pytest.FixtureRequest
) -> None:
    """With all kinds of indexes, through saves, updates, deletions, rotations of index keys and tags filled in late."""
    secrets.allow(*range(17))  # as a migration counts items
    name = "of one tenant" if per_tenant else "of all"
    tally = told(lambda seed: Story(meta, dynamodb, seed, clock, per_tenant=per_tenant), name, STEPS, request)
    assert min(tally[each] for each in ("found", "queried", "inexact")) > 0

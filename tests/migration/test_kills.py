"""A backfill that is killed again and again while others write: a short run of `python -m benchmarks.migration`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.migration import MEMORY, Outcome, run
from benchmarks.migration_workload import Shape
from tests.support.postgres import Postgres


@pytest.mark.parametrize("shape", [Shape(), Shape(key="text", storage="text")], ids=lambda shape: shape.key)
def test_nothing_is_lost_or_left_when_a_backfill_is_killed_five_times(shape: Shape, tmp_path: Path) -> None:
    """Every row is readable and has what was last committed to it; no plaintext is left in the table's files.

    A row is sent to the database again only where a kill fell; what is damaged afterwards is found.
    """
    outcome = Outcome(rows=12_000, kills=5, shape=shape)
    with Postgres() as server:
        run(server, outcome, workers=2, batch=500, directory=tmp_path, seed=1)
    assert outcome.wrong == []
    assert outcome.changes > 0
    assert outcome.megabytes < MEMORY

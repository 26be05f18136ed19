"""Data keys under attack: random stories of two regions, in which SPEC section 6 has to hold at every step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.keys.key_model.machine import KeyMachine

IN_SUITE, LONG = 2_000, 60_000  # steps, of which some do nothing
STEPS = 40  # of one story
USUAL = ("write: done", "write from nothing: done", "rotate: done", "retire: done", "shred: done", "read: done")


def test_the_rules_hold(pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever deletes, replays and plants records, and cuts regions off, gains what the docs say and no more.

    The suite tells the same stories each time; `make test-long-keys` tells more, and others each time.
    """
    long = pytestconfig.getoption("--long")
    tally: Counter[str] = Counter()
    machine: Any = type("KeyMachine", (KeyMachine,), {"tally": tally})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=(LONG if long else IN_SUITE) // STEPS,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not long,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not [outcome for outcome in USUAL if not tally[outcome]]
    if long:
        with capsys.disabled():
            print(f"\n{tally['steps']:,} steps;", ", ".join(f"{what} {n:,}" for what, n in sorted(tally.items())))

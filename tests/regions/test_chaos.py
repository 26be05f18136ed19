"""Two applications go on while their regions fail one at a time; and the run that says so can say otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos_burst import Burst, complaints
from benchmarks.chaos_report import Operation, Phase, Report

HEALTHY, HANG = 0, 1  # phases
PHASES = (Phase(seconds=4.0), Phase("hang", "us-east-1", seconds=4.0, timeouts=4), Phase())
GOOD = [
    *[Operation((HEALTHY, HEALTHY), 0.010)] * 100,
    *[Operation((HANG, HANG), 0.012)] * 100,
    *[Operation((HANG, HANG), 0.512)] * 4,
]


def report(operations: Sequence[Operation], phases: Sequence[Phase] = PHASES, asked: int = 200) -> Report:
    return Report.of(phases, operations, asked=asked, timeout=0.5, cooldown=2.0, applications=2, threads=4)


def test_no_operation_fails_whatever_one_region_does(tmp_path: Path) -> None:
    """All faults in both regions, over real servers, sockets and time-outs; every value is read as it was written."""
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "chaos", "--quick", "--json", str(figures)], capture_output=True, text=True
    )
    assert figures.exists(), done.stdout + done.stderr
    found = json.loads(figures.read_text())["sections"][0]["figures"]
    # Times are for the benchmark: what else runs here moves them.
    assert not [each for each in found["complaints"] if " the p99 was " not in each], done.stdout
    assert not found["failures"]
    assert sum(row["operations"] for row in found["rows"]) >= 1500
    assert len({(row["fault"], row["region"]) for row in found["rows"] if row["region"]}) == 22
    assert {row["fault"] for row in found["rows"] if row["refused"]} == {"denied"}
    keys = [(each["store"], each["processes"], each["data_keys"], each["index_keys"]) for each in found["bursts"]]
    assert keys == [("file", 40, 1, 1), ("dynamodb", 40, 1, 1)]


def test_a_good_run_gives_no_cause_for_complaint() -> None:
    """Those that paid the time-out when the fault began do not count in the p99, but are shown."""
    good = report(GOOD)
    assert not list(good.complaints())
    (hanging,) = (row for row in good.rows if row.fault == "hang")
    assert (hanging.operations, hanging.p99, hanging.paid, hanging.timeouts) == (104, 0.012, 4, 4)


def test_allowed_time_outs_are_one_a_thread_and_one_an_application_after_each_cooldown() -> None:
    """Four threads and two applications; in four seconds one cool-down of two, and the time-out before it."""
    (hanging,) = (row for row in report(GOOD).rows if row.fault == "hang")
    assert hanging.allowed == 4 + 2 * 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (Operation((HEALTHY, HEALTHY), 0.010, failure="KeyProviderError: no region answers"), "1 operations failed"),
        (Operation((HEALTHY, HEALTHY), 0.010, wrong=True), "1 values that were read"),
    ],
)
def test_one_bad_operation_is_enough(bad: Operation, said: str) -> None:
    """Among any number of good ones."""
    (complaint,) = report([*GOOD, bad]).complaints()
    assert complaint.startswith(said)


def test_an_operation_that_its_own_region_refused_is_no_failure_and_does_not_count() -> None:
    """It ended as it should; but a run has to show that so many were served."""
    refused = report([*GOOD, Operation((HEALTHY, HEALTHY), 0.001, refused=True)])
    assert not list(refused.complaints())
    assert (refused.operations, refused.refused) == (204, 1)


def test_a_refusal_that_was_shared_counts_for_the_denial_before_the_fault_that_it_fell_into() -> None:
    """A thread that waits for another one's answer gets the denial when its region already fails in another way."""
    phases = (Phase(), Phase("denied", "us-east-1"), Phase("refuse", "us-east-1"))
    found = report([Operation((2, 2), 0.001, refused=True), Operation((2, 2), 0.001)], phases)
    assert {row.fault: row.refused for row in found.rows} == {"denied": 1, "refuse": 0}


def test_slow_operations_while_a_region_hangs_are_complained_of() -> None:
    """A p99 of more than three times the healthy one."""
    slow = [Operation((HANG, HANG), 0.031)] * 2
    (complaint,) = report([*GOOD, *slow]).complaints()
    assert complaint == "while us-east-1 hung, the p99 was 3.1 times that of healthy regions"


def test_too_many_time_outs_are_complained_of() -> None:
    """Leaving them out of the p99 must not hide them."""
    phases = [PHASES[0], replace(PHASES[1], timeouts=9), PHASES[2]]
    (complaint,) = report(GOOD, phases).complaints()
    assert "9 calls ran into the time-out; 6 may" in complaint


def test_too_many_operations_that_wait_are_complained_of() -> None:
    """Nor those that waited for them."""
    (complaint,) = report([*GOOD, *[Operation((HANG, HANG), 0.6)] * 13]).complaints()
    assert "17 operations were held up" in complaint


def test_too_few_operations_are_complained_of() -> None:
    """A run that was cut short proves nothing."""
    (complaint,) = report(GOOD, asked=205).complaints()
    assert "204 operations, 205 were asked for" in complaint


def test_a_run_in_which_no_region_hung_is_complained_of() -> None:
    """Nor does one without the fault that costs most."""
    (complaint,) = report(GOOD[:100], PHASES[:1], asked=100).complaints()
    assert complaint == "no region hung"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"data_keys": 7}, "made 7 data keys and 1 index keys, and used 2"),
        ({"index_keys": 2}, "made 1 data keys and 2 index keys, and used 2"),
        ({"used": 3}, "made 1 data keys and 1 index keys, and used 3"),
        ({"failures": ["KeyStoreError: locked"]}, "1 failed, the first with KeyStoreError: locked"),
    ],
)
def test_processes_that_start_together_and_make_more_keys_are_complained_of(bad: dict[str, Any], said: str) -> None:
    """Or that fail, or come away with a key that nobody else has."""
    good = Burst("file", 40, data_keys=1, index_keys=1, used=2, failures=[], seconds=1.0)
    assert not list(complaints([good]))
    (complaint,) = complaints([good, good._replace(**bad)])
    assert complaint.endswith(said)


def test_an_operation_that_a_switch_fell_into_counts_for_the_fault() -> None:
    """It began in health, or ended in it."""
    rows = report([*GOOD, Operation((HEALTHY, HANG), 0.4), Operation((HANG, HANG + 1), 0.4)]).rows
    assert {row.fault: row.operations for row in rows} == {"healthy": 100, "hang": 106}

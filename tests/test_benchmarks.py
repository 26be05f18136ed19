"""The benchmarks that have commands of their own print what they promise; people look at the figures, not tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import measure
from benchmarks.sqlalchemy_bench import KeyCalls, Line, complaints


def test_a_ratio_is_taken_within_a_round() -> None:
    """A machine that slows down for a while slows all contestants down."""
    floor = measure.Result((1.0, 10.0, 1.0))
    assert measure.Result((2.0, 20.0, 2.0)).ratio(floor) == 2.0


def test_the_sqlalchemy_benchmark_measures_three_forms_on_two_databases(tmp_path: Path) -> None:
    """Every measure has its three forms; more rows take no more calls of the key provider."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.sqlalchemy_bench", "--rows", "120", "--repeat", "2"]
    done = subprocess.run([*command, "--json", str(figures)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    forms: dict[tuple[str, str], list[str]] = {}
    for line in found["lines"]:
        forms.setdefault((line["database"], line["measure"]), []).append(line["form"].partition(",")[0])
    assert {database for database, _ in forms} == {"sqlite", "postgresql"}
    assert all(of_one == ["plain", "column-bound", "decorated"] for of_one in forms.values())
    assert {call["rows"] for call in found["key_calls"]} == {100, 120}
    assert len({(call["wraps"], call["unwraps"]) for call in found["key_calls"]}) == 1


def test_the_dynamodb_benchmark_measures_both_libraries_and_amazon_s(tmp_path: Path) -> None:
    """What writes and what reads an item, and both; and as many calls for few items as for many."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.dynamodb_bench", "--seconds", "0.1", "--items", "100"]
    subprocess.run([*command, "--json", str(figures)], capture_output=True, text=True, check=True)
    found = json.loads(figures.read_text())
    assert {line["work"] for line in found["lines"]} == {"write", "read", "write and read"}
    assert [line["ratio"] for line in found["lines"] if line["contestant"] == "plain"] == 6 * [1.0]
    assert len(found["lines"]) == 3 * 5 + 3 * 7
    sizes = [(size["attributes"], size["fieldcrypt"], size["as_one"]) for size in found["sizes"]]
    assert sizes == [(1, 58, 68), (5, 293, 79)]
    assert (found["wraps"], found["unwraps"]) == (1, 1)


@pytest.mark.parametrize(("ratio", "count"), [(1.8, 0), (1.81, 1)])
def test_a_ratio_over_its_limit_is_complained_of(ratio: float, count: int) -> None:
    """A limit is the most that is allowed, and what has none may take as long as it likes."""
    limited = Line("sqlite", "ORM load", "column-bound", 20.0, ratio, (ratio, ratio), 1.8)
    free = Line("sqlite", "Core select", "column-bound", 20.0, 9.0, (9.0, 9.0), None)
    assert len(list(complaints([limited, free], []))) == count


def test_key_calls_that_grow_with_rows_are_complained_of() -> None:
    """KMS is priced and throttled by the call."""
    few, many = KeyCalls("sqlite", 100, 21, 21), KeyCalls("sqlite", 10_000, 21, 22)
    assert not list(complaints([], [few, KeyCalls("sqlite", 10_000, 21, 21)]))
    assert list(complaints([], [few, many]))

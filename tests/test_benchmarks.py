"""The benchmarks run and print what they promise; their figures are looked at by people, not by tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import measure


def test_the_field_benchmark_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    """Every size, both forms, and 57 bytes added plus the encoding byte."""
    command = [sys.executable, "-m", "benchmarks.field", "--quick", "--json", str(tmp_path / "figures.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert "x floor" in done.stdout
    assert {row["bytes_added"] for row in figures["sizes"]} == {58}
    assert all(row[f"{verb} ratio"] > 0 for row in figures["sizes"] for verb in ("encrypt", "decrypt"))
    assert figures["environment"]["python"]


def test_the_sqlalchemy_benchmark_compares_every_form_and_counts_key_calls(tmp_path: Path) -> None:
    """Against the same table unprotected; calls of the key provider do not grow with rows."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.sqlalchemy_bench", "--rows", "300", "--repeat", "2"]
    done = subprocess.run(
        [*command, "--database", "sqlite", "--json", str(figures)], capture_output=True, text=True, check=True
    )
    assert "x plain" in done.stdout
    result = json.loads(figures.read_text())
    assert {line["form"] for line in result["lines"]} >= {"plain", "column-bound", "decorated"}
    assert all(line["ratio"] > 0 for line in result["lines"] if line["form"] != "plain")
    (calls,) = result["key_calls"].values()
    assert len({tuple(counted) for counted in calls.values()}) == 1


def test_a_ratio_is_taken_within_a_round() -> None:
    """A machine that slows down for a while slows all contestants down."""
    floor = measure.Result((1.0, 10.0, 1.0))
    assert measure.Result((2.0, 20.0, 2.0)).ratio(floor) == 2.0

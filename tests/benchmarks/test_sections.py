"""The benchmarks of stores and of scale measure what they are for; people look at the figures, not tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import measure
from benchmarks.dynamodb_bench import complaints as complaints_of_dynamodb
from benchmarks.dynamodb_bench import key_calls, sizes
from benchmarks.scale import complaints as complaints_of_scale
from benchmarks.sqlalchemy_bench import KeyCalls, complaints, database, measured


def test_a_ratio_is_taken_within_a_round() -> None:
    """A machine that slows down for a while slows all contestants down."""
    floor = measure.Result((1.0, 10.0, 1.0))
    assert measure.Result((2.0, 20.0, 2.0)).ratio(floor) == 2.0


def test_tables_are_measured_in_all_their_forms() -> None:
    """Every work is done by the plain table and by both protected ones."""
    forms: dict[str, list[str]] = {}
    with database("sqlite") as engine:
        for line in measured(engine, 100, 2, None, lambda _: None):
            assert line.us > 0
            forms.setdefault(line.measure, []).append(line.form.partition(",")[0])
    assert len(forms) == 6
    assert all(of_one == ["plain", "column-bound", "decorated"] for of_one in forms.values())


def test_items_are_measured_in_all_their_forms(tmp_path: Path) -> None:
    """Each of three works, in three ways, has a plain item that the others are compared with."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "dynamodb", "--quick", "--json", str(figures)]
    subprocess.run(command, capture_output=True, check=True)
    (section,) = json.loads(figures.read_text())["sections"]
    lines = section["figures"]["lines"]
    assert [line["ratio"] for line in lines if line["contestant"] == "plain"] == 9 * [1.0]
    assert len({(line["library"], line["work"]) for line in lines}) == 3 * 3


def test_an_item_grows_by_what_the_docs_say() -> None:
    """58 bytes for a text by itself, in a map or not; 79 for five values that are one map."""
    found = [(size.attributes, size.fieldcrypt, size.paths, size.as_one) for size in sizes(None)]
    assert found == [(1, 58, 58, 68), (5, 293, 293, 79)]


def test_many_items_take_no_more_calls_than_few() -> None:
    """A table without tenants has one key."""
    assert key_calls(20) == key_calls(200) == (1, 1)


@pytest.mark.parametrize(("calls", "count"), [((5, 4), 0), ((5, 5), 1)])
def test_more_than_a_few_calls_are_complained_of(calls: tuple[int, int], count: int) -> None:
    """KMS is priced and throttled by the call."""
    assert len(list(complaints_of_dynamodb(calls))) == count


def test_key_calls_that_grow_with_rows_are_complained_of() -> None:
    """The same for tables."""
    few, many = KeyCalls("sqlite", 100, 21, 21), KeyCalls("sqlite", 10_000, 21, 22)
    assert not list(complaints([few, KeyCalls("sqlite", 10_000, 21, 21)]))
    assert list(complaints([few, many]))


@pytest.mark.parametrize(("megabytes", "count"), [(40.0, 0), (60.0, 1)])
def test_memory_that_goes_on_growing_is_complained_of(megabytes: float, count: int) -> None:
    """100,000 tenants on a process that keeps 1,000 keys take no more than those keys do."""
    assert len(complaints_of_scale({1_000: [(1_000, 8.0), (100_000, megabytes)]})) == count

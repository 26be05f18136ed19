"""The figures that pages quote are those of docs/benchmarks-run.md, which the benchmarks write."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
ALIASES = {
    "sqlalchemy-utils 0.43.0 (AES-GCM)": "sqlalchemy-utils",
    "MongoDB (explicit; pymongocrypt 1.21.2)": "MongoDB",
    "aws-encryption-sdk, signed (its default)": "aws-encryption-sdk, signed",
}


def tables(page: str) -> list[list[list[str]]]:
    """Return the tables of a page: rows of cells, of which the first is the heading."""
    text = html.unescape((DOCS / page).read_text())
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|\n").split("|")] for line in each.splitlines()] for each in found]


def table(page: str, *heading: str, at: int = 0) -> dict[str, list[str]]:
    """Return the rows of the table whose heading begins like this, without quartiles, by their first cells."""
    matching = [each for each in tables(page) if each[0][: len(heading)] == list(heading)]
    return {row[0]: [cell.partition(" (")[0] for cell in row[1:]] for row in matching[at][2:]}


def ratios(heading: str, at: int = 0) -> dict[str, list[str]]:
    """Return the two ratios of each row of a table of the run."""
    return {name: [row[1], row[3]] for name, row in table("benchmarks-run.md", heading, "encrypt µs", at=at).items()}


def test_values_by_size() -> None:
    """Stored, then self-contained."""
    stored, carried = ratios("size"), ratios("size", 1)
    assert table("benchmarks.md", "a text of") == {size: stored[size] + carried[size] for size in stored}


@pytest.mark.parametrize("heading", ["type", "bound to", "data key"])
def test_values_by_kind(heading: str) -> None:
    """What is encrypted, what it is bound to, and where its data key is."""
    said = table(
        "benchmarks.md", heading, *(("encrypt, x prepared",) if heading == "data key" else ("encrypt, x floor",))
    )
    assert said
    assert said == {name: ratio for name, ratio in ratios(heading).items() if name != "prepared"}


def test_other_libraries() -> None:
    """As many times as long, and more bytes."""
    sizes = [ratios("library", at) for at in range(4)]
    expected = {name: [" / ".join(each[name]) for each in sizes] for name in sizes[0] if name != "fieldcrypt"}
    assert table("benchmarks.md", "library", "64 B, encrypt / decrypt") == expected
    added = table("benchmarks-run.md", "library", "bound to")
    assert table("benchmarks.md", "library", "bound to") == added
    for name, row in table("comparison.md", "library", "encrypt, times as long as fieldcrypt").items():
        known = ALIASES.get(name, name.rpartition(" ")[0] if re.search(r" \d+\.\d+\.\d+$", name) else name)
        assert row == [*sizes[0][known], added[known][1]], name


def test_bills() -> None:
    """Dollars a month, of each fleet."""
    rows = next(each for each in tables("benchmarks-run.md") if each[0][:3] == ["fleet", "by", "calls"])[2:]
    expected: dict[str, list[str]] = {}
    fleet = ""
    for row in rows:
        fleet = row[0] or fleet
        expected.setdefault(fleet, []).insert(0, row[4])  # the page begins with one call a value
    said = table("benchmarks.md", "fleet", "processes", "regions")
    assert {name: row[4:] for name, row in said.items()} == expected
    assert [row[0] for row in table("comparison.md", "", "dollars per month").values()] == expected["a product"]


def test_what_helps_the_largest_fleet() -> None:
    """Dollars a month, and how long reads wait."""
    run = [row[1:] for row in table("benchmarks-run.md", "how", "calls a month").values()]
    assert list(table("benchmarks.md", "the largest fleet").values()) == run

"""`python -m benchmarks`: what it measures, prints, writes and checks; people look at the figures, not tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import limits, peers, peers_bench, registry
from benchmarks.__main__ import main
from benchmarks.charts import svg
from benchmarks.section import Benchmark, Chart, Options, Section, Series, Table

RUNS = count()
NASTY = "<script>alert('$x$ & y')</script>"

# A benchmark whose ratio is 2, and which has something to say about markup.
BENCHMARK = Benchmark(
    "made-up",
    "Made up",
    lambda options: Section(
        name="made-up",
        title=NASTY,
        meaning=(NASTY,),
        tables=(Table(NASTY, (NASTY, "x"), ((NASTY, "1"),), note=NASTY),),
        charts=(
            Chart(NASTY, "bars", (Series(NASTY, ((NASTY, 1.0), ("b", 3.0)), ((0.5, 1.5), (2.0, 4.0))),), y=NASTY),
            Chart(NASTY, "lines", (Series("a", ((1, 1.0), (10, 3.0))), Series("b", ((1, 2.0), (9, 3.0)))), limit=2.5),
        ),
        figures={"runs": next(RUNS)},
        ratios={"a": 2.0},
        complaints=(NASTY,) if options.quick else (),
        missing={NASTY: NASTY},
        summary=NASTY,
    ),
    seconds=(1, 1),
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark above, one whose library is missing, and no other."""
    for name in list(registry.MODULES):
        monkeypatch.delitem(registry.MODULES, name)
    monkeypatch.setitem(registry.MODULES, "made-up", __name__)
    monkeypatch.setitem(registry.MODULES, "absent", "benchmarks.no_such_module")


def limited(to: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(to)
    monkeypatch.setattr(limits.read, "__defaults__", (path,))


def test_a_quick_run_prints_tables_and_writes_figures_and_a_page(tmp_path: Path) -> None:
    """Every size in both forms, every type; 57 bytes added plus the encoding byte; one page with its charts."""
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "field", "--quick", "--json", str(figures), "--html", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "x floor" in done.stdout
    found = json.loads(figures.read_text())
    (section,) = found["sections"]
    assert {size["bytes_added"] for size in section["figures"]["sizes"] if size["form"] == "stored"} == {58}
    assert len(section["figures"]["sizes"]) == 2 * 5
    assert len(section["figures"]["types"]) == 1 + 15
    assert all(ratio > 0 for ratio in section["ratios"].values())
    assert found["environment"].keys() >= {"processor", "cores", "python", "commit", "cryptography", "fieldcrypt"}
    assert page.read_text().count("<svg") == 3
    assert_alone(page.read_text())


def assert_alone(page: str) -> None:
    """A page loads nothing: no script, no style, picture or font from elsewhere."""
    assert not re.search(r"<(script|link|img|iframe|object|embed)|@import|url\((?!#)", page)
    assert all(target.startswith("#") for target in re.findall(r"\b(?:src|href)\s*=\s*[\"']?([^\"'> ]+)", page))


def test_a_page_shows_names_as_they_are(made_up: None, tmp_path: Path) -> None:
    """What a peer is called, or what it says when it fails, is text and no markup, in charts as well."""
    page = tmp_path / "page.html"
    main(["--html", str(page)])
    html = page.read_text()
    assert "<script" not in html
    assert html.count("alert(") > 10
    assert_alone(html)


def test_a_page_in_markdown_has_its_pictures_beside_it(made_up: None, tmp_path: Path) -> None:
    """Each of them is a file of its own, which is XML and loads nothing; names are text here as well."""
    page = tmp_path / "run.md"
    main(["--markdown", str(page)])
    text = page.read_text()
    pictures = re.findall(r"!\[.*\]\((\S+)\)", text)
    assert len(pictures) == 2
    for picture in pictures:
        drawn = (tmp_path / picture).read_text()
        assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 (drawn here)
        assert_alone(drawn.replace('xlink:href="#', 'href="#'))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_peers_do_the_same_work_and_those_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value comes back, or measuring fails; a library that is not there is named with the reason."""
    monkeypatch.setitem(peers.MODULES, "no-such-library", "benchmarks.peers.no_such_module")
    found, missing = peers.load()
    assert {"fieldcrypt", "fieldcrypt, self-contained", "Fernet"} <= {peer.name for peer in found}
    assert "No module named" in missing["no-such-library"]
    assert {peer for peer in peers.MODULES if peer not in missing} >= {"fieldcrypt", "Fernet"}
    tasks = list(peers_bench.measure(found, seconds=0.05))
    section = peers_bench.section(found, missing, tasks)
    assert [task.added["fieldcrypt"] for task in tasks] == [58, 5 * 58, 58, 58]
    assert all(len(table.rows) == len(found) for table in section.tables)
    assert section.missing.keys() == missing.keys()


def test_charts_take_their_colours_from_the_page() -> None:
    """No colour of a chart is its own, or it would not be seen in one of the themes."""
    for chart in BENCHMARK.run(Options(False, lambda _, __: None)).charts:
        drawn = svg(chart, "c1")
        assert not re.search(r"#[0-9a-f]{6}|\brgb|: (black|white)", drawn)
        assert "var(--series-1)" in drawn


def test_a_benchmark_whose_library_is_missing_is_named_and_the_others_run(
    made_up: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason, in the terminal and in the files."""
    figures = tmp_path / "figures.json"
    assert main(["--json", str(figures)]) == 0
    assert "No module named 'benchmarks.no_such_module'" in capsys.readouterr().out
    found = json.loads(figures.read_text())
    assert [section["name"] for section in found["sections"]] == ["made-up"]
    assert found["missing"].keys() == {"absent"}


def test_what_is_not_as_promised_makes_a_run_fail(made_up: None) -> None:
    """Somebody who runs it in a script learns of it."""
    assert main(["made-up", "--quick"]) == 1


@pytest.mark.parametrize(("limit", "code", "runs"), [(2.0, 0, 1), (1.99, 1, 3)])
def test_a_check_fails_when_a_limit_is_exceeded_three_times(
    limit: float, code: int, runs: int, made_up: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit is the most that is allowed; what exceeds it is measured again before it counts."""
    limited(f"[made-up]\na = {limit}\n", tmp_path / "limits.toml", monkeypatch)
    before = next(RUNS)
    assert main(["--check"]) == code
    assert next(RUNS) - before - 1 == runs


def test_a_check_that_was_slow_once_holds() -> None:
    """A machine that was busy for a while breaks no limit."""
    measured = iter(({"a": 3.0, "b": 1.0}, {"a": 1.5, "b": 9.0}))
    verdicts = list(limits.judge("x", {"a": 2.0, "b": 2.0}, lambda: next(measured)))
    assert [verdict.ratios for verdict in verdicts] == [(3.0, 1.5), (1.0, 9.0)]
    assert all(verdict.holds for verdict in verdicts)


def test_a_check_that_cannot_be_made_fails(made_up: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is missing is no reason to believe that a limit holds."""
    limited("[absent]\na = 1\n", tmp_path / "limits.toml", monkeypatch)
    assert main(["--check"]) == 1


def test_a_limit_of_what_is_not_measured_is_an_error() -> None:
    """A name that was mistyped would limit nothing."""
    with pytest.raises(LookupError, match="typo"):
        list(limits.judge("x", {"typo": 2.0}, lambda: {"a": 1.0}))


@pytest.mark.parametrize(
    "text", ["a = 1", "[field]\na = 0", "[field]\na = true", "[field]\na = nan", "[field]\na = '1'"]
)
def test_limits_are_positive_numbers(text: str, tmp_path: Path) -> None:
    """Whatever else is in the file would never be exceeded."""
    path = tmp_path / "limits.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="limit"):
        limits.read(path)


def test_the_limits_are_of_benchmarks_that_exist() -> None:
    """All of the project's own limits can be checked."""
    assert limits.read().keys() <= registry.MODULES.keys()

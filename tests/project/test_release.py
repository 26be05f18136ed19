"""What is released is what is tested: Pythons, packages and versions are the same in every file that names them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import __version__
from tests.support import check_wheel
from tests.support.release.matrix import LEFT_OUT, ROWS, TESTS

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CHANGES = (ROOT / "CHANGELOG.md").read_text()


def test_every_python_that_is_named_is_tested() -> None:
    """Classifiers, the matrix and its workflow have the same ones."""
    prefix = "Programming Language :: Python :: 3."
    named = ["3." + each.removeprefix(prefix) for each in PROJECT["project"]["classifiers"] if each.startswith(prefix)]
    rows = [row.name for row in ROWS]
    assert [name for name in rows if re.fullmatch(r"3\.\d+", name)] == named
    (listed,) = re.findall(r"row: \[(.*)\]", (ROOT / ".github/workflows/ci.yml").read_text())
    assert [name.strip('"') for name in listed.split(", ")] == [name for name in rows if name != "sqlalchemy-next"]


def test_the_matrix_knows_every_room_of_tests() -> None:
    """A new one is run with all of them, or left out on purpose."""
    rooms = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    assert rooms == {*TESTS} | LEFT_OUT
    assert not {*TESTS} & LEFT_OUT


def test_every_package_of_the_wheel_is_checked() -> None:
    """By its import from the wheel, and in the coverage; PySpark has tests of its own."""
    packages = {Path(path).name for path in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    assert set(check_wheel.PACKAGES) == packages
    assert set(PROJECT["tool"]["coverage"]["run"]["source_pkgs"]) == packages - {"fieldcrypt_spark"}


def test_the_coverage_has_a_floor_that_a_workflow_holds() -> None:
    """It is no part of .ci/run."""
    assert PROJECT["tool"]["coverage"]["report"]["fail_under"] >= 95
    assert re.search(r"target: \[.*\bcoverage\b.*\]", (ROOT / ".github/workflows/ci.yml").read_text())


def test_the_changelog_has_this_version() -> None:
    """With its date, below an "Unreleased" for what comes next, and with a link for each version."""
    versions = re.findall(r"^## \[(.+?)\]", CHANGES, re.MULTILINE)
    assert versions[:2] == ["Unreleased", __version__]
    assert re.search(rf"^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$", CHANGES, re.MULTILINE)
    assert re.findall(r"^\[(.+)\]: https://", CHANGES, re.MULTILINE) == versions


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_what_was_looked_at_and_may_do_little(path: Path) -> None:
    """Actions are named by their commits, and a job has the rights that it names."""
    text = path.read_text()
    actions = re.findall(r"uses: (.*)", text)
    assert actions
    assert [action for action in actions if not re.fullmatch(r"[\w/.-]+@[0-9a-f]{40}  # v[\d.]+", action)] == []
    assert "\npermissions: {}\n" in text

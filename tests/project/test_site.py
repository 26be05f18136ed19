"""The site of docs/, as far as that can be seen without building it, which `make docs` does."""

from __future__ import annotations

import importlib
import logging
import re
import subprocess
from pathlib import Path

import pytest

from fieldcrypt import Event, EventKind, FieldcryptError
from fieldcrypt.spi import report
from tests.support.front_doors import FRONT_DOORS, exported

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
WITH_ERRORS = [door for door in FRONT_DOORS if door.startswith("fieldcrypt_") or door == "fieldcrypt"]
LEVELS = {"Errors": "ERROR", "Warnings": "WARNING", "What is normal": "INFO", "What is frequent": "DEBUG"}


def contents(page: str) -> list[str]:
    """Return the pages in the tables of contents of one."""
    folder = Path(page).parent
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", (DOCS / f"{page}.md").read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    return [(folder / line.rpartition("<")[2].rstrip(">")).as_posix() for line in lines]


def rows(text: str) -> set[str]:
    """Return what the first cells of tables name as code."""
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_every_page_is_in_the_contents_once() -> None:
    """A page that nothing leads to is not read."""
    listed = [each for page in sorted(PAGES) for each in contents(page)]
    assert sorted(listed) == sorted(PAGES - {"index"})


def test_the_reference_has_every_front_door() -> None:
    """So that every name that is exported is on a page: `make docs` documents all of a door."""
    pages = "\n".join(page.read_text() for page in (DOCS / "reference" / "api").glob("*.md"))
    doors = re.findall(r"^\.\. front-door:: (\S+)$", pages, re.MULTILINE)
    assert sorted(doors) == sorted(FRONT_DOORS), "add it to a page of docs/reference/api"


def test_the_page_of_events_has_every_kind_at_the_level_at_which_it_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """People set alarms by it."""
    caplog.set_level(logging.DEBUG, "fieldcrypt")
    for kind in EventKind:
        report(Event(kind))
    logged = {record.message.strip(): record.levelname for record in caplog.records}
    said: dict[str, str] = {}
    for section in re.split(r"^## ", (DOCS / "reference" / "events.md").read_text(), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        said |= dict.fromkeys(rows(section), LEVELS[title])
    assert said == logged


def test_the_page_of_errors_draws_what_derives_from_what() -> None:
    """Of all errors that front doors export."""
    kinds = {FieldcryptError}
    for door in (door for door in WITH_ERRORS if door != "fieldcrypt_spark"):
        things = (getattr(importlib.import_module(door), name) for name in exported(door))
        kinds |= {thing for thing in things if isinstance(thing, type) and issubclass(thing, FieldcryptError)}
    page = (DOCS / "reference" / "errors.md").read_text()
    tree = re.search(r"^```text\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert tree is not None
    above: list[str] = []
    drawn = {}
    for line in tree[1].splitlines():
        found = re.search(r"\w+", line)
        assert found is not None
        depth = found.start() // len("├── ")
        above[depth:] = [found[0]]
        drawn[found[0]] = above[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in kinds}
    assert rows(page) == set(drawn) - {"FieldcryptError"}


def test_the_page_of_the_environment_has_every_variable() -> None:
    """That the library or its command line reads by its whole name."""
    command = ["git", "grep", "-ohE", r'"FIELDCRYPT_[A-Z]+"', "--", "fieldcrypt", "integrations"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    page = (DOCS / "reference" / "environment.md").read_text()
    assert set(re.findall(r"FIELDCRYPT_[A-Z]+", found)) <= rows(page)

"""SQLAlchemy's own dialect suite for types, with every column encrypted: what cannot hold is listed, and why."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy

from tests.sqlalchemy.type_suite.reasons import NOT_EVEN_PLAIN, REASONS

SUITE = Path(__file__).with_name("type_suite")
ROOT = SUITE.parents[2]
SERVERS = {"sqlite": None, "postgresql": "postgres", "mariadb": "mariadb"}  # the fixtures
BINARY = {"sqlite": "BLOB", "postgresql": "BYTEA", "mariadb": "LONGBLOB"}


class Report(NamedTuple):
    """What became of the suite.

    Attributes:
        outcomes: by test, how it ended, and the error.
        columns: of all tables that were created, the declared types of columns and the database's.
    """

    outcomes: dict[str, tuple[str, str]]
    columns: list[tuple[str, str]]

    def failed(self) -> Iterator[tuple[str, str]]:
        """Yield the names and errors of tests that failed."""
        return ((name, error) for name, (outcome, error) in self.outcomes.items() if outcome == "failed")


class Suite:
    """The suite on one database."""

    def __init__(self, kind: str, url: str, directory: Path) -> None:
        self.kind = kind
        self.url = url
        self.directory = directory

    def run(self, *options: str) -> Report:
        """Run it in a process of its own, with SQLAlchemy's pytest plugin and ours."""
        path = self.directory / "report.json"
        path.unlink(missing_ok=True)
        plugins = ("-p", "sqlalchemy.testing.plugin.pytestplugin", "-p", "tests.sqlalchemy.type_suite.plugin")
        configuration = ("-c", str(SUITE / "setup.cfg"), "--rootdir", str(SUITE))
        options = ("--dburi", self.url, "--report", str(path), *options)
        places = [ROOT, ROOT / "integrations", Path(sqlalchemy.__file__).parents[1]]
        # Behind them what was there before: a native core, for example.
        search_path = os.pathsep.join([*map(str, places), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, *configuration, *options, str(SUITE / "suite.py")],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": search_path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
        )
        assert path.exists(), done.stdout + done.stderr
        report: dict[str, Any] = json.loads(path.read_text())
        assert report["sqlalchemy"] == sqlalchemy.__version__
        return Report(report["outcomes"], report["columns"])

    def expected(self, name: str) -> str | None:
        """Return the error that a listed test fails with, any if it fails in plain too; None if it is not listed."""
        if any(re.fullmatch(test, name) for test in NOT_EVEN_PLAIN[self.kind]):
            return ""
        errors = (reason.error for reason in REASONS for test in reason.tests if re.fullmatch(test, name))
        return next(errors, None)


@pytest.fixture(scope="module", params=SERVERS)
def suite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The suite on each database."""
    directory = tmp_path_factory.mktemp("suite")
    server = SERVERS[request.param]
    url = request.getfixturevalue(server) if server else "sqlite://"
    return Suite(request.param, url, directory)


@pytest.fixture(scope="module")
def encrypted(suite: Suite) -> Report:
    """The run with encrypted columns."""
    return suite.run()


def listing(tests: dict[str, str]) -> str:
    """Return tests and errors, one a line."""
    return "\n".join(f"{name}: {error}" for name, error in tests.items())


def test_what_is_not_listed_passes(suite: Suite, encrypted: Report) -> None:
    """A type that no longer works, or a test that a new SQLAlchemy brings, has to be looked at."""
    other = {name: error for name, error in encrypted.failed() if suite.expected(name) is None}
    assert not other, listing(other)


def test_what_is_listed_fails_for_the_reason_given(suite: Suite, encrypted: Report) -> None:
    """A test that passes after all is to be taken off the list."""
    other = {}
    for name, (_, error) in encrypted.outcomes.items():
        expected = suite.expected(name)
        if expected is not None and not (error and re.search(expected, error)):
            other[name] = error or "it passes: take it off the list"
    assert not other, listing(other)


@pytest.mark.skipif(re.match(r"2\.0\.[1-4]?\d$", sqlalchemy.__version__) is not None, reason="has fewer tests")
def test_what_is_listed_is_there(suite: Suite, encrypted: Report) -> None:
    """The list has no entry for tests that are gone."""
    listed = [*NOT_EVEN_PLAIN[suite.kind], *(test for reason in REASONS for test in reason.tests)]
    assert [test for test in listed if not any(re.fullmatch(test, name) for name in encrypted.outcomes)] == []


def test_no_test_is_left_out(encrypted: Report) -> None:
    """Neither skipped nor an expected failure of SQLAlchemy's, on any database."""
    outcomes = [outcome for outcome, _ in encrypted.outcomes.values()]
    assert set(outcomes) == {"passed", "failed"}
    assert outcomes.count("passed") > 100


def test_every_column_is_encrypted(suite: Suite, encrypted: Report) -> None:
    """In each table that any of the tests created: declared so, and binary in the database."""
    assert all(declared.startswith("Encrypted(") for declared, _ in encrypted.columns)
    assert {found for _, found in encrypted.columns} == {BINARY[suite.kind]}
    assert len(encrypted.columns) > 50


def test_what_a_database_cannot_do_it_cannot_do_in_plain(suite: Suite) -> None:
    """The tests that are listed as such fail on the same columns without encryption."""
    if tests := NOT_EVEN_PLAIN[suite.kind]:
        plain = suite.run("--plain", "--only", f"({'|'.join(tests)})$")
        assert plain.outcomes
        assert [name for name, (outcome, _) in plain.outcomes.items() if outcome != "failed"] == []

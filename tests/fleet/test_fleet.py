"""What docs/guides/upgrading.md promises of fleets in which the last release and this version run at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.exchanges import AT_ONCE, IN_ANY_KEY_STORE, STEPS
from tests.fleet.versions import ROOT, RefusedError, Version, unpack_last_release
from tests.support.dynamodb import DynamoDb

PAGE = ROOT / "docs" / "guides" / "upgrading.md"
KEY_STORES = ("file", "sqlite", "dynamodb")


def promises() -> Mapping[str, tuple[str, str]]:
    """What the tables of the page have for each exchange: when 0.1 writes, and when this version does."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {what: (one, other) for what, one, other in rows if not what.startswith(("-", "What "))}


PROMISES = promises()
CASES = [
    pytest.param(what, kind, id=f"{what} [{kind}]")
    for what in PROMISES
    for kind in (KEY_STORES if what in IN_ANY_KEY_STORE else KEY_STORES[1:2])
]


@pytest.fixture(scope="module")
def last_release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Version]:
    """The last release, running."""
    with Version(unpack_last_release(tmp_path_factory.mktemp("last-release"))) as version:
        yield version


@pytest.fixture(scope="module")
def this_version() -> Iterator[Version]:
    """This version, running."""
    with Version(ROOT) as version:
        yield version


def outcome(what: str, writer: Version, reader: Version, *address: Any) -> str:
    """Take the steps of an exchange, and return in the table's words what came of it."""
    handed: Any = None
    for number in range(len(STEPS[what])):
        version = reader if number % 2 else writer
        try:
            handed = version.call(what, number, address, handed)
        except RefusedError as refusal:
            print(refusal)
            if number == 0:
                return "cannot"
            return f"refused: `{str(refusal).split(':')[0]}`"
    return handed if isinstance(handed, str) else "yes"


def outcome_at_once(what: str, writer: Version, reader: Version, *address: Any) -> str:
    """Have the first step taken, then the second one by both at once, and the third one by each over the other's."""
    writer.call(what, 0, address, None)
    with ThreadPoolExecutor() as pool:
        by_writer, by_reader = pool.map(lambda version: version.call(what, 1, address, None), (writer, reader))
    reader.call(what, 2, address, by_writer)
    writer.call(what, 2, address, by_reader)
    return "yes"


def test_two_versions_are_running(last_release: Version, this_version: Version) -> None:
    """Each from its own directory: else nothing here would show anything."""
    assert this_version.root == ROOT
    assert last_release.root != ROOT
    assert not (last_release.root / "docs").exists()


def test_every_exchange_is_promised() -> None:
    """The page has a row for each, and no row for anything else."""
    assert set(PROMISES) == set(STEPS)


@pytest.mark.parametrize(("what", "kind"), CASES)
class TestPromises:
    def test_this_version_goes_on_with_what_the_last_release_did(
        self, what: str, kind: str, last_release: Version, this_version: Version, moto: DynamoDb, tmp_path: Path
    ) -> None:
        """As the page says."""
        found = _outcome(what, last_release, this_version, kind, str(tmp_path), tuple(moto.endpoints.items()))
        assert found == PROMISES[what][0]

    def test_the_last_release_goes_on_with_what_this_version_did(
        self, what: str, kind: str, last_release: Version, this_version: Version, moto: DynamoDb, tmp_path: Path
    ) -> None:
        """As the page says."""
        found = _outcome(what, this_version, last_release, kind, str(tmp_path), tuple(moto.endpoints.items()))
        assert found == PROMISES[what][1]


def _outcome(what: str, *arguments: Any) -> str:
    return (outcome_at_once if what in AT_ONCE else outcome)(what, *arguments)

"""README and docs: their Python blocks run, page by page, against two regions of AWS on this machine.

KMS is moto's, DynamoDB is ministack's.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from fieldcrypt.testing import LocalAws
from tests.support.dynamodb import FIRST, DynamoDb
from tests.support.wiretap import Secrets

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILES = {"tutorial.md", "testing.md"}  # whose blocks are files of one project: see test_tutorial.py, and tests/testing
IN_THE_CLEAR = {  # what a table has before it is encrypted
    "migration-dynamodb.md": [f"078-05-{number}" for number in range(1120, 1140)] + ["north-4", "ward"],
}
EXAMPLE_KEY = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page) and page.name not in FILES], ids=lambda page: page.name
)
def test_the_examples_of_a_page_run(
    page: Path,
    aws: LocalAws,
    kms_key: str,
    replicating: DynamoDb,
    secrets: Secrets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    """In order, with the example's key replaced by one that exists here."""
    if page.name == "spark.md" and not pytestconfig.getoption("--spark"):
        pytest.skip("it needs PySpark: see `make test-spark`")
    if page.name == "dynamodb-async.md" and not pytestconfig.getoption("--aio"):
        pytest.skip("it needs aioboto3: see `make test-aio`")
    secrets.allow(*IN_THE_CLEAR.get(page.name, ()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint(FIRST))
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", replicating.endpoints[FIRST])
    monkeypatch.setenv("AWS_DEFAULT_REGION", FIRST)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    hooks = ModuleType("snapshot_restore_py")  # which only Lambda's runtime brings
    vars(hooks)["register_after_restore"] = lambda hook: hook()
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", hooks)
    namespace: dict[str, Any] = {"__name__": page.stem}
    with patch.dict(os.environ):  # what a page sets there ends with it
        for block in blocks(page):
            code = compile(block.replace(EXAMPLE_KEY, kms_key), str(page), "exec", dont_inherit=True)
            exec(code, namespace)  # noqa: S102 (our own)


@pytest.mark.parametrize(
    "page", [*PAGES, *ROOT.glob("*.md"), *ROOT.glob("examples/**/*.md")], ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist, and headings in them."""
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not heading or heading in headings(linked), f"{page.name} links to {target}#{heading}"

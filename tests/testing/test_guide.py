"""docs/guides/testing.md: its files are a project, whose tests pass under a pytest that knows the plugin alone."""

from __future__ import annotations

import re
from pathlib import Path

from tests.testing.projects import run_pytest

PAGE = Path(__file__).parents[2] / "docs/guides/testing.md"


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """All of them together, as somebody has them who followed it."""
    files = re.findall(r"^```python\n(# (\w+\.py)\n.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(files) == PAGE.read_text().count("```python")
    for content, name in files:
        (tmp_path / name).write_text(content)
    tests = sum(len(re.findall("^def test_", content, re.MULTILINE)) for content, _ in files)
    assert tests > 15
    result = run_pytest(tmp_path)
    assert f"{tests + 2} passed" in result.splitlines()[-1], result  # two of them twice

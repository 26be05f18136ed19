"""Tests stand by subject, in files that can be read; what several of them need stands in modules beside them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = [path.relative_to(TESTS).as_posix() for path in sorted(TESTS.rglob("test_*.py"))]
MOST_LINES = 650


@pytest.mark.parametrize("path", FILES)
def test_a_file_can_be_read_in_one_sitting(path: str) -> None:
    """A longer one has more than one subject."""
    assert len((TESTS / path).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", FILES)
def test_no_test_imports_another(path: str) -> None:
    """Models, fixtures and helpers that two files need stand in a module that is no test."""
    tree = ast.walk(ast.parse((TESTS / path).read_text(encoding="utf-8")))
    imports = [f"{node.module}.{name.name}" for node in tree if isinstance(node, ast.ImportFrom) for name in node.names]
    assert not [name for name in imports if name.startswith("tests.") and re.search(r"\.test_\w+", name)]

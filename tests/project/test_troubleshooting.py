"""docs/troubleshooting.md: every message on the page is still one of the code, so that people find what they see."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/troubleshooting.md"
ANYTHING = "…"  # on the page, what differs from one error to the next; here also what the code puts in
NOT_OURS = {"Unable to locate credentials", "AccessDeniedException"}  # boto3 and KMS say so


def messages() -> list[str]:
    """The first cells of all tables of messages, of which some have more than one."""
    tables = re.findall(r"^\| message .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE.read_text() + "\n", re.MULTILINE)
    cells = [row.split(" | ")[0] for table in tables for row in table.splitlines()]
    found = [
        text for cell in cells for text in re.findall(r"`([^`]+)`", cell) if not re.fullmatch(r"[A-Z]\w+Error", text)
    ]
    return [text for text in found if text not in NOT_OURS]


@cache
def texts() -> str:
    """All texts in the code, a line each, with an ellipsis for each value that is put in."""
    found = []
    for path in [*(ROOT / "fieldcrypt").rglob("*.py"), *(ROOT / "integrations").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else ANYTHING for part in node.values]
                found.append("".join(map(str, parts)))
    return "\n".join(text.replace("\n", " ") for text in found)


@pytest.mark.parametrize("message", messages())
def test_a_message_of_the_page_is_in_the_code(message: str) -> None:
    """Word for word, but for what differs each time."""
    pattern = "[^\n]*".join(map(re.escape, message.split(ANYTHING)))
    assert re.search(pattern, texts()), f"no text of the code is like {message!r}"


def test_the_page_is_read_whole() -> None:
    """No table is left out because it looks different."""
    assert len(messages()) > 80

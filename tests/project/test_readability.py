"""The pages of the site are read by people in a hurry: no sentence has more than 35 words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_WORDS = 35

# What is generated, and what is exact before it is easy.
OTHERS = {"docs/benchmarks-run.md", "SPEC.md"}
COMMAND = ["git", "ls-files", "*.md"]
LISTED = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, check=True).stdout
PAGES = [
    name for name in LISTED.split() if name.startswith(("docs/", "examples/")) or "/" not in name if name not in OTHERS
]

_FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2`*~*$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n+)+")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE = re.compile(r"(`+)(?:(?!\1).)+\1(?!`)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()]*\))?[^()\s]*\)")
_BLOCK = re.compile(r"\n\s*\n|\n(?= *(?:[-*+]|\d+\.) )|\n(?=#+ )|\n(?=>)|(?<=\|)\n")
_LABEL = re.compile(r"^\s*(?:[-*+]|\d+\.|#+|>)\s+")
# A sentence ends at a full stop, question or exclamation mark before a space, but not at one of an abbreviation.
_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bcf)(?<=[.?!])[\"”')*_]*\s+")
_WORD = re.compile(r"[^\W_][\w'’.,/:%+-]*")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page: of paragraphs, items of lists and cells of tables, each by itself."""
    text = _COMMENT.sub("", _INDENTED.sub("", _FENCED.sub("\n\n", text)))
    text = _LINK.sub(r"\1", _CODE.sub("code", text))
    for block in _BLOCK.split(text):
        cells = block.strip().strip("|").split("|") if block.lstrip().startswith("|") else [block]
        for cell in cells:
            for sentence in _END.split(_LABEL.sub("", cell)):
                if sentence.strip():
                    yield " ".join(sentence.split())


def words(sentence: str) -> int:
    """Return how many words a sentence has. Code counts as one."""
    return len(_WORD.findall(sentence))


@pytest.mark.parametrize("page", PAGES)
def test_no_sentence_is_too_long(page: str) -> None:
    """Anyone on call should have to read it once."""
    found = [each for each in sentences((ROOT / page).read_text()) if words(each) > MOST_WORDS]
    assert not found, f"more than {MOST_WORDS} words:\n" + "\n".join(f"{words(each)}: {each}" for each in found)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("One two. Three four five?\nSix", [2, 3, 1]),
        ("- one two\n- three\n\n1. four", [2, 1, 1]),
        ("| one two | three. Four |\n|---|---|\n| five | six |", [2, 1, 1, 1, 1]),
        ("one `two three four` [five six](seven.md#eight-nine) ten", [5]),
        ("one\n\n    two three\n\nfour", [1, 1]),
        ("one\n\n```text\ntwo three\n```\n\nfour", [1, 1]),
    ],
)
def test_sentences_are_told_apart(text: str, counts: list[int]) -> None:
    """Lists, cells and paragraphs apart, code as one word, and links by their text."""
    assert [words(each) for each in sentences(text) if words(each)] == counts

"""Pages, docstrings and help are read by people in a hurry: no sentence has more than 35 words."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fieldcrypt.cli.commands import commands

ROOT = Path(__file__).parents[2]
MOST_WORDS = 35

# What is generated, and what is exact before it is easy.
OTHERS = {"docs/benchmarks-run.md", "SPEC.md"}
COMMAND = ["git", "ls-files", "*.md"]
LISTED = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, check=True).stdout
PAGES = [
    name for name in LISTED.split() if name.startswith(("docs/", "examples/")) or "/" not in name if name not in OTHERS
]

SOURCES = sorted(path for name in ("fieldcrypt", "integrations") for path in (ROOT / name).rglob("*.py"))

_FENCED = re.compile(r"^( *)(`{3,}|~{3,})(.*)\n(?s:(.*?))^\1\2`*~*$", re.MULTILINE)
# Directives that have text in them, and not code or the names of pages.
_BOX = re.compile(r"\{(?:admonition|attention|caution|danger|error|hint|important|note|seealso|tip|warning)\}")
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n+)+")
_ITEM = re.compile(r" *(?:[-*+]|\d+\.) ")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE = re.compile(r"(`+)(?:(?!\1|\n\s*\n).)+\1(?!`)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()]*\))?[^()\s]*\)")
_BLOCK = re.compile(r"\n\s*\n|\n(?= *(?:[-*+]|\d+\.) )|(?<=\|)\n")
_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
_QUOTED = re.compile(r"^> ?", re.MULTILINE)
_LABEL = re.compile(r"^\s*(?:[-*+]|\d+\.|#+)\s+")
# A sentence ends at a full stop, question or exclamation mark before a space, but not at one of an abbreviation.
_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bcf)(?<=[.?!])[\"”')*_]*\s+")
_WORD = re.compile(r"[^\W_][\w'’.,/:%+-]*")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page: of paragraphs, items of lists and cells of tables, each by itself."""
    text = _FENCED.sub(lambda fence: f"\n\n{fence[4]}\n" if _BOX.match(fence[3]) else "\n\n", text)
    text = _COMMENT.sub("", _INDENTED.sub(_text_of_an_item, text))
    text = _HEADING.sub(r"\n\g<0>\n", _QUOTED.sub("", text))
    text = _LINK.sub(r"\1", _CODE.sub("code", text))
    for block in _BLOCK.split(text):
        cells = block.strip().strip("|").split("|") if block.lstrip().startswith("|") else [block]
        for cell in cells:
            for sentence in _END.split(_LABEL.sub("", cell)):
                if sentence.strip():
                    yield " ".join(sentence.split())


def _text_of_an_item(block: re.Match[str]) -> str:
    """Return an indented paragraph if it belongs to an item of a list, and nothing if it is code."""
    above = [line for line in block.string[: block.start()].splitlines() if line and not line.startswith("    ")]
    return block[0] if above and _ITEM.match(above[-1]) else ""


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a module as text, each entry of a section a paragraph."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            text, *sections = re.split(r"^(?:Args|Attributes|Returns|Yields|Raises):$", text, flags=re.MULTILINE)
            entries = re.sub(r"\n {4}(?! )", "\n\n", "\n".join(sections))
            yield f"{text}\n\n" + re.sub(r"^ +", "", entries, flags=re.MULTILINE)


def helps(command: Any) -> Iterator[str]:
    """Yield what a command, its options and the commands in it say of themselves."""
    yield command.help or ""
    yield from (getattr(option, "help", None) or "" for option in command.params)
    for each in getattr(command, "commands", {}).values():
        yield from helps(each)


def words(sentence: str) -> int:
    """Return how many words a sentence has. Code counts as one."""
    return len(_WORD.findall(sentence))


@pytest.mark.parametrize("page", PAGES)
def test_no_sentence_is_too_long(page: str) -> None:
    """Anyone on call should have to read it once."""
    found = [each for each in sentences((ROOT / page).read_text()) if words(each) > MOST_WORDS]
    assert not found, f"more than {MOST_WORDS} words:\n" + "\n".join(f"{words(each)}: {each}" for each in found)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_of_a_docstring_is_too_long(path: Path) -> None:
    """The pages of the API are made of them."""
    found = [each for text in docstrings(path) for each in sentences(text) if words(each) > MOST_WORDS]
    assert not found, f"more than {MOST_WORDS} words:\n" + "\n".join(f"{words(each)}: {each}" for each in found)


def test_no_sentence_of_a_help_is_too_long() -> None:
    """The page of the command line is made of it."""
    texts = list(helps(typer.main.get_command(commands)))
    assert len(texts) > 100
    assert [each for text in texts for each in sentences(text) if words(each) > MOST_WORDS] == []


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("One two. Three four five?\nSix", [2, 3, 1]),
        ("- one two\n- three\n\n1. four", [2, 1, 1]),
        ("| one two | three. Four |\n|---|---|\n| five | six |", [2, 1, 1, 1, 1]),
        ("one `two three four` [five six](seven.md#eight-nine) ten", [5]),
        ("one\n\n    two three\n\nfour", [1, 1]),
        ("one\n\n```text\ntwo three\n```\n\nfour", [1, 1]),
        ("one\n\n```{note}\ntwo three\n```\n\nfour", [1, 2, 1]),
        ("1. one two\n\n    three\n\nfour", [2, 1, 1]),
        ("## One two\nthree", [2, 1]),
        ("> one two\n> three", [3]),
        ("one ` two\n\nthree ` four", [2, 2]),
    ],
)
def test_sentences_are_told_apart(text: str, counts: list[int]) -> None:
    """Lists, cells and paragraphs apart, code as one word, and links by their text."""
    assert [words(each) for each in sentences(text) if words(each)] == counts

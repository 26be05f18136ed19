"""The words of the project: those of docs/glossary.md, in plain English, wherever someone reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What reads as translated, or names a thing by another word than the glossary: the pattern, and the better word.
BETTER = {
    r'"""(?:Say|Tell) (?:whether|if|what|how|when|which|who|why)\b': "'Return True if …', or 'Return …'",
    r"\b(?:he|she|his|him|her|hers|himself|herself)\b": "they, their, or the noun",
    r"\banew\b": "again",
    r"\bfor good\b": "permanently",
    r"\b[Ww]hoever\b": "anyone who",
    r"\bbe it that\b": "even if",
    r"\blately\b": "recently",
    r"\b[Bb]eside\b": "next to, besides, or along with",
    r"\bin vain\b": "fruitless, failed, or without success",
    r"\bat the most\b": "at most",
    r"\b(?:once|twice|times|rows|items|values|calls) an? (?:second|minute|hour|day|run|page|row|item|value|transaction"
    r"|process|key|tenant|request|call)\b": "per",
    r"\bKeyManager\b|\bkey manager\b": "key provider or key store",
    r"\bkey blob\b|\bencrypted data key\b": "wrapped key",
    r"\bblacklist|\bwhitelist": "list of what is refused, or accepted",
    r"\b(?:hash|hashes) of (?:a|the|its) values?\b": "tag",
}
EXAMPLES = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)\s]*\)", re.DOTALL)


def readable() -> list[Path]:
    """What people read: the library, its docs and its other pages, but no data and nothing generated."""
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [
        ROOT / name
        for name in listed
        if name.endswith((".py", ".md"))
        and ("/" not in name or name.startswith(("fieldcrypt/", "integrations/", "examples/", "docs/")))
        and not name.startswith("docs/benchmarks-run")
    ]


def found(pattern: str, paths: list[Path]) -> list[str]:
    """Where it stands, apart from examples in pages."""
    places = []
    for path in paths:
        text = path.read_text()
        if path.suffix == ".md":
            text = EXAMPLES.sub(lambda example: re.sub(r"[^\n]", " ", example[0]), text)
        places += [
            f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}"
            for match in re.finditer(pattern, text)
        ]
    return places


@pytest.mark.parametrize("pattern", BETTER)
def test_there_is_a_better_word(pattern: str) -> None:
    """Nobody stumbles on it in code, docs, messages or help."""
    places = found(pattern, readable())
    assert not places, f"better: {BETTER[pattern]}\n" + "\n".join(places)


def test_every_word_of_the_glossary_is_used() -> None:
    """A word that no page needs is no word of the project."""
    words = re.findall(r"^\| \*\*(.+?)\*\*", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    pages = "\n".join(path.read_text().lower() for path in readable() if path.name != "glossary.md")
    assert len(words) >= 25
    assert [word for word in words if not all(part.lower() in pages for part in word.split(", "))] == []

"""The keywords of every declaration are those of `Protection`, or docs/guides/declarations.md says why not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fieldcrypt_dynamodb
from fieldcrypt import CompoundIndex, Encryptor, IndexedBy, Protection
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_sqlalchemy import Encrypted

DECLARATIONS: dict[str, Callable[..., Any]] = {
    "Protection": Protection,
    "Encryptor.field": Encryptor.field,
    "Encrypted": Encrypted,
    "EncryptedAttribute": EncryptedAttribute,
    "IndexedBy": IndexedBy,
    "CompoundIndex": CompoundIndex,
    "Encryptor.blind_index": Encryptor.blind_index,
}
PAGE = Path(__file__).parents[2] / "docs" / "guides" / "declarations.md"


def tables() -> list[list[list[str]]]:
    """The tables of the page, each as rows of cells without backticks."""
    found: list[list[list[str]]] = [[]]
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip().strip("`") for cell in line.strip("|").split(" |")])
        elif found[-1]:
            found.append([])
    return [[head, *rows] for head, _, *rows in filter(None, found)]


CELLS = [
    (name, row[0], row[column]) for head, *rows in tables() for column, name in enumerate(head[1:-1], 1) for row in rows
]


def keywords(declaration: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(declaration).parameters) - {"self"}


@pytest.mark.parametrize(("declaration", "keyword", "said"), CELLS, ids=lambda cell: cell or "-")
def test_the_page_says_which_keywords_there_are(declaration: str, keyword: str, said: str) -> None:
    """For each declaration and each keyword of its table."""
    assert said == ("yes" if keyword in keywords(DECLARATIONS[declaration]) else "no")


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_every_keyword_is_on_the_page(declaration: str) -> None:
    """A new one is new everywhere, or is given a reason."""
    said = {keyword for name, keyword, answer in CELLS if (name, answer) == (declaration, "yes")}
    assert keywords(DECLARATIONS[declaration]) == said


@pytest.mark.parametrize("declaration", [Encryptor.field, Encrypted, EncryptedAttribute], ids=lambda it: it.__name__)
def test_what_is_not_said_means_the_same(declaration: Callable[..., Any]) -> None:
    """A keyword of `Protection` has its default everywhere."""
    defaults, own = (
        {
            name: each.default
            for name, each in inspect.signature(made).parameters.items()
            if each.default is not each.empty
        }
        for made in (Protection, declaration)
    )
    shared = (defaults.keys() & own.keys()) - {"type", "storage"}  # which come from elsewhere, or are types of SQL
    assert {name: own[name] for name in shared} == {name: defaults[name] for name in shared}


@pytest.mark.parametrize("row", [row for _, *rows in tables() for row in rows], ids=lambda row: row[0])
def test_what_is_missing_somewhere_has_a_reason(row: list[str]) -> None:
    """And only that."""
    assert ("no" in row[1:-1]) == bool(row[-1])


def test_boto3_takes_the_very_same_class() -> None:
    """Under another name."""
    assert fieldcrypt_dynamodb.Protected is Protection

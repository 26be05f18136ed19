"""Normalisers: which texts count as equal."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import Encryptor
from fieldcrypt.normalisers import NORMALISERS, casefold, digits
from tests.support.strategies import relaxed

# Characters that other characters become, or that change with their neighbours.
TRICKY = st.text("İıIiſßẞﬁǰΐ\u0345\u0301\u0307\u0323ᾳᾼσςΣÅÅé①²٠٧０K", max_size=6)
TEXTS = st.text() | TRICKY


@given(TEXTS)
@relaxed
@pytest.mark.parametrize("normaliser", NORMALISERS.values(), ids=NORMALISERS)
def test_twice_is_once(normaliser: Callable[[str], str], text: str) -> None:
    """What was normalised counts as equal to itself."""
    try:
        normalised = normaliser(text)
    except ValueError:
        return  # in which it finds nothing
    assert normaliser(normalised) == normalised


@pytest.mark.parametrize("name", NORMALISERS)
def test_whoever_looks_for_a_name_finds_it(name: str) -> None:
    """In the specification, in the docs, and in the method that takes it."""
    root = Path(__file__).parents[2]
    texts = [(root / page).read_text() for page in ("SPEC.md", "docs/blind-index.md")]
    assert all(f"`{name}`" in text or f'"{name}"' in text for text in [*texts, str(Encryptor.blind_index.__doc__)])


def test_casefold_of_every_character_is_stable() -> None:
    """No character of Unicode needs a second round."""
    characters = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    assert [character for character in characters if casefold(casefold(character)) != casefold(character)] == []


@given(TEXTS)
@relaxed
def test_forms_of_one_text_are_equal(text: str) -> None:
    """Composed or decomposed, however a keyboard or a file system left it."""
    forms = [
        unicodedata.normalize("NFC", text),
        unicodedata.normalize("NFD", text),
        unicodedata.normalize("NFKC", text),
        unicodedata.normalize("NFKD", text),
    ]
    assert {casefold(form) for form in forms} == {casefold(text)}


@pytest.mark.parametrize(("one", "other"), [("STRASSE", "Straße"), ("ＡＮＮ", "ann"), ("ﬁn", "FIN"), ("ΣΑΣ", "σας")])
def test_case_does_not_count(one: str, other: str) -> None:
    """In any script, nor does width."""
    assert casefold(one) == casefold(other)


@given(st.text(), st.integers(0, 10**12))
@relaxed
def test_digits_are_kept_in_their_order(noise: str, number: int) -> None:
    """And nothing else is."""
    between = "".join(character for character in noise if not character.isdecimal())
    assert digits(between.join([between, *str(number), between])) == str(number)


def test_digits_of_other_scripts_are_digits() -> None:
    """But not numbers that are none, like superscripts and fractions."""
    assert digits("٠٧٨-０５-1120 ²½①") == "078051120"


def test_a_text_without_digits_is_refused() -> None:
    """Else all of them would count as equal."""
    with pytest.raises(ValueError, match="without digits") as caught:
        digits("unknown")
    assert "unknown" not in str(caught.value)

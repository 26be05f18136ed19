"""Normalisers: which texts count as equal."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import Encryptor, _unicode
from fieldcrypt.normalisers import NORMALISERS, NothingToTagError, casefold, digits
from tests.support.strategies import relaxed
from tests.support.unicode_table import VERSION, assigned_runs

# Characters that other characters become, or that change with their neighbours.
TRICKY = st.text("İıIiſßẞﬁǰΐ\u0345\u0301\u0307\u0323ᾳᾼσςΣÅÅé①²٠٧０K", max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cn", "Cs"])).filter(_unicode.is_assigned) | TRICKY
WITH_MARKS = st.text("ᾲᾂᾜᾫῷᾀῼ\u0345\u0323\u034a\u036f\u2de7\u0301", max_size=5)

CHARACTERS = [
    chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000 and _unicode.is_assigned(chr(point))
]


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
    texts = [(root / page).read_text() for page in ("SPEC.md", "docs/guides/blind-index.md")]
    assert all(f"`{name}`" in text or f'"{name}"' in text for text in [*texts, str(Encryptor.blind_index.__doc__)])


def test_casefold_of_every_character_is_stable() -> None:
    """No character of Unicode needs a second round."""
    assert [character for character in CHARACTERS if casefold(casefold(character)) != casefold(character)] == []


def casefold_before(text: str) -> str:
    """What `casefold` was when tags were first made with it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def test_no_character_has_another_tag_than_before() -> None:
    """So what was tagged is found."""
    assert [character for character in CHARACTERS if casefold(character) != casefold_before(character)] == []


@given(TEXTS | WITH_MARKS)
@relaxed
def test_only_texts_with_an_iota_below_have_other_tags_than_before(text: str) -> None:
    """Namely those whose forms were not equal although Unicode calls them canonically equivalent."""
    if casefold(text) != casefold_before(text):
        assert "\u0345" in unicodedata.normalize("NFD", text)


@given(TEXTS | WITH_MARKS)
@relaxed
def test_casefold_is_the_compatibility_caseless_match_of_unicode(text: str) -> None:
    """That of definition D146, composed; composing keeps apart what is apart."""
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    assert casefold(text) == unicodedata.normalize("NFC", unicodedata.normalize("NFKD", once.casefold()))


def test_casefold_is_the_same_under_every_version_of_python() -> None:
    """The digest is that of what Unicode 14.0 makes of all its characters."""
    digest = hashlib.sha256("\n".join(map(casefold, CHARACTERS)).encode()).hexdigest()
    assert digest == "52cea0562939cf89bb16f0f3e44f0b08cb387d1c01b73823cdbad6e3c038492d"


@pytest.mark.skipif(unicodedata.unidata_version != VERSION, reason="has tables of another version")
def test_the_table_of_assigned_characters_is_that_of_unicode_14() -> None:
    """As it is printed by the script that made it."""
    assert _unicode._RUNS.split() == assigned_runs().split()


@pytest.mark.parametrize("normaliser", NORMALISERS.values(), ids=NORMALISERS)
@pytest.mark.parametrize("newer", ["\U0001fae8", "\u0378", "\uffff"])
def test_a_character_that_unicode_14_does_not_assign_has_no_tag(newer: str, normaliser: Callable[[str], str]) -> None:
    """What a later version makes of it would differ from process to process while Pythons are upgraded."""
    with pytest.raises(NothingToTagError) as caught:
        normaliser(f"Ann 1{newer}")
    assert "Ann" not in str(caught.value)


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


@given(TEXTS, st.integers(0, 10**12))
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

"""The text form of values (SPEC section 13): one spelling for each, and every other one refused."""

from __future__ import annotations

import string
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import DecryptionError, Encryptor, Field, KeyNotFoundError, KeyPolicy, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.format import text_form

AT_ONCE = KeyPolicy(replication_wait=timedelta(0))
LETTERS = string.ascii_letters + string.digits + "-_+/=.\n é"


def refusal(text: str) -> DecryptionError | None:
    """The error of a text that is refused."""
    try:
        text_form.decode(text)
    except DecryptionError as error:
        return error
    return None


@pytest.fixture(scope="module")
def field() -> Field[str]:
    """A field of stored values."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=AT_ONCE).field("a.b", str)


@given(st.binary(max_size=200))
def test_a_value_comes_back(value: bytes) -> None:
    """As it was, from a text of the length that `size` tells, which begins with the prefix."""
    text = text_form.encode(value)
    assert text_form.decode(text) == value
    assert text_form.is_marked(text)
    assert len(text) == text_form.size(len(value))
    assert set(text[4:]) <= set(string.ascii_letters + string.digits + "-_")


@given(st.data(), st.binary(max_size=70), st.sampled_from(LETTERS))
def test_another_character_is_another_value_or_none(data: st.DataObject, value: bytes, letter: str) -> None:
    """No two texts are one value, wherever a character is replaced, put in or left out."""
    text = text_form.encode(value)
    at = data.draw(st.integers(0, len(text) - 1))
    put_in, left_out = data.draw(st.sampled_from([(letter, 1), (letter, 0), ("", 1)]))
    changed = text[:at] + put_in + text[at + left_out :]
    if changed == text:
        return
    try:
        found = text_form.decode(changed)
    except DecryptionError:
        return
    assert found != value


def test_no_changed_character_decrypts(field: Field[str]) -> None:
    """Of each place in a text, whatever stands there instead: nobody opens it."""
    text = text_form.encode(field.encrypt("078-05-1120"))
    for at in range(len(text)):
        for letter in "Aa-_+=":
            if text[at] != letter:
                with pytest.raises((DecryptionError, KeyNotFoundError)):
                    field.decrypt(text_form.decode(text[:at] + letter + text[at + 1 :]))


@given(st.text(max_size=40))
def test_other_texts_are_refused(text: str) -> None:
    """With one error, behind which there is nothing; and so is a prefix with other things behind it."""
    for each in (text, f"fc1.{text}"):
        refused = refusal(each)
        if refused is None:
            assert text_form.encode(text_form.decode(each)) == each
        else:
            assert refused.__context__ is None
            assert refused.args == DecryptionError().args


@pytest.mark.parametrize("other", [None, b"fc1.AQ", 7, ["fc1.AQ"], {"fc1.": "AQ"}])
def test_what_is_no_text_is_refused(other: object) -> None:
    """As a column of JSON may hold it."""
    assert not text_form.is_marked(other)
    with pytest.raises(DecryptionError):
        text_form.decode(other)  # type: ignore[arg-type]


@pytest.mark.parametrize("tail", ["=", " ", "-", "é", "A"])
def test_long_texts_are_read_in_linear_time(tail: str) -> None:
    """Also those that are refused at their end."""

    def spent(size: int) -> float:
        text = "fc1." + "A" * size + tail * size
        began = time.process_time()
        refusal(text)
        return time.process_time() - began

    spent(1_000)
    assert min(spent(4_000_000) for _ in range(3)) < 2

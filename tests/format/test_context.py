"""Encryption contexts: one encoding for each, and none for what is no context."""

from __future__ import annotations

import enum
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import DecryptionError, Encryptor, LocalKeyProvider, MemoryKeyStore, RowContext, key_text, row_context
from fieldcrypt.format.context import application_context, encode_context
from tests.support.doubles import told
from tests.support.strategies import VALUES, Access, Colour, Level, Mode, relaxed

# Few characters, among them those of lengths, so that different contexts come close to one encoding.
TIGHT = st.text("\x00\x01\x02a", max_size=4)
TIGHT_CONTEXTS = st.dictionaries(TIGHT.filter(bool), TIGHT, min_size=1, max_size=4)
CONTEXTS = st.dictionaries(st.text(min_size=1), st.text(), min_size=1)

SURROGATE = "secret\ud800"


@given(TIGHT_CONTEXTS | CONTEXTS, TIGHT_CONTEXTS | CONTEXTS)
@relaxed
def test_different_contexts_have_different_encodings(one: dict[str, str], other: dict[str, str]) -> None:
    """Two contexts have the same encoding if, and only if, they are equal."""
    assert (encode_context(one) == encode_context(other)) is (one == other)


@given(CONTEXTS, st.randoms(use_true_random=False))
@relaxed
def test_order_does_not_count(context: dict[str, str], random: Any) -> None:
    """The order in which a context was built is not in its encoding."""
    items = list(context.items())
    random.shuffle(items)
    assert encode_context(dict(items)) == encode_context(context)


def test_the_encoding() -> None:
    """Keys in the order of their bytes, every key and value behind its length in two bytes (SPEC section 2)."""
    encoded = encode_context({"b": "ü", "a": "", "B": "x" * 300})
    assert encoded == b"\0\1B\x01\x2c" + b"x" * 300 + b"\0\1a\0\0" + b"\0\1b\0\2\xc3\xbc"


@pytest.mark.parametrize("context", [{}, {"": "value"}], ids=["no-entry", "no-key"])
def test_emptiness_is_refused(context: dict[str, str]) -> None:
    """A context without entries, or with an empty key, is refused."""
    with pytest.raises(ValueError, match="context"):
        encode_context(context)


@pytest.mark.parametrize(("key", "value"), [("k" * 65_536, ""), ("k", "ü" * 32_768)])
def test_lengths_have_a_limit(key: str, value: str) -> None:
    """Keys and values of more than 65,535 bytes are refused, not cut; bytes count, not characters."""
    assert encode_context({key[:65_535]: value[:32_767]})
    with pytest.raises(ValueError, match="65535"):
        encode_context({key: value})


@pytest.mark.parametrize("context", [{1: "a"}, {"a": 1}, {"a": None}, {b"a": "b"}, {"a": b"b"}])
def test_only_text_is_taken(context: Any) -> None:
    """A key or value that is not a str is a TypeError."""
    with pytest.raises(TypeError, match="str"):
        encode_context(context)


@pytest.mark.parametrize("context", [{SURROGATE: "a"}, {"a": SURROGATE}], ids=["key", "value"])
def test_invalid_text_is_refused_without_showing_it(context: dict[str, str]) -> None:
    """A lone surrogate is a ValueError; neither it nor an error behind it carries the text."""
    with pytest.raises(ValueError, match="not valid Unicode") as caught:
        encode_context(context)
    assert "secret" not in told(caught.value)


def test_applications_cannot_use_keys_of_the_format(encryptor: Encryptor) -> None:
    """Keys that begin with `fieldcrypt:` are refused from applications, for fields and for calls."""
    reserved = {"fieldcrypt:tenant": "someone else"}
    with pytest.raises(ValueError, match="reserved"):
        encryptor.field("a.b", context=reserved)
    with pytest.raises(ValueError, match="reserved"):
        encryptor.field("a.b").encrypt(b"", context=reserved)
    with pytest.raises(ValueError, match="reserved"):
        encryptor.field("a.b").decrypt(encryptor.field("a.b").encrypt(b""), context=reserved)


@pytest.mark.parametrize("context", [[("a", "b")], "a", 1])
def test_an_application_context_is_a_mapping(context: Any) -> None:
    """What is no mapping is a TypeError."""
    with pytest.raises(TypeError, match="mapping"):
        application_context(context)


class QuotedName(str):
    """A str with more to it, as database libraries have."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class ForeignUUID(UUID):
    """A UUID as a database driver makes it."""


class Part(enum.Enum):
    """A part of a key."""

    A = 1


class TestKeyText:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("Søren ", "Søren "),
            ("", ""),
            (QuotedName("ann"), "ann"),
            (0, "0"),
            (-42, "-42"),
            (2**70, "1180591620717411303424"),
            (Decimal("-0.00"), "0"),
            (Decimal("0E+999"), "0"),
            (Decimal("-1200.250"), "-1200.25"),
            (Decimal("1.0"), "1"),
            (Decimal("12E+3"), "12000"),
            (Decimal("5E-7"), "0.0000005"),
            (Decimal(2**70), "1180591620717411303424"),
            (UUID("00112233-4455-6677-8899-AABBCCDDEEFF"), "00112233-4455-6677-8899-aabbccddeeff"),
            (ForeignUUID(int=1), "00000000-0000-0000-0000-000000000001"),
            (b"\x00\xff", "00ff"),
            (date(2026, 11, 23), "2026-11-23"),
            (Colour.GREEN, "GREEN"),
            (Level.LOW, "LOW"),
            (Mode.READ, "READ"),
            (Access.READ, "READ"),
        ],
        ids=repr,
    )
    def test_the_texts_of_the_specification(self, value: Any, text: str) -> None:
        """Exactly a str, whatever the value can do."""
        assert key_text(value) == text
        assert type(key_text(value)) is str

    @pytest.mark.parametrize(
        "value",
        [None, True, 1.5, datetime(2026, 1, 1), time(1), [1], bytearray(b"secret"), Access(3), object()],
        ids=lambda value: type(value).__name__,
    )
    def test_nothing_else_has_a_text(self, value: Any) -> None:
        """What a database may give back in another spelling would not decrypt; the error names the type only."""
        with pytest.raises(TypeError, match=type(value).__name__) as caught:
            key_text(value)
        assert "secret" not in told(caught.value)

    @pytest.mark.parametrize("value", ["NaN", "sNaN", "-Infinity", "1E+201", "-1E-201"])
    def test_a_number_that_no_key_can_be_has_none(self, value: str) -> None:
        """Nor one whose text would fill the memory."""
        with pytest.raises(ValueError, match="Decimal"):
            key_text(Decimal(value))

    @given(st.sampled_from([str, int, UUID, bytes, date, Colour]), st.data())
    @relaxed
    def test_different_keys_of_one_type_have_different_texts(self, kind: type, data: st.DataObject) -> None:
        """Else one row's value would decrypt in another one."""
        one, other = data.draw(VALUES[kind]), data.draw(VALUES[kind])
        assert (key_text(one) == key_text(other)) is (one == other)

    @given(*2 * [st.decimals(-(10**38), 10**38, allow_nan=False)])
    @relaxed
    def test_nor_do_different_numbers(self, one: Decimal, other: Decimal) -> None:
        """Equal ones, 1.0 and 1, have one text, for DynamoDB gives back another spelling than it was given."""
        assert (key_text(one) == key_text(other)) is (one == other)
        assert Decimal(key_text(one)) == one

    @given(st.integers())
    @relaxed
    def test_an_int_and_its_decimal_have_one_text(self, number: int) -> None:
        """So that a field is the same in all stores."""
        if abs(number) < 10**200:
            assert key_text(Decimal(number)) == key_text(number)


class TestRowContext:
    def test_a_key_of_one_part(self) -> None:
        """Is the row."""
        assert row_context(42) == {"row": "42"}

    def test_a_key_of_several_parts(self) -> None:
        """Is numbered, so that no part can run over into the next one."""
        assert row_context("a", 1) == {"row.1": "a", "row.2": "1"}
        assert row_context("a1", "") != row_context("a", "1")

    def test_a_row_without_a_key_is_none(self) -> None:
        """It would bind nothing."""
        with pytest.raises(TypeError, match="at least one"):
            row_context()

    @given(own=st.dictionaries(st.text(min_size=1).filter(lambda key: not key.startswith("fieldcrypt:")), st.text()))
    @relaxed
    def test_it_is_the_same_context_as_a_dict(self, own: dict[str, str]) -> None:
        """Whatever the field's own context is, before or after it in the canonical order, or in its way."""
        field = Encryptor(LocalKeyProvider(bytes(32)), MemoryKeyStore()).field("a.b", str, context=own)
        row = row_context("k")
        if "row" in own:
            with pytest.raises(ValueError, match="override"):
                field.encrypt("x", context=row)
            return
        assert field.decrypt(field.encrypt("x", context=row), context=dict(row)) == "x"
        assert field.decrypt(field.encrypt("x", context=dict(row)), context=row) == "x"

    def test_a_key_of_many_parts_is_the_same_context_as_a_dict(self, encryptor: Encryptor) -> None:
        """Part 10 comes before part 2 in the canonical order."""
        field, row = encryptor.field("a.b", str), row_context(*range(12))
        assert field.decrypt(field.encrypt("x", context=dict(row)), context=row) == "x"

    def test_it_binds_a_value(self, encryptor: Encryptor) -> None:
        """A value of one row does not decrypt in another."""
        field = encryptor.field("a.b", str)
        value = field.encrypt("x", context=row_context(Part.A, 1))
        assert field.decrypt(value, context={"row.1": "A", "row.2": "1"}) == "x"
        with pytest.raises(DecryptionError):
            field.decrypt(value, context=row_context("A", 2))


@pytest.mark.parametrize("texts", [(), "42", ["42"], (42,), ("42", None)])
def test_a_row_context_is_of_texts(texts: Any) -> None:
    """One that binds to no row, or to another than it shows, cannot be made."""
    with pytest.raises(TypeError):
        RowContext(texts)


@given(st.lists(st.text(), min_size=1, max_size=12))
@relaxed
def test_a_row_context_binds_to_what_it_shows(texts: list[str]) -> None:
    """Its bytes are those of the context that it is."""
    context = RowContext(tuple(texts))
    assert context.encoded == encode_context(dict(context))

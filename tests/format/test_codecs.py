"""Codecs: exact or not at all, in one way only, and without telling the value."""

from __future__ import annotations

import decimal
import enum
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldcrypt import DecryptionError
from fieldcrypt.format.codecs import CBOR, PADDED, TEXT, Codec
from fieldcrypt.format.scalars import READ, REFUSALS, WRITE, writer_of_any
from tests.support.doubles import told
from tests.support.strategies import CBOR_LIKE, NESTED, VALUES, Access, Colour, Level, Mode, fingerprint, relaxed

SECRET = "078-05-1120"
MERSENNE = 2**61 - 1  # Python's hash of an integer is its remainder


def assert_refused_or_canonical(plaintext: bytes) -> None:
    """Bytes are a DecryptionError, or the one encoding of what they decode to."""
    try:
        value = Codec(object).decode(plaintext)
    except DecryptionError:
        return
    pad = len(plaintext) - 1 if plaintext[0] & PADDED else None
    if pad is None or pad >= 2:
        assert Codec(object, pad).encode(value) == plaintext


def nested(levels: int, innermost: list[Any]) -> list[Any]:
    """A list within so many lists, itself included."""
    for _ in range(levels - 1):
        innermost = [innermost]
    return innermost


UTC_TEXTS = st.builds(
    lambda time, separator, zone: time.isoformat(separator) + zone,
    st.datetimes(),
    st.sampled_from("T "),
    st.sampled_from(["+00:00", "+0000", "Z", "-00:00", "+00", "+00:00:00", ""]),
)


class TestRoundTrip:
    """What is encoded comes back equal, of the same type, and spelled the same."""

    @pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
    @given(data=st.data(), pad=st.sampled_from([None, 2, 16]))
    @relaxed
    def test_every_type(self, kind: type, pad: int | None, data: st.DataObject) -> None:
        """A value of every type comes back the same, padded or not."""
        value = data.draw(VALUES[kind])
        codec = Codec(kind, pad)
        assert fingerprint(codec.decode(codec.encode(value))) == fingerprint(value)

    @given(NESTED.filter(lambda value: value is not None))
    @relaxed
    def test_object_takes_them_all(self, value: object) -> None:
        """A field of type `object` takes any of these types, Enum members apart, and gives back the same."""
        codec = Codec(object)
        assert fingerprint(codec.decode(codec.encode(value))) == fingerprint(value)
        assert writer_of_any(codec.encode)(value) == codec.encode(value)  # which is quicker for single values

    @pytest.mark.parametrize("kind", WRITE, ids=lambda kind: kind.__name__)
    @given(data=st.data())
    @relaxed
    def test_what_is_written_by_hand_is_what_the_library_writes(self, kind: type, data: st.DataObject) -> None:
        """Fields of these types have a short way of their own, which reads all but long numbers and other zones."""
        value = data.draw(VALUES[kind])
        plaintext = WRITE[kind](value)
        assert plaintext == Codec(kind).encode(value)
        short = len(plaintext) <= (10 if kind is int else 28)
        if short if kind is not datetime else value.tzinfo in (UTC, None):
            assert fingerprint(READ[kind](plaintext)) == fingerprint(value)

    @given(
        st.sampled_from([*READ]),
        st.sampled_from(
            [
                b"",
                b"\x03",
                b"\x03\xd9\x03\xec",
                b"\x03\xc0",
                b"\x03\xd9\xfc\x01",
                b"\x03\xd9\xfc\x02",
                b"\x03\xd8\x25",
                b"\x01",
                b"\x02",
                b"\x83",
            ]
        ),
        st.binary(max_size=30)
        | st.sampled_from(
            ["2024-W09-4", "20240229", "2024-02-29", "2024-02-30", "1E+2", "1e2", " 12", "1_0", "+1", "٣"]
        ).map(cbor2.dumps)
        | (
            st.text(max_size=29)
            | st.dates().map(str)
            | UTC_TEXTS
            | st.datetimes().map(datetime.isoformat)
            | st.binary(min_size=15, max_size=17)
            | st.decimals().map(str)
            | st.integers()
            | st.floats()
        ).map(cbor2.dumps),
    )
    @relaxed
    def test_what_is_read_by_hand_is_what_the_library_reads(self, kind: type, head: bytes, rest: bytes) -> None:
        """The short way takes nothing that the long one refuses, or reads otherwise."""
        try:
            value = READ[kind](head + rest)
        except REFUSALS:
            value = None
        if value is not None:
            assert fingerprint(value) == fingerprint(Codec(kind).decode(head + rest))

    @pytest.mark.parametrize(
        ("kind", "plaintext"),
        [
            (float, Codec(float).encode(0.1) + b"\0"),
            (date, Codec(date).encode(date(2026, 1, 1)).replace(b"-01-01", b"-W01-4")),
            (datetime, Codec(datetime).encode(datetime(2026, 1, 1)).replace(b"T", b" ")),
            (datetime, Codec(datetime).encode(datetime(2026, 1, 1, tzinfo=UTC)).replace(b"T", b" ")),
            (Decimal, Codec(Decimal).encode(Decimal(100)).replace(b"100", b"+10")),
        ],
        ids=["float", "date", "local datetime", "datetime", "Decimal"],
    )
    def test_what_is_read_by_hand_has_one_spelling(self, kind: type, plaintext: bytes) -> None:
        """Another text of a value, or a byte after it, is not read the short way."""
        assert READ[kind](plaintext) is None

    @pytest.mark.parametrize("digits", range(1, 40))
    def test_decimals_of_each_length_are_written_alike(self, digits: int) -> None:
        """The short way and the long one, which begins where the length takes two bytes."""
        value = Decimal("7" * digits)
        assert WRITE[Decimal](value) == Codec(Decimal).encode(value)
        assert Codec(Decimal).decode(WRITE[Decimal](value)) == value

    def test_maps_keep_their_order(self) -> None:
        """The order of a dict's entries survives."""
        value = {"b": 1, "a": 2, 3: 3, "A": 4}
        assert list(Codec(dict).decode(Codec(dict).encode(value))) == ["b", "a", 3, "A"]

    def test_a_zone_becomes_its_offset(self) -> None:
        """A time in a named zone comes back with the offset that it had there, in summer, winter and between."""
        berlin = ZoneInfo("Europe/Berlin")
        for value in (
            datetime(2026, 7, 1, 12, tzinfo=berlin),
            datetime(2026, 1, 1, 12, tzinfo=berlin),
            datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=berlin),
            datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=berlin),
        ):
            assert Codec(datetime).decode(Codec(datetime).encode(value)).isoformat() == value.isoformat()

    @pytest.mark.parametrize("kind", [list, dict, set])
    def test_what_changes_meanwhile_is_encoded_as_it_was(self, kind: Any) -> None:
        """Else the length would be that of something else, and nobody could read the value again."""
        zone = Meddling()
        moment = datetime(2026, 1, 1, tzinfo=zone)
        value: Any = {moment: 1} if kind is dict else kind([moment])
        before = value.copy()
        zone.meddle = {list: lambda: value.append(1), dict: lambda: value.update(a=1), set: lambda: value.add(1)}[kind]
        encoded = Codec(kind).encode(value)
        assert len(value) > 1
        assert Codec(kind).decode(encoded) == before

    def test_the_decimal_context_does_not_count(self) -> None:
        """A Decimal has one encoding, and it can be read, whatever decimal context the program works in."""
        codec, value = Codec(Decimal), Decimal("1E+30")
        usual = codec.encode(value)
        with decimal.localcontext(decimal.Context(prec=2, capitals=0, traps=[])):
            unusual = codec.encode(value)
            assert codec.decode(usual).as_tuple() == value.as_tuple()
        assert unusual == usual

    @pytest.mark.parametrize("pad", [2, 3, 16, 65_535])
    def test_64_levels_of_nesting(self, pad: int) -> None:
        """Lists nest 64 deep, with something in the innermost or without."""
        codec = Codec(list, pad)
        for value in (nested(64, []), nested(64, ["leaf"])):
            assert codec.decode(codec.encode(value)) == value


class NoFixedOffset(tzinfo):
    """A zone whose offset depends on the date, which a time of day does not have."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else timedelta(hours=1)

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> None:
        return None


class Meddling(tzinfo):
    """A time zone that changes a list, dict or set while it is encoded, as another thread might."""

    def __init__(self) -> None:
        self.meddle: Callable[[], object] = list

    def utcoffset(self, dt: datetime | None) -> timedelta:
        self.meddle()
        return timedelta(0)

    def dst(self, dt: datetime | None) -> None:
        return None

    def tzname(self, dt: datetime | None) -> None:
        return None


class Text(str):
    """A subclass, which would come back as a str."""


class Number(int):
    """A subclass, which would come back as an int."""


SUBCLASS_ENUM = enum.Enum("SUBCLASS_ENUM", ["RED"])

# Pairs of a field's type and a value that is not exactly of it.
FOREIGN: list[tuple[type, object]] = [
    (object, None),
    (str, None),
    (bool, 1),
    (int, True),
    (float, 1),
    (int, 1.0),
    (date, datetime(2026, 11, 23)),
    (datetime, date(2026, 11, 23)),
    (bytes, SECRET),
    (bytes, bytearray(SECRET.encode())),
    (str, SECRET.encode()),
    (str, Text(SECRET)),
    (object, Text(SECRET)),
    (object, Number(7)),
    (list, [Text(SECRET)]),
    (list, (SECRET,)),
    (object, (SECRET,)),
    (list, [SECRET, (1,)]),
    (set, frozenset({SECRET})),
    (set, {(SECRET,)}),
    (set, {frozenset({SECRET})}),
    (dict, {(SECRET,): 1}),
    (dict, {SECRET: object()}),
    (object, object()),
    (object, Colour.RED),
    (int, Level.LOW),
    (str, Mode.READ),
    (object, Mode.READ),
    (list, [Colour.RED]),
    (Colour, SUBCLASS_ENUM["RED"]),
    (Colour, "RED"),
    (Mode, "r"),
    (Access, Access.READ | Access.WRITE),
    (Access, Access(0)),
    (datetime, datetime(2026, 1, 1, tzinfo=timezone(timedelta(microseconds=1)))),
    (time, time(12, tzinfo=timezone(timedelta(microseconds=1)))),
    (time, time(12, tzinfo=NoFixedOffset())),
]


class TestRefusals:
    """What has no exact encoding is refused before anything is written."""

    @pytest.mark.parametrize(("kind", "value"), FOREIGN, ids=lambda item: getattr(item, "__name__", None))
    def test_values_of_other_types(self, kind: type, value: object) -> None:
        """None, subclasses, look-alikes and foreign objects are TypeErrors, and the error does not tell the value."""
        with pytest.raises(TypeError) as caught:
            Codec(kind).encode(value)
        assert SECRET not in told(caught.value)

    @pytest.mark.parametrize("pad", [None, 16], ids=["plain", "padded"])
    @pytest.mark.parametrize("wrap", [lambda text: text, lambda text: [text], lambda text: {text: 1}])
    def test_lone_surrogates(self, wrap: Any, pad: int | None) -> None:
        """Text that is not valid Unicode is a ValueError without the text, at the top, in lists and as a key."""
        with pytest.raises(ValueError, match="not valid Unicode") as caught:
            Codec(object, pad).encode(wrap(SECRET + "\ud800"))
        assert SECRET not in told(caught.value)

    def test_65_levels_of_nesting(self) -> None:
        """A scalar within 65 lists is a ValueError, and so is a list within itself."""
        endless: list[Any] = []
        endless.append(endless)
        for value in (nested(65, [SECRET]), endless):
            with pytest.raises(ValueError, match="64") as caught:
                Codec(list).encode(value)
            assert SECRET not in told(caught.value)

    def test_65_levels_of_maps(self) -> None:
        """As of lists; 64 are taken."""
        value: dict[str, Any] = {"leaf": 1}
        for _ in range(63):
            value = {"": value}
        assert Codec(dict).decode(Codec(dict).encode(value)) == value
        with pytest.raises(ValueError, match="64"):
            Codec(dict).encode({"": value})

    @pytest.mark.parametrize("innermost", [[], {}, set()], ids=["list", "dict", "set"])
    def test_65_levels_of_nesting_around_nothing(self, innermost: Any) -> None:
        """64 lists around an empty list, map or set are 65 levels too: refused when written, and when read."""
        with pytest.raises(ValueError, match="64"):
            Codec(list).encode(nested(65, innermost))
        encoded = b"\x03" + b"\x81" * 64 + Codec(object).encode(innermost)[1:]
        with pytest.raises(DecryptionError):
            Codec(list).decode(encoded)

    @pytest.mark.parametrize("not_a_number", [float, Decimal])
    def test_not_a_number_twice(self, not_a_number: Any) -> None:
        """A map or set in which NaN occurs twice would have an entry twice in its encoding, or lose one: refused."""
        one, other = not_a_number("NaN"), not_a_number("NaN")
        for value in ({one: 1, other: 2}, {one, other}):
            with pytest.raises((TypeError, ValueError)):
                Codec(object).encode(value)

    def test_members_with_one_encoding(self) -> None:
        """Different keys or elements that have one encoding are a ValueError; none of them is dropped."""
        # Python holds times of the repeated hour for different from all times of other zones (PEP 495).
        one = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
        other = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1)))
        assert len({one, other}) == 2
        for value in ({one: 1, other: 2}, {one, other}):
            with pytest.raises(ValueError):  # noqa: PT011 (any message will do)
                Codec(object).encode(value)

    def test_members_that_are_equal_when_they_are_read(self) -> None:
        """A time in the repeated hour of a named zone equals none in UTC, and does once its zone is an offset."""
        one = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
        other = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
        assert len({one, other}) == 2
        for value in ({one: 1, other: 2}, {one, other}):
            with pytest.raises(ValueError, match="equal when they are read"):
                Codec(object).encode(value)

    @pytest.mark.parametrize("make", [dict.fromkeys, set])
    @pytest.mark.parametrize(
        "members",
        [
            [1 + MERSENNE * i for i in range(101)],
            [Decimal(1 + MERSENNE * i) for i in range(101)],
            [UUID(int=1 + MERSENNE * i) for i in range(101)],
            [*(1 + MERSENNE * i for i in range(8)), Decimal(1 + MERSENNE * 8)],
            [1 + (MERSENNE << 1024), Decimal(1)],
        ],
        ids=["int", "Decimal", "UUID", "mixed", "long"],
    )
    def test_members_that_hash_tables_are_slow_to_tell_apart(self, make: Any, members: list[Any]) -> None:
        """Refused when they are written, because a reader refuses them."""
        with pytest.raises(ValueError, match="one hash"):
            Codec(object).encode(make(members))

    def test_powers_of_two_are_members_all_the_same(self) -> None:
        """They share 61 hashes, and are no attack: 6,100 of them are read, and 800 beside decimal numbers."""
        for value in ({2**i for i in range(6100)}, {2**i: 1 for i in range(800)} | {Decimal("0.1"): 2}):
            assert Codec(object).decode(Codec(object).encode(value)) == value

    @pytest.mark.parametrize("kind", [tuple, frozenset, type(None), "str", 7, list[int], complex])
    def test_types_of_fields(self, kind: object) -> None:
        """A field of a type without an exact encoding is a TypeError."""
        with pytest.raises(TypeError, match="a field has one of the types"):
            Codec(kind)

    @pytest.mark.parametrize(("pad", "error"), [(0, ValueError), (1, ValueError), (65_536, ValueError)])
    def test_blocks_have_2_to_65535_bytes(self, pad: int, error: type[Exception]) -> None:
        """A padding that hides nothing, or is out of range, is a ValueError."""
        with pytest.raises(error, match="pad"):
            Codec(str, pad)

    @pytest.mark.parametrize("pad", [True, 16.0, "16"])
    def test_blocks_are_counted_in_ints(self, pad: Any) -> None:
        """A padding that is no int is a TypeError."""
        with pytest.raises(TypeError, match="pad"):
            Codec(str, pad)


class TestDecoding:
    """Reading is strict, and fails in one way."""

    @given(st.binary() | st.binary().map(bytes([CBOR]).__add__) | CBOR_LIKE.map(bytes([CBOR]).__add__))
    @settings(relaxed, max_examples=300)
    def test_only_one_spelling_is_read(self, plaintext: bytes) -> None:
        """Arbitrary bytes are a DecryptionError, or decode to a value that encodes to these very bytes."""
        assert_refused_or_canonical(plaintext)

    @given(NESTED.filter(lambda value: value is not None), st.data())
    @relaxed
    def test_changed_encodings(self, value: object, data: st.DataObject) -> None:
        """A changed byte, a cut or an addition is a DecryptionError or the only spelling of another value."""
        encoded = bytearray(Codec(object).encode(value))
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        assert_refused_or_canonical(bytes(encoded))

    @pytest.mark.parametrize(
        "body", ["9b7fffffffffffffff", "5b7fffffffffffffff", "ba7fffffff", "c1" * 9999, "81" * 99_999]
    )
    def test_bombs(self, body: str) -> None:
        """Huge announced lengths and endless nesting are DecryptionErrors, without the memory or the stack."""
        with pytest.raises(DecryptionError):
            Codec(object).decode(bytes([CBOR]) + bytes.fromhex(body))

    @pytest.mark.parametrize("kind", [str, bytes, int, Colour, UUID, dict])
    def test_what_the_type_excludes_is_not_decoded(self, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first bytes of a plaintext say that it is no value of the field, whatever follows."""
        monkeypatch.setattr("fieldcrypt.format.codecs.decode_cbor", None)  # calling it would be a TypeError
        with pytest.raises(DecryptionError, match="is a list where the field is declared"):
            Codec(kind).decode(bytes([CBOR]) + b"\x99\xff\xff" + b"\x80" * 65_535)

    @given(st.sampled_from(list(VALUES)), NESTED.filter(lambda value: value is not None))
    @relaxed
    def test_a_field_gives_its_type_only(self, kind: type, value: object) -> None:
        """What was written as another type is a DecryptionError, never a value of that other type."""
        try:
            decoded = Codec(kind).decode(Codec(object).encode(value))
        except DecryptionError:
            return
        assert type(decoded) is kind

    @pytest.mark.parametrize(
        ("kind", "plaintext"),
        [
            (int, bytes([TEXT]) + SECRET.encode()),
            (Colour, bytes([TEXT]) + SECRET.encode()),
            (str, bytes([TEXT]) + SECRET.encode() + b"\xff"),
            (list, bytes([CBOR]) + b"\x81\x6c" + SECRET.encode()),
            (object, bytes([CBOR]) + b"\xd9\xfc\x01\x6b" + SECRET.encode()),
            (object, bytes([CBOR]) + b"\xc0\x6b" + SECRET.encode()),
            (object, bytes([CBOR]) + b"\xd8\x25\x4b" + SECRET.encode()),
            (UUID, bytes([CBOR | PADDED]) + SECRET.encode()),
        ],
        ids=["type", "enum", "utf-8", "cut", "decimal", "datetime", "uuid", "padding"],
    )
    def test_errors_do_not_tell_the_value(self, kind: type, plaintext: bytes) -> None:
        """Neither a DecryptionError of a codec nor an error behind it carries what it read."""
        with pytest.raises(DecryptionError) as caught:
            Codec(kind).decode(plaintext)
        assert SECRET not in told(caught.value)

    def test_the_type_is_told(self) -> None:
        """A value of another type is an error that names both types."""
        with pytest.raises(DecryptionError, match="is a int where the field is declared as str"):
            Codec(str).decode(Codec(int).encode(7))


class TestPadding:
    """Padding hides lengths, and nothing can be hidden in it."""

    @given(st.binary(max_size=100), st.integers(2, 40))
    @relaxed
    def test_lengths_are_multiples(self, value: bytes, pad: int) -> None:
        """A padded body is a multiple of the block size, and less than one block longer than it must be."""
        size = len(Codec(bytes, pad).encode(value)) - 1
        assert size % pad == 0
        assert len(value) < size <= len(value) + pad

    def test_length_is_hidden(self) -> None:
        """Values of 0 to 15 bytes cannot be told apart by length when padded to 16."""
        assert {len(Codec(str, 16).encode("x" * size)) for size in range(16)} == {17}

    @pytest.mark.parametrize("body", [b"", b"\x00", b"abc", b"abc\x00\x00", b"abc\x80\x01", b"\x7f"])
    def test_a_padding_must_be_there(self, body: bytes) -> None:
        """A body marked as padded, without a padding or with something in it, is a DecryptionError."""
        with pytest.raises(DecryptionError):
            Codec(bytes).decode(bytes([0x01 | PADDED]) + body)

    def test_values_that_look_padded(self) -> None:
        """Values that end like a padding come back whole."""
        codec = Codec(bytes, 8)
        for value in (b"\x80", b"\x80\x00\x00", b"\x00", b"\x80" * 8, b"a\x80\x00\x80"):
            assert codec.decode(codec.encode(value)) == value

"""Values by the thousands, of every kind that a field holds, most of them usual and some as odd as can be."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

__all__ = ["KINDS", "context", "odd_context", "plaintext", "value"]


class OddText(str):
    """A text that is not exactly a str."""


class OddNumber(enum.IntEnum):
    """A number that is not exactly an int."""

    ONE = 1


class OddDate(date):
    """A date that is not exactly a date."""


class OddDatetime(datetime):
    """A datetime that is not exactly a datetime."""


class OddDecimal(Decimal):
    """A Decimal that is not exactly a Decimal."""


_LIKE_UTC = timezone(timedelta(0), "GMT")  # equals UTC, and is not UTC
_ZONES = [
    None,
    None,
    UTC,
    UTC,
    UTC,
    _LIKE_UTC,
    ZoneInfo("UTC"),
    ZoneInfo("Europe/Paris"),
    timezone(timedelta(hours=-5)),
]
_ALPHABETS = ["abcdefghij 0123456789", "äöüßéñ", "日本語テキスト", "😀🎉\U0001f9d1", "\x00\x7f\x80ÿ", "\ud800\udfffa"]
_LENGTHS = [*range(40), 63, 64, 255, 256, 453, 454, 455, 511, 512, 513, 600, 4095, 4097]
_DAYS = date.max.toordinal()


def _text(of: Random) -> str:
    size = of.randrange(24) if of.random() < 0.97 else of.choice(_LENGTHS)
    return "".join(of.choices(_ALPHABETS[0 if of.random() < 0.6 else of.randrange(len(_ALPHABETS))], k=size))


def _bytes(of: Random) -> bytes:
    return of.randbytes(of.randrange(24) if of.random() < 0.97 else of.choice(_LENGTHS))


def _int(of: Random) -> int:
    number = of.getrandbits(of.choice((3, 5, 8, 16, 31, 32, 33, 62, 63, 64, 65, 72, 130)))
    if of.random() < 0.2:
        number = (1 << of.choice((0, 3, 5, 8, 16, 32, 63, 64))) + of.choice((-1, 0, 1, 23, 24))
    return of.choice((1, -1)) * number


def _float(of: Random) -> float:
    if of.random() < 0.5:
        return of.choice((of.random(), round(of.uniform(-1e6, 1e6), 2), 0.0, -0.0, 5e-324, 1e308, -1e-308))
    number: float = struct.unpack(">d", of.randbytes(8))[0]
    return number if of.random() < 0.9 else of.choice((float("nan"), -float("nan"), float("inf"), -float("inf")))


def _date(of: Random) -> date:
    return date.fromordinal(of.randint(1, _DAYS))


def _datetime(of: Random) -> datetime:
    micro = of.choice((0, 0, 1, 999_999, 120_000, of.randrange(1_000_000)))
    day = _date(of) if of.random() < 0.95 else of.choice((date.min, date.max, date(1970, 1, 1), date(2024, 2, 29)))
    at = time(of.randrange(24), of.randrange(60), of.randrange(60), micro, of.choice(_ZONES), fold=of.random() < 0.1)
    return datetime.combine(day, at)


def _decimal(of: Random) -> Decimal:
    if of.random() < 0.1:
        return Decimal(of.choice(("NaN", "-NaN7", "sNaN", "-0", "0E-20", "-0.000", "Infinity", "1E+3", "0E+2", "1E-7")))
    digits = of.randbytes(of.choice((1, 2, 4, 9, 13, 40, 80)))
    exponent = of.choice((0, -1, -2, -3, -6, -7, -9, 1, 6, 40, -400))
    return Decimal((of.randrange(2), tuple(digit % 10 for digit in digits), exponent))


def _uuid(of: Random) -> UUID:
    return UUID(int=of.getrandbits(of.choice((128, 128, 128, 64, 8))))


def _other(of: Random) -> Any:
    """Return what is hardly ever right."""
    instant = datetime(2026, 3, 29, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris"))
    odd = OddText("a"), OddNumber.ONE, OddDate(2026, 1, 2), OddDatetime(2026, 1, 2), OddDecimal("1.5"), instant
    return of.choice(
        (*odd, None, bytearray(b"x"), memoryview(b"x"), (1, 2), [1, "a"], {"a": 1}, {1}, 1j, object, time(9))
    )


KINDS: dict[Any, Callable[[Random], Any]] = {
    **{str: _text, bytes: _bytes, int: _int, float: _float, bool: lambda of: of.random() < 0.5},
    **{date: _date, datetime: _datetime, Decimal: _decimal, UUID: _uuid},
}
_ALL = [*KINDS.values()]
KINDS[object] = lambda of: of.choice(_ALL)(of)


def value(of: Random, kind: Any) -> Any:
    """Return a value for a field of a type; one in fifty is of another."""
    chance = of.random()
    if chance < 0.98:
        return KINDS[kind](of)
    return of.choice(_ALL)(of) if chance < 0.99 else _other(of)


def context(of: Random) -> dict[str, str] | None:
    """Return a context of a call."""
    return None if of.random() < 0.7 else {of.choice(("row", "a", "zz", "é")): of.choice(("", "7", "x" * 600))}


def odd_context(of: Random) -> Any:
    """Return a context that is hardly ever right."""
    texts = {"fieldcrypt:field": "a.b"}, {"": "x"}, {"row": "x" * 70_000}, {"row": "\ud800"}
    return of.choice((*texts, {}, {"row": 7}, {7: "row"}, {"row": None}, "row", [("row", "7")], 7))


_HEADS = [
    *(bytes((first,)) for first in range(256)),
    *(
        b"\xd8\x25\x50",
        b"\xd9\x03\xec\x6a",
        b"\xd9\xfc\x01",
        b"\xd9\xfc\x02",
        b"\xd9\xfc\x03",
        b"\xd9\xfc\x04",
        b"\xd9\x01\x02",
    ),
    *(
        b"\xc0\x78\x19",
        b"\xc0\x78\x20",
        b"\xc0\x79\x00\x19",
        b"\xd8\x00",
        b"\xf9\x7e\x01",
        b"\xf9\x00\x00",
        b"\x18\x17",
    ),
]
_SPELLINGS = [
    *("2024-W09-4", "2024W094", "20240229", "2023-02-29", "0000-01-01", "2024-13-01", "2024-1-1", "٢٠٢٤-01-01"),
    *("2024-02-29T24:00:00", "2024-02-29T23:59:60", "2024-02-29 10:00:00", "2024-02-29T10:00", "2024-02-29T10:00:00Z"),
    *(
        "2024-02-29T10:00:00-00:00",
        "2024-02-29T10:00:00+00:00:00",
        "2024-02-29T10:00:00.000000",
        "2024-02-29T10:00:00,5",
    ),
    *(
        "2024-02-29T10:00:00.000000+00:00",
        "2024-02-29T10:00:00.120+00:00",
        "2024-02-29T10:00:00+01:00",
        "2024-02-29T10",
    ),
    *(
        "1_000",
        " 1",
        "1 ",
        "+1",
        "01",
        "-01",
        "00",
        "-0",
        ".5",
        "5.",
        "1e3",
        "1E3",
        "1E+3",
        "1E+03",
        "0E-7",
        "0.0000000",
    ),
    *(
        "0.000000",
        "0.000001",
        "0.0000001",
        "0.0000010",
        "-",
        "",
        "NaN",
        "nan",
        "-NaN",
        "sNaN12",
        "NaN0",
        "Infinity",
        "inf",
    ),
    *("1E-7", "1E+999999999999999999", "9" * 63, "9" * 64, "9" * 65, "9" * 300, "１", "0x10", "1.2.3", "--1", "1-"),
]
_TEXT_HEADS = [b"\xd9\x03\xec", b"\xd9\xfc\x01", b"\xd9\xfc\x02", b"\xd9\xfc\x03", b"\xc0"]


def plaintext(of: Random, encoded: bytes) -> bytes:
    """Return a plaintext that is seldom one that a field would write, made of one that is."""
    way, size = of.randrange(8), len(encoded)
    at = of.randrange(size)
    if way == 0:
        return encoded[:at] + bytes((encoded[at] ^ 1 << of.randrange(8),)) + encoded[at + 1 :]
    if way == 1:
        return encoded[:at]
    if way == 2:
        return encoded + of.randbytes(of.randrange(1, 3))
    if way == 3:
        return encoded[:at] + of.randbytes(1) + encoded[at:]
    if way == 4:
        return b"\x03" + of.choice(_HEADS) + encoded[1:][of.randrange(4) :]
    if way == 5:
        return (
            bytes((of.choice((0x80, 0x81, 0x82, 0x83, of.randrange(256))),)) + encoded[1:] + of.choice((b"", b"\x80"))
        )
    text = of.choice(_SPELLINGS).encode()
    if way == 6:
        place = of.randrange(len(text) + 1)
        text = (
            text[:place] + of.choice(b"0123456789-+.:TEZ \xd9\xc3").to_bytes(1, "big") + text[place + of.randrange(2) :]
        )
    return b"\x03" + of.choice(_TEXT_HEADS) + _head(len(text), of) + text


def _head(size: int, of: Random) -> bytes:
    """Return the head of a CBOR text, seldom a longer one than it takes."""
    if of.random() < 0.05:
        return b"\x79" + size.to_bytes(2, "big")
    if size < 24 and of.random() < 0.95:
        return bytes((0x60 + size,))
    return b"\x78" + bytes((size,)) if size < 256 else b"\x79" + size.to_bytes(2, "big")

"""Hypothesis strategies for values of every kind that a field holds, and for bytes that look like encodings."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# No deadlines: a slow machine is no bug. Fixtures are shared by all examples of a test, and are meant to be.
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"
    BLUE = (0, 0, 255)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    READ = "r"
    WRITE = "w"


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


OFFSETS = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
ZONES = st.none() | OFFSETS
DECIMALS = (
    st.decimals()
    | st.builds(
        lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
        st.integers(0, 1),
        st.lists(st.integers(0, 9), max_size=40),
        st.integers(-500, 500),
    )
    | st.sampled_from(
        [Decimal(text) for text in ("NaN", "-NaN7", "sNaN", "-0", "0E-20", "Infinity", "1E+3", "2000.000")]
    )
)

# For every type of field, its values.
VALUES: dict[type, st.SearchStrategy[Any]] = {
    bytes: st.binary(),
    str: st.text(),
    int: st.integers() | st.integers(-(2**70), 2**70) | st.sampled_from([2**64 - 1, 2**64, -(2**64), -(2**64) - 1]),
    float: st.floats(),
    bool: st.booleans(),
    Decimal: DECIMALS,
    date: st.dates(),
    datetime: st.datetimes(timezones=ZONES),
    time: st.times(timezones=ZONES),
    timedelta: st.timedeltas(),
    UUID: st.uuids(),
    Colour: st.sampled_from(Colour),
    Level: st.sampled_from(Level),
    Mode: st.sampled_from(Mode),
    Access: st.sampled_from(list(Access)),  # not their combinations, which have no names
}

SCALARS = st.none() | st.one_of(
    *(values for kind, values in VALUES.items() if not issubclass(kind, enum.Enum)),
)
# A set or a map takes not-a-number several times, being equal to nothing; the format takes it once.
KEYS = st.one_of(
    st.binary(max_size=8), st.text(max_size=8), st.integers(), st.booleans(), st.dates(), st.uuids(), st.timedeltas()
) | st.floats(allow_nan=False)
SETS = st.sets(KEYS, max_size=5)
NESTED = st.recursive(
    SCALARS | SETS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
VALUES[list] = st.lists(NESTED, max_size=4)
VALUES[dict] = st.dictionaries(KEYS, NESTED, max_size=4)
VALUES[set] = SETS


def fingerprint(value: object) -> object:
    """What is the same for two values exactly if they are the same in type, value, spelling and order."""
    if type(value) is list:
        return ["list", *(fingerprint(item) for item in value)]
    if type(value) is dict:
        return ["dict", *((fingerprint(key), fingerprint(item)) for key, item in value.items())]
    if type(value) is set:
        return ["set", *sorted(repr(fingerprint(item)) for item in value)]
    if isinstance(value, (datetime, time)):
        return (type(value), value.isoformat(), value.utcoffset())
    return (type(value), repr(value))  # Python's repr of a float gives back its bits, apart from those of NaNs


def _head(major: int, argument: int, widening: int) -> bytes:
    """A CBOR head in its shortest form, or with its argument in more bytes than it needs."""
    if argument < 24 and not widening:
        return bytes([major << 5 | argument])
    sizes = [size for size in (1, 2, 4, 8) if argument < 1 << 8 * size]
    size = sizes[min(widening, len(sizes) - 1)]
    return bytes([major << 5 | 24 + (1, 2, 4, 8).index(size)]) + argument.to_bytes(size, "big")


_WIDENINGS = st.sampled_from([0, 0, 0, 0, 1, 2])
_ARGUMENTS = st.integers(0, 40) | st.integers(0, 2**64 - 1)
_TAGS = st.sampled_from([0, 1, 2, 3, 4, 5, 28, 29, 30, 35, 36, 37, 100, 258, 260, 261, 1004, *range(64512, 64518)])
_TEXTS = st.text(max_size=6) | st.one_of(
    DECIMALS.map(str),
    st.dates().map(date.isoformat),
    st.datetimes(timezones=ZONES).map(datetime.isoformat),
    st.times(timezones=ZONES).map(time.isoformat),
)


def _string(major: int, content: bytes, widening: int) -> bytes:
    return _head(major, len(content), widening) + content


_LEAVES = st.one_of(
    st.builds(_head, st.sampled_from([0, 1, 7]), _ARGUMENTS, _WIDENINGS),
    st.builds(_string, st.just(2), st.binary(max_size=18), _WIDENINGS),
    st.builds(_string, st.just(3), _TEXTS.map(str.encode), _WIDENINGS),
    st.sampled_from([b"\xf9", b"\xfa", b"\xfb"]).flatmap(
        lambda head: st.binary(min_size=2 << head[0] - 0xF9, max_size=2 << head[0] - 0xF9).map(head.__add__)
    ),
)


def _containers(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    items = st.lists(inner, max_size=4)
    pairs = st.lists(st.tuples(inner, inner).map(b"".join), max_size=3)
    return st.one_of(
        st.builds(lambda parts, w: _head(4, len(parts), w) + b"".join(parts), items, _WIDENINGS),
        st.builds(lambda parts, w: _head(5, len(parts), w) + b"".join(parts), pairs, _WIDENINGS),
        st.builds(lambda parts: b"\xd9\x01\x02" + _head(4, len(parts), 0) + b"".join(sorted(parts)), items),
        st.builds(lambda major, parts: bytes([major << 5 | 31]) + b"".join(parts) + b"\xff", st.integers(2, 5), items),
        st.builds(lambda tag, w, item: _head(6, tag, w) + item, _TAGS | _ARGUMENTS, _WIDENINGS, inner),
    )


# Bytes of the shape of CBOR, canonical or not.
CBOR_LIKE = st.recursive(_LEAVES, _containers, max_leaves=10)

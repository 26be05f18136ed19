"""Fields in Python and natively: the same bytes out of the same values, each reads the other's, the same refusals.

How many values: some 100,000, or 1,000,000 and more with --long. Every run takes others, and --seed one run's again.
"""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest

from fieldcrypt import NO_TENANT, _system
from fieldcrypt.format.aead import GCM_NONCE_SIZE
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.envelope import HEAD
from tests.native.inputs import KINDS, context, odd_context, plaintext, value
from tests.native.twins import SAME_BYTES, Outcome, Pair, Twins
from tests.support.backends import needs_native
from tests.support.strategies import fingerprint

pytestmark = needs_native

NAME = "patients.ssn"
TENANTS = [None, None, None, "clinic-7", "clinic-7", "clinic-8", "ü" * 100]
ODD_TENANTS: list[Any] = [*TENANTS, "", "x" * 256, "\ud800", NO_TENANT, 7, b"clinic-7", ["clinic-7"]]
FEW, MANY = 12_000, 120_000  # values of each type


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Of this run, or of the one to repeat."""
    given = request.config.getoption("--seed")
    return time.time_ns() % 1_000_000 if given is None else int(given)


@pytest.fixture
def count(request: pytest.FixtureRequest) -> int:
    """Values of each type."""
    return MANY if request.config.getoption("--long") else FEW


def readable(of: Random, kind: Any) -> Any:
    """Return a value that has a plaintext."""
    found = KINDS[kind](of)
    return "a" if isinstance(found, str) and not found.isprintable() else found


def sealed(field: Any, text: bytes) -> bytes:
    """Return a value with a plaintext that no field would write."""
    (data,) = field._writers.seal(None, [text], [field._own])
    return bytes(data)


def check_read(twins: Twins, fields: Pair, data: Any, **keywords: Any) -> Outcome:
    """Read a value with both, and return what came of it."""
    python, native = twins.both(
        lambda: fields.python.decrypt(data, **keywords), lambda: fields.native.decrypt(data, **keywords)
    )
    assert python.told == native.told, (data, keywords)
    return python


def check_written(twins: Twins, fields: Pair, of: Random, kind: Any) -> bytes | None:
    """Encrypt a value with both, and read it with both, each also what the other wrote; return the bytes."""
    given = value(of, kind)
    keywords: dict[str, Any] = {"tenant": of.choice(TENANTS), "context": context(of)}
    if of.random() < 0.02:
        keywords = {"tenant": of.choice(ODD_TENANTS)} if of.random() < 0.5 else {"context": odd_context(of)}
    python, native = twins.both(
        lambda: fields.python.encrypt(given, **keywords), lambda: fields.native.encrypt(given, **keywords)
    )
    if python.error is not None or native.error is not None:
        assert python.told == native.told, (given, keywords)
        return None
    if SAME_BYTES:
        assert python.value == native.value, (given, keywords)
    for data in {python.value, native.value}:
        assert check_read(twins, fields, data, **keywords).told == fingerprint(given)
    return bytes(python.value if SAME_BYTES or of.random() < 0.5 else native.value)


def check_misplaced(twins: Twins, fields: Pair, of: Random, data: bytes) -> None:
    """Read a value where it does not belong, and one that was changed. Of two faults, either may be told first."""
    check_read(twins, fields, data, tenant=of.choice(ODD_TENANTS), context=context(of))
    check_read(twins, fields, data, context=odd_context(of))
    at = of.choice((0, of.randrange(HEAD.stop, len(data))))  # an unknown key is waited for, for seconds
    flipped = data[:at] + bytes((data[at] ^ 1 << of.randrange(8),)) + data[at + 1 :]
    changed = data[:at], data + b"\x00", flipped, bytearray(data), memoryview(data), data.hex(), None, b"", 7
    check_read(twins, fields, of.choice(changed), tenant=of.choice(TENANTS), context=context(of))


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "self-contained"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_same_values(kind: Any, stored: bool, seed: int, count: int) -> None:
    """Whatever is encrypted, in whatever place: equal bytes, or equal errors; and each reads what the other wrote."""
    print(f"--seed {seed}")
    of = Random(seed)
    with Twins.made(seed, stored=stored) as twins:
        fields = twins.field(NAME, kind)
        for number in range(count if stored else count // 6):
            data = check_written(twins, fields, of, kind)
            if data is not None and number % 20 == 0:
                check_misplaced(twins, fields, of, data)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_same_plaintexts(kind: Any, seed: int, count: int) -> None:
    """Whatever the plaintext of an authentic value is: the same value, or the same error."""
    print(f"--seed {seed}")
    of, codec = Random(seed), Codec(object)
    with Twins.made(seed) as twins:
        writers, readers = twins.field(NAME, object), twins.field(NAME, kind)
        twins.both(lambda: writers.python.encrypt("a"), lambda: writers.native.encrypt("a"))  # which makes the same key
        read = 0
        for _ in range(count // 6):
            encoded = codec.encode(readable(of, kind if of.random() < 0.5 else object))
            text = plaintext(of, encoded) if of.random() < 0.9 else encoded
            data, _ = twins.both(lambda: sealed(writers.python, text), lambda: _system.random_bytes(GCM_NONCE_SIZE))  # noqa: B023
            found = check_read(twins, readers, data.value)
            read += found.error is None
        assert read > count // 6 // 200  # else hardly anything was tried

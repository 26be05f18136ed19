"""Reading the values of a column one after the other."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fieldcrypt import NO_TENANT, DecryptionError, Encryptor, Field, KeyPolicy, LocalKeyProvider, MemoryKeyStore
from tests.support.doubles import CountingProvider

VALUES = [
    (str, "José"),
    (bytes, b"\x00\x01"),
    (int, 2**70),
    (float, -0.5),
    (bool, True),
    (date, date(1959, 7, 4)),
    (Decimal, Decimal("12.50")),
    (object, {"a": [1, None]}),
    (list, ["a"]),
]


@pytest.mark.parametrize(("type_", "value"), VALUES)
@pytest.mark.parametrize("pad", [None, 32])
def test_reads_what_was_encrypted(encryptor: Encryptor, type_: Any, value: Any, pad: int | None) -> None:
    """A reader returns what decrypt does, of every type."""
    field = encryptor.field("a.b", type_, pad=pad)
    data = field.encrypt(value)
    read = field.reader()
    assert [read(data), read(data)] == [value, value]
    assert type(read(data)) is type(field.decrypt(data))


def test_none_stays_none(encryptor: Encryptor) -> None:
    """A reader returns None for None."""
    assert encryptor.field("a.b", str).reader()(None) is None


def test_long_value(encryptor: Encryptor) -> None:
    """A reader returns values of any length."""
    field = encryptor.field("a.b", bytes)
    value = bytes(5_000_000)
    assert field.reader()(field.encrypt(value)) == value


def test_memoryview(encryptor: Encryptor) -> None:
    """A reader takes what decrypt takes, as drivers return it."""
    field = encryptor.field("a.b", str)
    assert field.reader()(memoryview(field.encrypt("x"))) == "x"


def test_changed_value(encryptor: Encryptor) -> None:
    """A changed value is refused, and reported once."""
    field = encryptor.field("a.b", str)
    data = bytearray(field.encrypt("x"))
    data[-1] ^= 1
    read = field.reader()
    for number in (1, 2):
        with pytest.raises(DecryptionError, match=r"a\.b"):
            read(bytes(data))
        assert encryptor.stats().events["value_refused"] == number


def test_value_of_another_type(encryptor: Encryptor) -> None:
    """A value that was written as another type is refused, and the message says so."""
    data = encryptor.field("a.b", int).encrypt(5)
    read = encryptor.field("a.b", str).reader()
    for _ in range(2):
        with pytest.raises(DecryptionError, match="int"):
            read(data)


def test_tenant(encryptor: Encryptor) -> None:
    """A reader with a tenant reads that one's values, and nobody else's."""
    field = encryptor.field("a.b", str)
    mine, theirs, nobodys = (field.encrypt("x", tenant=each) for each in ("me", "they", None))
    assert field.reader("me")(mine) == "x"
    assert field.reader(NO_TENANT)(nobodys) == "x"
    for read, data in ((field.reader("me"), theirs), (field.reader("me"), nobodys), (field.reader(NO_TENANT), mine)):
        for _ in range(2):
            with pytest.raises(DecryptionError):
                read(data)


def test_otherwise_is_called_with_what_is_refused(encryptor: Encryptor) -> None:
    """What is not read at once goes to `otherwise`, which has the last word."""
    field = encryptor.field("a.b", str)
    asked: list[Any] = []
    read = field.reader(otherwise=lambda data: asked.append(data) or "plain")  # type: ignore[func-returns-value]
    assert [read(each) for each in (b"short", 5, "text")] == ["plain"] * 3
    assert asked == [b"short", 5, "text"]
    assert "value_refused" not in encryptor.stats().events


def test_otherwise_is_not_called_with_what_is_at_hand(encryptor: Encryptor) -> None:
    """A value whose key is at hand is read without it."""
    field = encryptor.field("a.b", str)
    data = field.encrypt("x")
    field.decrypt(data)
    assert field.reader(otherwise=pytest.fail)(data) == "x"


def test_error_of_otherwise(encryptor: Encryptor) -> None:
    """What `otherwise` raises comes through, and hangs on no other error."""

    def refuse(data: Any) -> Any:
        raise LookupError(data)

    with pytest.raises(LookupError) as caught:
        encryptor.field("a.b", str).reader(otherwise=refuse)(b"short")
    assert caught.value.__context__ is None


def test_other_wrapping_of_a_key(encryptor: Encryptor) -> None:
    """A value with a forged key record is refused, though its data key is at hand."""
    field = Encryptor(LocalKeyProvider.generate()).field("a.b", str)
    data = field.encrypt("x")
    read = field.reader()
    assert read(data) == "x"
    forged = bytearray(data)
    forged[60] ^= 1
    with pytest.raises(DecryptionError):
        read(bytes(forged))


def test_key_is_asked_for_again(clock: Any) -> None:
    """A reader asks for a key again once it is over, as decrypt does."""
    provider = CountingProvider()
    field: Field[str] = Encryptor(provider, MemoryKeyStore()).field("a.b", str)
    read, data = field.reader(), field.encrypt("x")
    assert read(data) == "x"
    before = provider.unwraps
    clock.advance(KeyPolicy().cache_ttl.total_seconds() + KeyPolicy().grace.total_seconds())
    assert read(data) == "x"
    assert provider.unwraps == before + 1

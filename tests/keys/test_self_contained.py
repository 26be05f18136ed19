"""Self-contained values: the key record in the value, how often it is opened, and forged ones."""

from __future__ import annotations

import pytest

from fieldcrypt import DecryptionError, Encryptor, Field, KeyPolicy, KeyRecord, LocalKeyProvider, Purpose
from fieldcrypt.format.envelope import aad, infix
from fieldcrypt.keys.record.data_key import DataKey
from tests.support.doubles import CountingProvider, make_record

SSN = "078-05-1120"
RECORD_START = 43


def record_end(value: bytes) -> int:
    """Where the key record in a value ends."""
    return RECORD_START + int.from_bytes(value[41:RECORD_START], "big")


@pytest.fixture
def provider() -> CountingProvider:
    """A provider that counts."""
    return CountingProvider()


def reader(provider: CountingProvider) -> Field[str]:
    """A field in a process that has no keys yet."""
    return Encryptor(provider).field("a.b", str)


def test_a_writer_wraps_once(provider: CountingProvider) -> None:
    """A writer makes one data key for each tenant and uses it for all its values, of all fields."""
    encryptor = Encryptor(provider)
    one, other = encryptor.field("a.a", str), encryptor.field("a.b", str)
    for _ in range(50):
        one.encrypt(SSN, tenant="clinic-7")
        other.encrypt(SSN, tenant="clinic-7")
    assert (provider.wraps, provider.unwraps) == (1, 0)


def test_a_writer_reads_its_own_values_without_a_call(provider: CountingProvider) -> None:
    """What a process wrote it reads with the key that it has."""
    field = reader(provider)
    assert [field.decrypt(field.encrypt(SSN)) for _ in range(20)] == [SSN] * 20
    assert provider.unwraps == 0


def test_a_reader_unwraps_once_a_key(provider: CountingProvider) -> None:
    """A reader calls the provider once for each data key, not for each value or field."""
    values = [reader(provider).encrypt(SSN) for _ in range(3)]
    writer = reader(provider)
    values += [writer.encrypt(SSN) for _ in range(30)]
    fresh = Encryptor(provider)
    for field in (fresh.field("a.b", str), fresh.field("a.b", str)):
        assert [field.decrypt(value) for value in values * 2] == [SSN] * 66
    assert provider.unwraps == 4


def test_the_record_is_that_of_the_key(provider: CountingProvider) -> None:
    """A value holds its data key's record, tenant included, as SPEC section 6 has it."""
    value = reader(provider).encrypt(SSN, tenant="clinic-7")
    record = KeyRecord.from_bytes(value[1:17], value[RECORD_START : record_end(value)])
    assert record.tenant == "clinic-7"
    assert len(provider.unwrap(record.wraps, record.context())) == 32


@pytest.mark.parametrize("warm", [False, True], ids=["fresh-reader", "warm-reader"])
def test_a_forged_record_disturbs_nobody(provider: CountingProvider, warm: bool) -> None:
    """A changed record for a known key id is refused, and genuine values need no other unwrap because of it."""
    value = reader(provider).encrypt(SSN)
    field = Encryptor(provider, policy=KeyPolicy(unknown_records_per_second=1_000)).field("a.b", str)
    if warm:
        assert field.decrypt(value) == SSN
    for at in range(RECORD_START, record_end(value)):
        with pytest.raises(DecryptionError):
            field.decrypt(value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :])
        before = provider.unwraps
        assert field.decrypt(value) == SSN
        assert provider.unwraps - before == (at == RECORD_START and not warm)


def test_the_record_of_another_key(provider: CountingProvider) -> None:
    """The genuine record of another data key is refused."""
    one, other = reader(provider).encrypt(SSN), reader(provider).encrypt(SSN)
    foreign = infix(other[RECORD_START : record_end(other)])
    for key_id in (one[1:17], other[1:17]):
        with pytest.raises(DecryptionError):
            reader(provider).decrypt(b"\x02" + key_id + one[17:41] + foreign + one[record_end(one) :])


def test_a_record_under_a_key_of_the_attacker(provider: CountingProvider) -> None:
    """A value under the attacker's own keys names a wrapping key that is not configured, and is refused."""
    forged = Encryptor(LocalKeyProvider.generate()).field("a.b", str).encrypt("forged")
    with pytest.raises(DecryptionError):
        reader(provider).decrypt(forged)


def test_two_wrappings_of_one_key(provider: CountingProvider) -> None:
    """Values from before and after their data key was wrapped anew are read side by side, each wrapping opened once."""
    value = reader(provider).encrypt(SSN, tenant="clinic-7")
    old = KeyRecord.from_bytes(value[1:17], value[RECORD_START : record_end(value)])
    new = rewrapped(provider.inner, old)
    rewritten = value[:41] + infix(new.to_bytes()) + value[record_end(value) :]
    assert rewritten != value
    field = reader(provider)
    provider.unwraps = 0
    assert [field.decrypt(data, tenant="clinic-7") for data in [value, rewritten] * 10] == [SSN] * 20
    assert provider.unwraps == 2


def test_a_record_of_another_purpose(provider: CountingProvider) -> None:
    """A key for blind indexes does not open values."""
    index = make_record(provider.inner, purpose=Purpose.BLIND_INDEX)
    data_key = DataKey(provider.inner.unwrap(index.wraps, index.context()))
    head = b"\x02" + index.key_id
    nonce = bytes(24)
    sealed = data_key.cipher().encrypt(nonce, b"\x02forged", aad(head, {"fieldcrypt:field": "a.b"}))
    with pytest.raises(DecryptionError):
        reader(provider).decrypt(head + nonce + infix(index.to_bytes()) + sealed)


def rewrapped(provider: LocalKeyProvider, record: KeyRecord) -> KeyRecord:
    """The same data key in a new wrapping."""
    data_key = DataKey(provider.unwrap(record.wraps, record.context()))
    wraps = provider.wrap(data_key.secret, record.context())
    return data_key.seal(record._replace(wraps=tuple(wraps)))

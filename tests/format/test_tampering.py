"""Changed, cut, forged and misplaced values: one error, and never a value."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    FieldcryptError,
    KeyNotFoundError,
    KeyPolicy,
    LocalKeyProvider,
    MemoryKeyStore,
)
from fieldcrypt.format.envelope import STORED
from tests.support.doubles import flips, told
from tests.support.strategies import relaxed

SSN = "078-05-1120"
KEY_ID = range(1, 17)  # bytes of a value
TENANT = "clinic-7"
ROW = {"row": "42"}

pytestmark = pytest.mark.usefixtures("clock")  # nobody waits for a record that never comes

Opener = Callable[[bytes], object]


@pytest.fixture(params=["stored", "self-contained"])
def encryptor(request: pytest.FixtureRequest) -> Encryptor:
    """One that opens as many planted key records as there are."""
    policy = KeyPolicy(unknown_records_per_second=1_000_000)
    return Encryptor(
        LocalKeyProvider.generate(), MemoryKeyStore() if request.param == "stored" else None, policy=policy
    )


@pytest.fixture
def field(encryptor: Encryptor) -> Field[str]:
    """A field of text."""
    return encryptor.field("patients.ssn", str)


@pytest.fixture
def value(field: Field[str]) -> bytes:
    """A value for a tenant and a row."""
    return field.encrypt(SSN, tenant=TENANT, context=ROW)


@pytest.fixture(params=["first", "again"])
def opened(request: pytest.FixtureRequest, encryptor: Encryptor, field: Field[str], value: bytes) -> Opener:
    """Decrypts in the value's place: with a field that never read before, and with one that has just read the value."""

    def opened(data: bytes) -> object:
        reader = encryptor.field("patients.ssn", str)
        if request.param == "again":
            assert reader.decrypt(value, tenant=TENANT, context=ROW) == SSN
        return reader.decrypt(data, tenant=TENANT, context=ROW)

    return opened


class TestChanges:
    """A value that was changed anywhere."""

    def test_bits(self, value: bytes, opened: Opener) -> None:
        """No bit can be changed: each is a DecryptionError, or the unknown key that the changed key id names."""
        for byte, changed in flips(value):
            expected = KeyNotFoundError if byte in KEY_ID and value[0] == STORED else DecryptionError
            with pytest.raises(FieldcryptError) as caught:
                opened(changed)
            assert type(caught.value) is expected

    def test_lengths(self, value: bytes, opened: Opener) -> None:
        """No byte can be cut off either end, nor added to it."""
        shorter = [value[:size] for size in range(len(value))]
        longer = [value + b"\x00", value + b"\x80", value + value[-1:], value + value, value[:1] + value]
        for changed in [*shorter, *longer, value[1:]]:
            with pytest.raises(FieldcryptError) as caught:
                opened(changed)
            assert type(caught.value) is DecryptionError or changed[:17] != value[:17]

    def test_parts_of_two_values(self, field: Field[str], value: bytes, opened: Opener) -> None:
        """Nonce and ciphertext of one value do not go with those of another one of the same place."""
        other = field.encrypt(SSN, tenant=TENANT, context=ROW)
        mixtures = {value[:cut] + other[cut:] for cut in range(30, len(value))}
        for mixture in mixtures - {value, other}:
            with pytest.raises(DecryptionError):
                opened(mixture)

    @given(st.binary(max_size=200))
    @relaxed
    def test_noise(self, field: Field[str], data: bytes) -> None:
        """Arbitrary bytes are an error of fieldcrypt's."""
        with pytest.raises(FieldcryptError):
            field.decrypt(data)

    @given(cut=st.integers(0, 300), tail=st.binary(max_size=100))
    @relaxed
    def test_noise_behind_a_genuine_start(self, field: Field[str], value: bytes, cut: int, tail: bytes) -> None:
        """Arbitrary bytes behind any beginning of a genuine value are an error of fieldcrypt's."""
        changed = value[:cut] + tail
        if changed != value:
            with pytest.raises(FieldcryptError):
                field.decrypt(changed, context=ROW)

    def test_genuine_values_outlast_forged_ones(self, value: bytes, opened: Opener) -> None:
        """After many refusals the genuine value still opens."""
        for _, changed in list(flips(value))[::7]:
            with pytest.raises(FieldcryptError):
                opened(changed)
        assert opened(value) == SSN


class TestPlaces:
    """A genuine value in the wrong place."""

    def test_another_field(self, encryptor: Encryptor) -> None:
        """A value does not open under another name."""
        value = encryptor.field("patients.ssn", str).encrypt(SSN)
        with pytest.raises(DecryptionError):
            encryptor.field("patients.name", str).decrypt(value)

    @pytest.mark.parametrize("tenant", ["clinic-8", "Clinic-7", "clinic-7 ", "clinic", ""])
    def test_another_tenant(self, field: Field[str], tenant: str) -> None:
        """A value of one tenant does not open for another, whether or not that one has keys."""
        value = field.encrypt(SSN, tenant=TENANT)
        for _ in range(2):
            with pytest.raises(DecryptionError):
                field.decrypt(value, tenant=tenant)
            field.encrypt(SSN, tenant="clinic-8")

    def test_a_tenant_for_a_value_of_none(self, field: Field[str]) -> None:
        """A value that belongs to no tenant does not open for one."""
        with pytest.raises(DecryptionError):
            field.decrypt(field.encrypt(SSN), tenant=TENANT)

    @pytest.mark.parametrize("context", [None, {}, {"row": "43"}, {"Row": "42"}, {"row": "42", "more": ""}])
    def test_another_row(self, field: Field[str], context: dict[str, str] | None) -> None:
        """A value bound to a row opens with exactly that row's context only."""
        value = field.encrypt(SSN, context=ROW)
        with pytest.raises(DecryptionError):
            field.decrypt(value, context=context)
        assert field.decrypt(value, context=ROW) == SSN

    def test_a_row_for_a_value_of_none(self, field: Field[str]) -> None:
        """A value that is bound to no row does not open for one."""
        with pytest.raises(DecryptionError):
            field.decrypt(field.encrypt(SSN), context=ROW)

    def test_another_context_of_the_field(self, encryptor: Encryptor) -> None:
        """A value opens only through fields of the same constant context."""
        value = encryptor.field("a.b", str, context={"region": "eu"}).encrypt(SSN)
        for context in ({"region": "us"}, None):
            with pytest.raises(DecryptionError):
                encryptor.field("a.b", str, context=context).decrypt(value)

    def test_the_other_form(self) -> None:
        """A stored value cannot be dressed up as a self-contained one, nor the other way round."""
        provider, store = LocalKeyProvider.generate(), MemoryKeyStore()
        field = Encryptor(provider, store).field("a.b", str)
        stored = field.encrypt(SSN)
        record = store.get(stored[1:17]).to_bytes()
        with pytest.raises(DecryptionError):
            field.decrypt(b"\x02" + stored[1:41] + len(record).to_bytes(2, "big") + record + stored[41:])
        contained = Encryptor(provider).field("a.b", str).encrypt(SSN)
        record_size = int.from_bytes(contained[41:43], "big")
        Encryptor(provider).field("a.b", str).decrypt(contained)
        with pytest.raises(FieldcryptError):
            field.decrypt(b"\x01" + contained[1:41] + contained[43 + record_size :])

    def test_foreign_keys(self) -> None:
        """A value under another provider's keys does not open: in either form, and with that one's records at hand."""
        theirs, store = LocalKeyProvider.generate(), MemoryKeyStore()
        for their_store in (store, None):
            value = Encryptor(theirs, their_store).field("a.b", str).encrypt(SSN)
            with pytest.raises(DecryptionError):
                Encryptor(LocalKeyProvider.generate(), store).field("a.b", str).decrypt(value)


def test_all_refusals_are_one(encryptor: Encryptor) -> None:
    """Changed, cut, misplaced: the errors have one type and one text, and nothing secret is behind them.

    Where they say is what the caller named, and what the value itself names; neither is a cause.
    """
    field = encryptor.field("patients.ssn", str)
    value = field.encrypt(SSN, tenant=TENANT, context=ROW)
    name = encryptor.field("patients.name", str)
    refusals: list[Callable[[], object]] = [
        lambda: field.decrypt(value[:-1] + bytes([value[-1] ^ 1]), tenant=TENANT, context=ROW),
        lambda: field.decrypt(value[:30] + bytes([value[30] ^ 1]) + value[31:], tenant=TENANT, context=ROW),
        lambda: field.decrypt(value[:20] + bytes([value[20] ^ 1]) + value[21:], tenant=TENANT, context=ROW),
        lambda: field.decrypt(value[:-1], tenant=TENANT, context=ROW),
        lambda: field.decrypt(value[:20], tenant=TENANT, context=ROW),
        lambda: field.decrypt(b"", tenant=TENANT, context=ROW),
        lambda: field.decrypt(b"\x03" + value[1:], tenant=TENANT, context=ROW),
        lambda: field.decrypt(value, tenant="clinic-8", context=ROW),
        lambda: field.decrypt(value, tenant=TENANT, context={"row": "43"}),
        lambda: field.decrypt(value, tenant=TENANT),
        lambda: name.decrypt(value, tenant=TENANT, context=ROW),
    ]
    errors = []
    for refused in refusals:
        with pytest.raises(DecryptionError) as caught:
            refused()
        errors.append(caught.value)
    assert {type(error) for error in errors} == {DecryptionError}
    assert {error.args for error in errors} == {DecryptionError().args}
    assert {(error.field, error.tenant) for error in errors} == {
        ("patients.ssn", TENANT),
        ("patients.ssn", "clinic-8"),
        ("patients.name", TENANT),
    }
    assert all(error.__cause__ is None and SSN not in told(error) for error in errors)

"""Tombstones: one encoding, and nothing that a changed one can bring about but an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    KeyShreddedError,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    Purpose,
    Tombstone,
)
from fieldcrypt.keys.record.record import MAX_TIME
from fieldcrypt.keys.record.tombstone import MAX_BY_SIZE
from tests.support.doubles import RowStore, flips, make_record
from tests.support.strategies import relaxed

STONE = Tombstone(bytes(range(16)), Purpose.ENCRYPTION, 1_800_000_000, "clinic-7", 1_800_086_400, "ann@example.org", 3)

TOMBSTONES = st.builds(
    Tombstone,
    key_id=st.binary(min_size=16, max_size=16),
    purpose=st.sampled_from(Purpose),
    created=st.integers(0, MAX_TIME),
    tenant=st.none() | st.text(min_size=1, max_size=63),
    shredded=st.integers(0, MAX_TIME),
    by=st.text(min_size=1, max_size=256),
    keys=st.integers(1, 2**32 - 1),
)


class TestEncoding:
    """SPEC section 6, both ways."""

    @given(TOMBSTONES)
    @relaxed
    def test_round_trip(self, stone: Tombstone) -> None:
        """A tombstone comes back equal."""
        assert Tombstone.from_bytes(stone.key_id, stone.to_bytes()) == stone

    @given(st.binary(max_size=200) | TOMBSTONES.map(Tombstone.to_bytes), st.binary(max_size=20), st.integers(0, 300))
    @relaxed
    def test_noise(self, data: bytes, key_id: bytes, cut: int) -> None:
        """Arbitrary bytes, and genuine ones cut or extended, are a DecryptionError or the one encoding of something."""
        for read_id, read in ((bytes(16), data), (key_id, data), (bytes(16), data[:cut]), (bytes(16), data + key_id)):
            try:
                stone = Tombstone.from_bytes(read_id, read)
            except DecryptionError:
                continue
            assert stone.to_bytes() == read
            assert len(stone.key_id) == 16

    def test_truncations(self) -> None:
        """A tombstone that lost its end, however much of it, is a DecryptionError."""
        data = STONE.to_bytes()
        for size in range(len(data)):
            with pytest.raises(DecryptionError):
                Tombstone.from_bytes(STONE.key_id, data[:size])

    def test_bits(self) -> None:
        """A changed bit makes a DecryptionError or the one encoding of another tombstone, which can be told of."""
        others = 0
        for _, changed in flips(STONE.to_bytes()):
            try:
                stone = Tombstone.from_bytes(STONE.key_id, changed)
            except DecryptionError:
                continue
            others += 1
            assert stone != STONE
            assert stone.to_bytes() == changed
            assert isinstance(stone.lost_error(), KeyShreddedError)
        assert others  # nothing seals a tombstone

    @pytest.mark.parametrize("byte", [0x00, 0x01, 0x03, 0xFF])
    def test_unknown_formats(self, byte: int) -> None:
        """The first byte says that it is a tombstone, and nothing else does."""
        with pytest.raises(DecryptionError):
            Tombstone.from_bytes(STONE.key_id, bytes([byte]) + STONE.to_bytes()[1:])

    def test_records_are_no_tombstones(self) -> None:
        """Neither is read as the other."""
        record = make_record(LocalKeyProvider.generate(), "clinic-7")
        with pytest.raises(DecryptionError):
            Tombstone.from_bytes(record.key_id, record.to_bytes())
        with pytest.raises(DecryptionError):
            type(record).from_bytes(STONE.key_id, STONE.to_bytes())

    @pytest.mark.parametrize(
        "change",
        [
            {"tenant": ""},
            {"tenant": "x" * 256},
            {"created": -1},
            {"created": MAX_TIME + 1},
            {"shredded": -1},
            {"shredded": MAX_TIME + 1},
            {"by": ""},
            {"by": "x" * (MAX_BY_SIZE + 1)},
            {"by": "ü" * (MAX_BY_SIZE // 2) + "x"},
            {"by": "\ud800"},
            {"keys": 0},
            {"keys": -1},
            {"keys": 2**32},
        ],
        ids=ascii,
    )
    def test_what_is_out_of_range_is_not_written(self, change: dict[str, object]) -> None:
        """A tombstone that no reader would take is a ValueError to write."""
        with pytest.raises(ValueError):  # noqa: PT011 (the reasons differ)
            STONE._replace(**change).to_bytes()  # type: ignore[arg-type]

    @pytest.mark.parametrize("by", [None, b"ann", 7])
    def test_who_did_it_is_text(self, by: object) -> None:
        """Anything else is a TypeError to write."""
        with pytest.raises(TypeError):
            STONE._replace(by=by).to_bytes()  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "change",
        [
            {"created": 0, "shredded": 0, "keys": 1, "tenant": None, "by": "x"},
            {"created": MAX_TIME, "shredded": MAX_TIME, "keys": 2**32 - 1, "by": "ü" * (MAX_BY_SIZE // 2)},
            {"tenant": "ü" * 127 + "x"},
        ],
        ids=["least", "most", "longest tenant"],
    )
    def test_the_ends_of_the_ranges(self, change: dict[str, object]) -> None:
        """The least and the most that each part can be come back, and can be told of."""
        stone = STONE._replace(**change)  # type: ignore[arg-type]
        assert Tombstone.from_bytes(stone.key_id, stone.to_bytes()) == stone
        assert str(stone.lost_error())
        assert str(stone.tenant_error())


class TestWords:
    """What readers and writers are told."""

    def test_readers(self) -> None:
        """They learn of which key, when and by whom, in words and in numbers."""
        error = STONE.lost_error()
        assert str(error) == (
            f"the data key {STONE.key_id.hex()} was shredded on 2027-01-16 08:00:00 UTC by 'ann@example.org': "
            "values under it are lost permanently"
        )
        assert (error.shredded, error.by, error.keys) == (1_800_086_400, "ann@example.org", 3)

    def test_writers(self) -> None:
        """They learn of which tenant."""
        assert str(STONE.tenant_error()).startswith("tenant 'clinic-7' was shredded on 2027-01-16")

    def test_no_forged_lines(self) -> None:
        """What someone wrote into a database does not break the line of a log."""
        stone = STONE._replace(by="x\nERROR all is lost", tenant="y\r\nz")
        for error in (stone.lost_error(), stone.tenant_error()):
            assert str(error).isprintable()


class TestRows:
    """State and bytes of a row have to fit."""

    def test_a_record_called_shredded(self) -> None:
        """A record beside the state of a tombstone is a KeyStoreError, for its key and for its tenant."""
        assert_refused(make_record(LocalKeyProvider.generate(), "clinic-7").to_bytes(), KeyState.SHREDDED)

    @pytest.mark.parametrize("state", [KeyState.ACTIVE, KeyState.RETIRED])
    def test_a_tombstone_called_a_record(self, state: KeyState) -> None:
        """A tombstone beside the state of a record is a KeyStoreError, for its key and for its tenant."""
        assert_refused(STONE.to_bytes(), state)

    def test_a_tombstone_of_another_tenant(self) -> None:
        """A tombstone that lies under a tenant that is not its own is a KeyStoreError."""
        assert_refused(STONE._replace(tenant="clinic-8").to_bytes(), KeyState.SHREDDED)


def assert_refused(data: bytes, state: KeyState) -> None:
    """What a row holds is a KeyStoreError, and no other, for who reads and for who writes."""
    provider, rows = LocalKeyProvider.generate(), RowStore()
    field = Encryptor(provider, rows).field("a.b", str)
    value = field.encrypt("x", tenant="clinic-7")
    rows.rows[value[1:17]] = rows.rows[value[1:17]]._replace(record=data, state=state.value)
    reader = Encryptor(provider, rows).field("a.b", str)
    for use in (lambda: reader.decrypt(value), lambda: reader.encrypt("x", tenant="clinic-7")):
        with pytest.raises(KeyStoreError) as caught:
            use()
        assert caught.type is KeyStoreError

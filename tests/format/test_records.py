"""Key records: one encoding, and nothing that a changed one can bring about but an error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    KeyRecord,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    WrappedKey,
)
from fieldcrypt.format.envelope import aad
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import MAX_TIME
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, Row, RowStore, flips, make_record
from tests.support.strategies import relaxed

SSN = "078-05-1120"

NAMES = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 64)
RECORDS = st.builds(
    lambda key_id, purpose, created, tenant, wraps, tag: KeyRecord(
        key_id,
        purpose,
        created,
        tenant,
        tuple(WrappedKey(name, wraps[name]) for name in sorted(wraps, key=str.encode)),
        tag,
    ),
    key_id=st.binary(min_size=16, max_size=16),
    purpose=st.sampled_from(Purpose),
    created=st.integers(0, MAX_TIME),
    tenant=st.none() | st.text(min_size=1, max_size=63),
    wraps=st.dictionaries(NAMES, st.binary(min_size=1, max_size=80), min_size=1, max_size=4),
    tag=st.binary(min_size=32, max_size=32),
)


class TestEncoding:
    """SPEC section 6, both ways."""

    @given(RECORDS)
    @relaxed
    def test_round_trip(self, record: KeyRecord) -> None:
        """A record comes back equal."""
        assert KeyRecord.from_bytes(record.key_id, record.to_bytes()) == record

    @given(st.binary(max_size=300) | RECORDS.map(KeyRecord.to_bytes), st.binary(max_size=20), st.integers(0, 300))
    @relaxed
    def test_noise(self, data: bytes, key_id: bytes, cut: int) -> None:
        """Arbitrary bytes, and genuine ones cut or extended, are a DecryptionError or the one encoding of a record."""
        for read_id, read in ((bytes(16), data), (key_id, data), (bytes(16), data[:cut]), (bytes(16), data + key_id)):
            try:
                record = KeyRecord.from_bytes(read_id, read)
            except DecryptionError:
                continue
            assert record.to_bytes() == read

    @pytest.mark.parametrize(
        "change",
        [
            {"tenant": ""},
            {"tenant": "x" * 256},
            {"tenant": "ü" * 128},
            {"created": -1},
            {"created": MAX_TIME + 1},
            {"wraps": ()},
            {"wraps": (WrappedKey("b", b"x"), WrappedKey("a", b"x"))},
            {"wraps": (WrappedKey("a", b"x"), WrappedKey("a", b"y"))},
            {"wraps": (WrappedKey("", b"x"),)},
            {"wraps": (WrappedKey("a", b""),)},
            {"wraps": (WrappedKey("a", bytes(65_536)),)},
            {"wraps": tuple(WrappedKey(f"{i:03}", b"x") for i in range(256))},
        ],
        ids=str,
    )
    def test_what_is_out_of_range_is_not_written(self, change: dict[str, object]) -> None:
        """A record that no reader would take is a ValueError to write."""
        record = KeyRecord(bytes(16), Purpose.ENCRYPTION, 0, None, (WrappedKey("a", b"x"),), bytes(32))
        assert record.to_bytes()
        with pytest.raises(ValueError):  # noqa: PT011 (the reasons differ)
            record._replace(**change).to_bytes()  # type: ignore[arg-type]

    def test_the_longest_tenant(self) -> None:
        """A tenant of 255 bytes has keys like any other."""
        field = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("a.b", str)
        assert field.decrypt(field.encrypt(SSN, tenant="ü" * 127 + "x"), tenant="ü" * 127 + "x") == SSN


class Scene(NamedTuple):
    """A genuine value, the rows of its key store, and how a process without keys reads it."""

    provider: LocalKeyProvider
    store: RowStore
    value: bytes

    @property
    def key_id(self) -> bytes:
        return self.value[1:17]

    def field(self) -> Field[str]:
        return Encryptor(self.provider, self.store).field("a.b", str)

    def record(self) -> KeyRecord:
        return KeyRecord.from_bytes(self.key_id, self.store.rows[self.key_id].record)


@pytest.fixture
def scene() -> Scene:
    """A value of tenant A in a key store that has a key of tenant B too."""
    provider, store = LocalKeyProvider.generate(), RowStore()
    field = Encryptor(provider, store).field("a.b", str)
    field.encrypt(SSN, tenant="B")
    return Scene(provider, store, field.encrypt(SSN, tenant="A"))


class TestChangedRows:
    """Whoever writes to the key store's table cannot make a value of it, nor anything but an error."""

    def test_bits(self, scene: Scene) -> None:
        """No bit of a record can be changed; one that claims to be of the far future is passed over for a new key."""
        genuine = scene.store.rows[scene.key_id]
        for _, changed in flips(genuine.record):
            scene.store.rows = {scene.key_id: genuine._replace(record=changed)}
            with pytest.raises((DecryptionError, KeyStoreError)):
                scene.field().decrypt(scene.value)
            with suppress(KeyStoreError):
                assert scene.field().encrypt(SSN, tenant="A")[1:17] != scene.key_id

    def test_lengths(self, scene: Scene) -> None:
        """No byte of a record can be cut off or added."""
        genuine = scene.store.rows[scene.key_id]
        longer = [genuine.record + b"\x00", genuine.record + genuine.record, b"\x01" + genuine.record]
        for changed in [*(genuine.record[:size] for size in range(len(genuine.record))), *longer, genuine.record[1:]]:
            scene.store.rows[scene.key_id] = genuine._replace(record=changed)
            with pytest.raises(KeyStoreError):
                scene.field().decrypt(scene.value)

    @pytest.mark.parametrize(
        "edit",
        [
            lambda record: record._replace(tenant="B"),
            lambda record: record._replace(tenant=None),
            lambda record: record._replace(created=record.created + 1),
            lambda record: record._replace(purpose=Purpose.BLIND_INDEX),
            lambda record: record._replace(tag=bytes(32)),
            lambda record: record._replace(tag=b""),
            lambda record: record._replace(wraps=(WrappedKey("local:0", record.wraps[0].data),)),
            lambda record: record._replace(wraps=(record.wraps[0]._replace(data=bytes(72)),)),
            lambda record: record._replace(wraps=(record.wraps[0]._replace(data=b"x"),)),
            lambda record: record._replace(wraps=(WrappedKey("a", b"x"), *record.wraps)),
            lambda record: record._replace(wraps=(*record.wraps, WrappedKey("z", b"x"))),
        ],
        ids=[
            "tenant",
            "no-tenant",
            "created",
            "purpose",
            "tag",
            "no-tag",
            "name",
            "wrap",
            "short-wrap",
            "first",
            "last",
        ],
    )
    def test_fields(self, scene: Scene, edit: Callable[[KeyRecord], KeyRecord]) -> None:
        """A record whose field was edited by someone who knows the format does not open the value."""
        edited = edit(scene.record())
        scene.store.rows[scene.key_id] = Row(edited.tenant, KeyState.ACTIVE.value, edited.to_bytes())
        with pytest.raises((DecryptionError, KeyStoreError)):
            scene.field().decrypt(scene.value)
        store = MemoryKeyStore()  # and neither does it in a store that keeps objects
        store.add(edited)
        with pytest.raises((DecryptionError, KeyStoreError)):
            Encryptor(scene.provider, store).field("a.b", str).decrypt(scene.value)

    def test_relabelled_for_another_tenant(self, scene: Scene) -> None:
        """A record of tenant A listed for tenant B does not encrypt for B, whatever of it was edited to match."""
        of_a_record, of_a = scene.record(), scene.store.rows.pop(scene.key_id)
        scene.store.rows = {scene.key_id: of_a._replace(tenant="B")}
        with pytest.raises(KeyStoreError):
            scene.field().encrypt(SSN, tenant="B")
        scene.store.rows = {scene.key_id: Row("B", "active", of_a_record._replace(tenant="B").to_bytes())}
        assert scene.field().encrypt(SSN, tenant="B")[1:17] != scene.key_id

    @pytest.mark.parametrize("warm", [False, True], ids=["fresh", "key-of-A-live"])
    def test_a_store_that_gives_a_genuine_key_of_another_tenant(self, scene: Scene, warm: bool) -> None:
        """A store that answers for tenant B with the untouched record of A does not make A's key encrypt for B."""
        genuine = scene.record()

        class Confused(MemoryKeyStore):
            def list(self, tenant: str | None) -> list[KeyRecord]:
                return [genuine]

        store = Confused()
        store.add(genuine)
        field = Encryptor(scene.provider, store).field("a.b", str)
        if warm:
            assert field.decrypt(scene.value, tenant="A") == SSN
        with pytest.raises(KeyStoreError, match="another tenant"):
            field.encrypt(SSN, tenant="B")

    def test_unknown_states(self, scene: Scene) -> None:
        """A state that this version does not know is an error, not an active key."""
        scene.store.rows[scene.key_id] = scene.store.rows[scene.key_id]._replace(state="sealed")
        with pytest.raises(KeyStoreError):
            scene.field().decrypt(scene.value)
        with pytest.raises(KeyStoreError):
            scene.field().encrypt(SSN, tenant="A")

    def test_swapped_rows(self, scene: Scene) -> None:
        """The records of two keys cannot be exchanged."""
        one, other = scene.store.rows
        scene.store.rows = {one: scene.store.rows[other], other: scene.store.rows[one]}
        with pytest.raises((DecryptionError, KeyStoreError)):
            scene.field().decrypt(scene.value)


@pytest.mark.parametrize("tenant", [None, "clinic-7"])
def test_what_the_key_service_is_told(tenant: str | None, clock: Clock) -> None:
    """The context of a wrap, which key policies and audit logs see, is that of SPEC section 6, in both directions."""
    provider, store = CountingProvider(), RowStore()
    value = Encryptor(provider, store).field("a.b", str).encrypt(SSN, tenant=tenant)
    assert Encryptor(provider, store).field("a.b", str).decrypt(value) == SSN
    expected = {
        "fieldcrypt:key-id": value[1:17].hex(),
        "fieldcrypt:purpose": "encryption",
        "fieldcrypt:created": "2027-01-15T08:00:00Z",
    }
    assert provider.contexts == [expected | ({} if tenant is None else {"fieldcrypt:tenant": tenant})] * 2


def test_a_key_id_commits_to_its_key() -> None:
    """A record that is authentic under another data key than the one it names is refused, well wrapped as it is."""
    provider, store = LocalKeyProvider.generate(), MemoryKeyStore()
    value = Encryptor(provider, store).field("a.b", str).encrypt(SSN)
    record, other = store.get(value[1:17]), DataKey.generate()
    assert isinstance(record, KeyRecord)
    forged = other.seal(record._replace(wraps=tuple(provider.wrap(other.secret, record.context()))))
    head, nonce = b"\x01" + forged.key_id, bytes(24)
    sealed = other.cipher().encrypt(nonce, b"\x02forged", aad(head, {"fieldcrypt:field": "a.b"}))
    store = MemoryKeyStore()
    store.add(forged)
    with pytest.raises(DecryptionError):
        Encryptor(provider, store).field("a.b", str).decrypt(head + nonce + sealed)


def test_keys_of_another_purpose_do_not_open_values() -> None:
    """A value that was made under a data key for blind indexes is refused, authentic as it is."""
    provider, store = LocalKeyProvider.generate(), MemoryKeyStore()
    record = make_record(provider, purpose=Purpose.BLIND_INDEX)
    store.add(record)
    head = b"\x01" + record.key_id
    cipher = DataKey(provider.unwrap(record.wraps, record.context())).cipher()
    value = head + bytes(24) + cipher.encrypt(bytes(24), b"\x02" + SSN.encode(), aad(head, {"fieldcrypt:field": "a.b"}))
    with pytest.raises(DecryptionError):
        Encryptor(provider, store).field("a.b", str).decrypt(value)


def test_keys_of_another_purpose_do_not_encrypt() -> None:
    """Where a tenant has only a key for blind indexes, values get a key of their own."""
    provider, store = LocalKeyProvider.generate(), MemoryKeyStore()
    index = make_record(provider, "A", purpose=Purpose.BLIND_INDEX)
    store.add(index)
    value = Encryptor(provider, store).field("a.b", str).encrypt(SSN, tenant="A")
    assert value[1:17] != index.key_id

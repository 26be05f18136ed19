"""The first data key of a tenant: one, however many processes need it at once, whatever stands in its claim."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    FileKeyStore,
    KeyPolicy,
    KeyProvider,
    KeyProviderError,
    KeyRecord,
    KeyShreddedError,
    KeyState,
    KeyStoreChain,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    Tombstone,
)
from fieldcrypt.events import Event, EventKind
from fieldcrypt.keys.record.claim import claim_of, claim_place, claimed
from fieldcrypt.keys.stores.store import KeyStore
from tests.support.doubles import CountingProvider, PublicKeyProvider, RowStore, make_record, outage, store_outage

PLACE = claim_place(Purpose.ENCRYPTION, "a")
BOTH = list(Purpose)


class DyingStore(MemoryKeyStore):
    """A key store in which nothing is added while it is told to fail: what a process that died left behind."""

    dying = False

    def add(self, record: KeyRecord | Tombstone) -> None:
        if self.dying:
            raise store_outage()
        super().add(record)


class LateList(MemoryKeyStore):
    """A key store whose list is always late, as an index of DynamoDB may be for a while."""

    def list(self, tenant: str | None) -> list[KeyRecord | Tombstone]:
        return []


class SlowStore(MemoryKeyStore):
    """A key store in which something happens before the next record is added."""

    before_add: Callable[[], object] | None = None

    def add(self, record: KeyRecord | Tombstone) -> None:
        before, self.before_add = self.before_add, None
        if before is not None:
            before()
        super().add(record)


@pytest.fixture
def store() -> DyingStore:
    """An empty one."""
    return DyingStore()


def need(purpose: Purpose, provider: KeyProvider, store: KeyStore, **options: Any) -> None:
    """Do in a cold process what takes a key of a purpose."""
    encryptor = Encryptor(provider, store, **options)
    if purpose is Purpose.ENCRYPTION:
        encryptor.field("a.b", str).encrypt("x", tenant="a")
    else:
        encryptor.blind_index("a.b").tag("x", tenant="a")


def made(store: MemoryKeyStore, purpose: Purpose = Purpose.ENCRYPTION) -> list[KeyRecord]:
    """The records of a purpose in a store."""
    records = [store.get(key_id) for key_id in store.key_ids()]
    return [record for record in records if isinstance(record, KeyRecord) and record.purpose is purpose]


@pytest.mark.parametrize("purpose", BOTH)
class TestOneKey:
    def test_of_a_burst_of_cold_processes(self, purpose: Purpose, provider: CountingProvider) -> None:
        """All have seen that there is none before the first one is wrapped."""
        store, barrier = MemoryKeyStore(), Barrier(8, timeout=20)
        provider.before_wrap = barrier.wait
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: need(purpose, provider, store), range(8)))
        assert len(made(store, purpose)) == 1

    def test_though_the_list_lags_behind(self, purpose: Purpose, provider: CountingProvider) -> None:
        """The claim is read where it stands, and not in an index."""
        store = LateList()
        for _ in range(3):
            need(purpose, provider, store)
        assert len(made(store, purpose)) == 1

    def test_though_its_maker_died_before_it_was_kept(
        self, purpose: Purpose, provider: CountingProvider, store: DyingStore
    ) -> None:
        """Whoever comes next keeps it, the same bytes, and makes none."""
        store.dying = True
        with pytest.raises(KeyStoreError):
            need(purpose, provider, store)
        store.dying = False
        (claim,) = filter(None, [store.get_claim(claim_place(purpose, "a"))])
        need(purpose, provider, store)
        assert made(store, purpose) == [claimed(claim, purpose, "a")]
        assert provider.wraps == 1

    def test_though_another_process_writes_the_record_first(self, purpose: Purpose, provider: CountingProvider) -> None:
        """Having found the claim; the same bytes, so that is no error."""
        store = SlowStore()
        store.before_add = lambda: need(purpose, provider, store)
        need(purpose, provider, store)
        assert len(made(store, purpose)) == 1

    def test_in_a_chain_without_a_look_elsewhere(self, purpose: Purpose, provider: CountingProvider) -> None:
        """A region that is away must not hold up first keys here; not even one that was claimed and not kept."""
        own, elsewhere = DyingStore(), RowStore()
        own.dying = True
        with pytest.raises(KeyStoreError):
            need(purpose, provider, KeyStoreChain(own, elsewhere))
        own.dying = False
        for _ in range(2):
            need(purpose, provider, KeyStoreChain(own, elsewhere))
        assert (len(made(own, purpose)), elsewhere.reads) == (1, 0)

    def test_is_told_once(self, purpose: Purpose, provider: CountingProvider, store: DyingStore) -> None:
        """By whoever put it into the store."""
        events: list[Event] = []
        for dying in (True, False, False):
            store.dying = dying
            try:
                need(purpose, provider, store, observer=events.append)
            except KeyStoreError:
                assert dying
        assert [event.kind for event in events].count(EventKind.KEY_CREATED) == 1


class TestAClaimIsNoAuthority:
    """Whoever writes to the key store can put a claim there; it cannot choose what encrypts, nor stop anybody."""

    @pytest.fixture
    def claims(self, provider: CountingProvider) -> dict[str, bytes]:
        """What such a person has at hand."""
        inner = provider.inner
        of_another = make_record(inner, "b")
        mine = make_record(LocalKeyProvider.generate(), "a")
        stone = Tombstone(bytes(16), Purpose.ENCRYPTION, 1, "a", 2, "nobody", 1)
        return {
            "empty": b"",
            "junk": b"junk" * 100,
            "another tenant's": claim_of(of_another),
            "another tenant's by name": claim_of(of_another._replace(tenant="a")),
            "of another purpose": claim_of(make_record(inner, "a", purpose=Purpose.BLIND_INDEX)),
            "under a foreign key": claim_of(mine),
            "under another key id": bytes(16) + make_record(inner, "a").to_bytes(),
            "of a shredding that never was": claim_of(stone),
        }

    NAMES = (
        "empty",
        "junk",
        "another tenant's",
        "another tenant's by name",
        "of another purpose",
        "under a foreign key",
        "under another key id",
        "of a shredding that never was",
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_one_that_is_not_authentic_is_replaced_and_told(
        self, provider: CountingProvider, store: DyingStore, claims: dict[str, bytes], name: str
    ) -> None:
        """By one new key, which all find."""
        store.put_claim(PLACE, claims[name], None)
        events: list[Event] = []
        for _ in range(3):
            need(Purpose.ENCRYPTION, provider, store, observer=events.append)
        (record,) = made(store)
        assert store.get_claim(PLACE) == claim_of(record)
        refused = [(event.key_id, event.tenant) for event in events if event.kind is EventKind.RECORD_REFUSED]
        assert refused == [(PLACE.hex(), "a")]

    def test_one_that_names_another_tenant_s_key_gives_nobody_that_key(
        self, provider: CountingProvider, store: DyingStore
    ) -> None:
        """Nor does it tombstone it when the tenant is shredded."""
        other = make_record(provider.inner, "b")
        store.add(other)
        store.put_claim(PLACE, claim_of(other._replace(tenant="a")), None)
        encryptor = Encryptor(provider, store)
        value = encryptor.field("a.b", str).encrypt("x", tenant="a")
        assert value[1:17] != other.key_id
        encryptor.data_keys.shred("a", "ann")
        assert store.get(other.key_id) == other

    def test_one_that_names_another_tenant_s_tombstone_stops_nobody(
        self, provider: CountingProvider, store: DyingStore
    ) -> None:
        """A tombstone ends what its own tenant has."""
        other = make_record(provider.inner, "b")
        store.add(Tombstone(other.key_id, other.purpose, other.created, "b", other.created, "ann", 1))
        store.put_claim(PLACE, claim_of(other._replace(tenant="a")), None)
        need(Purpose.ENCRYPTION, provider, store)
        assert made(store)

    @pytest.mark.parametrize("purpose", BOTH)
    def test_replayed_after_a_leak_it_brings_back_no_old_key(
        self, provider: CountingProvider, store: DyingStore, purpose: Purpose
    ) -> None:
        """Though all records are deleted: the policy says what is too old."""
        leaked = make_record(provider.inner, "a", created=1_700_000_000, purpose=purpose)
        store.put_claim(claim_place(purpose, "a"), claim_of(leaked), None)
        need(purpose, provider, store, policy=KeyPolicy(not_before=datetime(2026, 1, 1, tzinfo=UTC)))
        assert leaked.key_id not in store.key_ids()

    def test_overwritten_or_deleted_it_changes_nothing(self, provider: CountingProvider, store: DyingStore) -> None:
        """Once the record is there nobody looks at it."""
        need(Purpose.ENCRYPTION, provider, store)
        (record,) = made(store)
        for claim in (b"junk", claim_of(make_record(provider.inner, "a"))):
            store.put_claim(PLACE, claim, store.get_claim(PLACE))
            need(Purpose.ENCRYPTION, provider, store)
        assert made(store) == [record]

    def test_replayed_it_brings_back_no_key_that_was_retired(
        self, provider: CountingProvider, store: DyingStore
    ) -> None:
        """Even where the list of the tenant's keys is late."""
        late = LateList()
        need(Purpose.ENCRYPTION, provider, late)
        (record,) = made(late)
        late.replace(record, record._replace(state=KeyState.RETIRED))
        encryptor = Encryptor(provider, late)
        assert encryptor.field("a.b", str).encrypt("x", tenant="a")[1:17] != record.key_id

    def test_one_that_cannot_be_opened_for_now_stays(self, provider: CountingProvider, store: DyingStore) -> None:
        """An outage is no reason for a second key; the error says that it passes."""
        claim = claim_of(make_record(provider.inner, "a"))
        store.put_claim(PLACE, claim, None)
        provider.unwrap_failure = outage
        with pytest.raises(KeyProviderError) as caught:
            need(Purpose.ENCRYPTION, provider, store)
        assert caught.value.retryable
        assert (store.get_claim(PLACE), made(store)) == (claim, [])

    def test_it_ends_where_others_change_it_all_the_time(self, provider: CountingProvider) -> None:
        """With an error, and not in a loop."""

        class Restless(MemoryKeyStore):
            def get_claim(self, place: bytes) -> bytes:
                return b"junk"

        store = Restless()
        with pytest.raises(KeyStoreError, match="others keep changing"):
            need(Purpose.ENCRYPTION, provider, store)
        assert made(store) == []


class TestWithoutClaims:
    @pytest.mark.parametrize("write_only", [False, True])
    def test_where_every_process_has_keys_of_its_own(self, store: DyingStore, write_only: bool) -> None:
        """Keys that others wrapped with a public key are not used, and a writer that cannot read opens none."""

        class WriteOnly(CountingProvider):
            write_only = True

        need(Purpose.ENCRYPTION, WriteOnly() if write_only else PublicKeyProvider(), store)
        assert store.get_claim(PLACE) is None
        assert len(made(store)) == 1


class TestShredding:
    def test_puts_a_tombstone_into_the_claims(self, provider: CountingProvider, store: DyingStore) -> None:
        """No wrapped key is left anywhere, and nobody makes another one though the list is late."""
        for purpose in BOTH:
            need(purpose, provider, store)
        assert Encryptor(provider, store).data_keys.shred("a", "ann") == 2
        for purpose in BOTH:
            claim = store.get_claim(claim_place(purpose, "a"))
            assert claim is not None
            assert isinstance(claimed(claim, purpose, "a"), Tombstone)
        late = LateList()
        late._records, late._claims = store._records, store._claims
        for purpose in BOTH:
            with pytest.raises(KeyShreddedError, match="'a' was shredded"):
                need(purpose, provider, late)

    def test_ends_a_key_that_is_claimed_and_not_written(self, provider: CountingProvider, store: DyingStore) -> None:
        """Its maker may write the record any time: its place is barred, and counts as a key that was shredded."""
        store.dying = True
        with pytest.raises(KeyStoreError):
            need(Purpose.ENCRYPTION, provider, store)
        store.dying = False
        assert Encryptor(provider, store).data_keys.shred("a", "ann") == 1
        with pytest.raises(KeyShreddedError):
            need(Purpose.ENCRYPTION, provider, store)
        assert made(store) == []

    def test_in_between_claim_and_record_ends_the_maker(self, provider: CountingProvider) -> None:
        """It cannot write its record any more, and is told why."""
        store = SlowStore()
        store.before_add = lambda: Encryptor(provider, store).data_keys.shred("a", "ann")
        with pytest.raises(KeyShreddedError, match="by 'ann'"):
            need(Purpose.ENCRYPTION, provider, store)
        assert made(store) == []

    def test_leaves_no_wrapped_key_in_a_file(self, tmp_path: Path) -> None:
        """Neither of the record nor of the claim."""
        path, provider = tmp_path / "keys.sqlite", LocalKeyProvider.generate()
        store = FileKeyStore.create(path)
        for purpose in BOTH:
            need(purpose, provider, store)
        pieces = [
            wrap.data[-16:] for record in store.list("a") if isinstance(record, KeyRecord) for wrap in record.wraps
        ]
        assert all(piece in path.read_bytes() for piece in pieces)
        assert Encryptor(provider, store).data_keys.shred("a", "ann") == 2
        assert not [piece for piece in pieces if piece in path.read_bytes()]


class TestCreate:
    """`data_keys.create`: the key that is there before the first value."""

    @pytest.mark.parametrize("index", [False, True])
    def test_makes_the_key_that_the_first_value_is_under(
        self, provider: CountingProvider, store: DyingStore, index: bool
    ) -> None:
        """Once, however often it is called."""
        made_first = [Encryptor(provider, store).data_keys.create("a", index=index) for _ in range(2)]
        need(Purpose.BLIND_INDEX if index else Purpose.ENCRYPTION, provider, store)
        assert made_first == [store.get(key_id) for key_id in store.key_ids()] * 2

    def test_is_refused_where_every_process_has_keys_of_its_own(self, store: DyingStore) -> None:
        """Nobody would ever use it; but an index key, which a policy can name."""
        for provider, policy, index in (
            (PublicKeyProvider(), KeyPolicy(), False),
            (PublicKeyProvider(), KeyPolicy(), True),
            (CountingProvider(), KeyPolicy(own_keys_only=True), False),
        ):
            with pytest.raises(ConfigurationError):
                Encryptor(provider, store, policy=policy).data_keys.create("a", index=index)
        assert list(store.key_ids()) == []

    def test_takes_a_tenant_and_nothing_else(self, provider: CountingProvider, store: DyingStore) -> None:
        """Whatever a command line makes of one."""
        keys = Encryptor(provider, store).data_keys
        for tenant in ("", "x" * 256, "\ud800"):
            with pytest.raises(ValueError, match="tenant"):
                keys.create(tenant)
        with pytest.raises(TypeError):
            keys.create(7)  # type: ignore[arg-type]


class TestRewrapping:
    @pytest.mark.parametrize("interrupted", [False, True])
    def test_brings_the_claim_under_the_new_keys_too(
        self, provider: CountingProvider, store: DyingStore, interrupted: bool
    ) -> None:
        """Or whoever keeps the old wrapping key would keep the data key; also when an earlier run died before that."""
        need(Purpose.ENCRYPTION, provider, store)
        old, new = store.get_claim(PLACE), LocalKeyProvider.generate()
        keys = Encryptor(provider, store).data_keys
        assert keys.rewrap(new).changed == 1
        if interrupted:
            store.put_claim(PLACE, old or b"", store.get_claim(PLACE))
            assert Encryptor(new, store).data_keys.rewrap().unchanged == 1
        (record,) = made(store)
        assert {wrap.name for wrap in record.wraps} == set(new.wrapping_keys())
        assert store.get_claim(PLACE) == claim_of(record)

    def test_leaves_claims_of_other_keys_alone(self, provider: CountingProvider, store: DyingStore) -> None:
        """Those of keys that are not the tenant's first one."""
        need(Purpose.ENCRYPTION, provider, store)
        store.put_claim(PLACE, b"junk", store.get_claim(PLACE))
        Encryptor(provider, store).data_keys.rewrap(LocalKeyProvider.generate())
        assert store.get_claim(PLACE) == b"junk"

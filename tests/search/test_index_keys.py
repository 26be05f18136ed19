"""Index keys: whatever happens to them, what was tagged is found, or it is said that it cannot be."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    EventKind,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderError,
    KeyRecord,
    KeyShreddedError,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    WrappedKey,
)
from fieldcrypt.format.envelope import STORED, aad, head
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.testing import LocalAws
from tests.conftest import Clock
from tests.search.index_process import DELAY, EMAIL, GRACE, GROWN_UP, INDEX, SETTLING, TTL, Process
from tests.support.doubles import CountingProvider, RowStore, make_record, outage, refusal, store_outage
from tests.support.outages import lost

CHECKED = 0.91 * TTL  # later than any key in use is checked, well before it ends


class TestPurposes:
    """A key of one purpose is never used for another."""

    def test_values_and_tags_have_keys_of_their_own(self, process: Process, rows: RowStore) -> None:
        """One each; neither is chosen for the other."""
        field = process.encryptor.field("a.b", str)
        value, tag = field.encrypt(EMAIL, tenant="a"), process.tag()
        records = {record.purpose: record for record in rows.list("a") if isinstance(record, KeyRecord)}
        assert len(records) == 2
        assert value[1:17] == records[Purpose.ENCRYPTION].key_id
        assert field.encrypt(EMAIL, tenant="a")[1:17] == value[1:17]
        assert (process.tag(), process.tags()) == (tag, [tag])

    def test_an_index_key_decrypts_nothing(self, process: Process, rows: RowStore, provider: CountingProvider) -> None:
        """Though the value was made under it, by somebody who has it."""
        record = make_record(provider.inner, "a", purpose=INDEX)
        rows.add(record)
        data_key = DataKey(provider.inner.unwrap(record.wraps, record.context()))
        start_of = head(STORED, record.key_id)
        sealed = data_key.cipher().encrypt(bytes(24), b"\x02x", aad(start_of, {"fieldcrypt:field": "a.b"}))
        with pytest.raises(DecryptionError, match="not for values"):
            process.encryptor.field("a.b", str).decrypt(start_of + bytes(24) + sealed)

    @pytest.mark.parametrize("first", [INDEX, Purpose.ENCRYPTION], ids=lambda purpose: purpose.label)
    def test_a_key_of_the_other_purpose_is_no_first_key(
        self, process: Process, rows: RowStore, provider: CountingProvider, first: Purpose
    ) -> None:
        """A tenant that has only that one gets one of its own, and it is not rotated."""
        rows.add(make_record(provider.inner, "a", purpose=first))
        if first is INDEX:
            assert process.encryptor.field("a.b", str).encrypt(EMAIL, tenant="a")
            assert {row.purpose for row in rows.list("a")} == set(Purpose)
        else:
            assert process.tags() == []
            with pytest.raises(KeyNotFoundError, match="no index key"):
                process.rotate()
            assert process.tag()

    def test_rotation_of_values_needs_a_key_for_values(
        self, process: Process, rows: RowStore, provider: CountingProvider
    ) -> None:
        """An index key is none."""
        rows.add(make_record(provider.inner, "a", purpose=INDEX))
        with pytest.raises(KeyNotFoundError):
            process.encryptor.data_keys.rotate("a")

    def test_an_index_key_makes_no_value_old(self, process: Process, clock: Clock) -> None:
        """It is younger than the value's key, and does not follow it."""
        value = process.encryptor.field("a.b", str).encrypt(EMAIL, tenant="a")
        clock.advance(DELAY + 1)
        process.tag()
        clock.advance(DELAY + 1)
        assert not process.encryptor.needs_reencrypt(value)


class TestPlanted:
    """Whoever can write to the key store gains no tags, and is noticed."""

    @pytest.fixture
    def forged(self, provider: CountingProvider, rows: RowStore) -> Sequence[KeyRecord]:
        """Records that an attacker can make: under his own wrapping key, relabelled, of another tenant, garbled."""
        mallory = make_record(LocalKeyProvider.generate(), "a", purpose=INDEX, created=1)
        theirs = make_record(provider.inner, "b", purpose=INDEX)
        values = make_record(provider.inner, "a")
        own = make_record(provider.inner, "a", purpose=INDEX)
        under_our_name = mallory.wraps[0]._replace(name=provider.wrapping_keys()[0])
        return [
            mallory,
            mallory._replace(key_id=os.urandom(16), wraps=(under_our_name,)),
            theirs._replace(tenant="a"),
            values._replace(purpose=INDEX),
            own._replace(created=own.created - 1),
            own._replace(key_id=os.urandom(16)),
            own._replace(key_id=os.urandom(16), wraps=(WrappedKey("arn:of:his", b"x"), *own.wraps)),
        ]

    def test_no_tag_is_made_under_them(
        self, process: Process, other: Process, rows: RowStore, forged: Sequence[KeyRecord], clock: Clock
    ) -> None:
        """They are passed over, by who has keys already and by who has none, and each is reported."""
        tag = process.tag()
        for record in forged:
            rows.add(record)
        clock.advance(GROWN_UP)
        for each in (process, other):
            assert (each.tag(), each.tags()) == (tag, [tag])
            assert each.told(EventKind.RECORD_REFUSED) == len(forged)

    def test_they_cost_one_call_in_a_while(
        self, process: Process, rows: RowStore, provider: CountingProvider, forged: Sequence[KeyRecord]
    ) -> None:
        """Not one for every search, even while every search looks for new keys."""
        process.tag()
        for record in forged:
            rows.add(record)
        process.tags()
        unwraps = provider.unwraps
        for _ in range(10):
            process.tags()
        assert provider.unwraps == unwraps
        assert process.told(EventKind.RECORD_REFUSED) == len(forged)

    def test_they_do_not_pass_for_a_first_key(
        self, process: Process, rows: RowStore, forged: Sequence[KeyRecord]
    ) -> None:
        """Nor is another one made beside them: if they were genuine after all, nothing would ever be found again."""
        rows.add(forged[0])
        for use in (process.tag, process.tags):
            with pytest.raises(KeyStoreError, match="none of them is authentic here: are they another environment's"):
                use()
        assert len(rows.rows) == 1

    def test_retiring_every_key_makes_no_new_one(self, process: Process, other: Process, rows: RowStore) -> None:
        """States are not protected; whoever changes them all stops the index, and does not change it."""
        process.tag()
        (key_id,) = rows.rows
        rows.retire(key_id)
        for use in (other.tag, other.tags):
            with pytest.raises(KeyStoreError, match="none of them is active"):
                use()
        assert list(rows.rows) == [key_id]

    def test_a_record_that_is_garbled_ends_its_key(
        self, process: Process, rows: RowStore, clock: Clock, provider: CountingProvider
    ) -> None:
        """At the next check, as for values, and it is told."""
        process.tag()
        ((key_id, row),) = rows.rows.items()
        forged = bytearray(row.record)
        forged[-1] ^= 1
        rows.rows[key_id] = row._replace(record=bytes(forged))
        clock.advance(TTL)
        with pytest.raises(KeyStoreError, match=r"authentic|cannot be opened"):
            process.tag()
        assert process.told(EventKind.RECORD_REFUSED)


class TestLife:
    """Index keys live as long as those for values."""

    def test_a_key_in_use_is_checked_ahead_of_its_end(
        self, process: Process, clock: Clock, provider: CountingProvider
    ) -> None:
        """Once in its time, however many tags there are."""
        tag = process.tag()
        clock.advance(GROWN_UP)
        process.tag()
        for _ in range(4):
            clock.advance(CHECKED)
            unwraps = provider.unwraps
            assert {process.tag() for _ in range(10)} == {tag}
            assert provider.unwraps == unwraps + 1

    @pytest.mark.parametrize("place", ["provider", "list", "store"])
    def test_it_outlives_an_outage_for_its_grace(
        self, process: Process, clock: Clock, provider: CountingProvider, rows: RowStore, place: str
    ) -> None:
        """Of key service or key store; and no longer."""
        tag = process.tag()
        clock.advance(GROWN_UP)
        process.tags()
        if place == "provider":
            provider.unwrap_failure = outage
        elif place == "list":
            rows.list_failure = store_outage
        else:
            rows.go_down()
        for _ in range(5):
            clock.advance((TTL + GRACE - GROWN_UP) / 5 - 60)
            assert process.tag() == tag
            assert process.tags() == [tag]
        assert process.told(EventKind.KEY_UNCONFIRMED)
        clock.advance(TTL + 1000)
        for use in (process.tag, process.tags):
            with pytest.raises((KeyProviderError, KeyStoreError)):
                use()

    def test_a_refusal_ends_it_at_once(self, process: Process, clock: Clock, provider: CountingProvider) -> None:
        """Whatever the grace."""
        process.tag()
        clock.advance(CHECKED)
        provider.unwrap_failure = refusal
        for use in (process.tag, process.tags, process.tag):
            with pytest.raises(KeyAccessDeniedError):
                use()

    def test_a_shredded_tenant_has_no_index(self, process: Process, other: Process, clock: Clock) -> None:
        """Here at once, elsewhere at the next check; index keys are destroyed with those for values."""
        process.encryptor.field("a.b", str).encrypt(EMAIL, tenant="a")
        tag = process.tag()
        assert other.tag() == tag
        assert process.encryptor.data_keys.shred("a", by="ann") == 2
        for use in (process.tag, process.tags):
            with pytest.raises(KeyShreddedError):
                use()
        clock.advance(CHECKED)
        for use in (other.tag, other.tags):
            with pytest.raises(KeyShreddedError):
                use()
        assert other.encryptor.stats().live_keys == 0

    def test_a_lost_record_is_put_back(self, process: Process, clock: Clock, rows: RowStore) -> None:
        """By whoever has it: what was tagged under it is found."""
        process.tag()
        clock.advance(GROWN_UP)
        process.rotate()
        clock.advance(SETTLING)
        tags = process.tags()
        key_id = next(record.key_id for record in sorted(rows.list("a"), key=lambda record: record.created))
        del rows.rows[key_id]
        clock.advance(TTL)
        assert process.tags() == tags
        assert process.told(EventKind.RECORD_PUT_BACK)
        assert key_id in rows.rows

    def test_warming_up_fetches_index_keys_too(
        self, process: Process, other: Process, provider: CountingProvider, clock: Clock
    ) -> None:
        """So that the first search does not wait; none are made."""
        process.encryptor.field("a.b", str).encrypt(EMAIL, tenant="a")
        tag = process.tag()
        assert other.encryptor.warm_up(tenants=["a", "b"]) == 2
        unwraps = provider.unwraps
        assert other.tag() == tag
        assert (provider.unwraps, other.tags("b")) == (unwraps, [])

    def test_keys_are_evicted_like_others(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A process with room for one key still searches under two."""
        small = Encryptor(provider, rows, policy=KeyPolicy(max_cached_keys=1)).blind_index("a.b")
        process = Process(provider, rows)
        process.tag()
        clock.advance(GROWN_UP)
        process.rotate()
        clock.advance(SETTLING)
        tags = process.tags()
        assert small.tags(EMAIL, tenant="a") == small.tags(EMAIL, tenant="a") == tags
        small.tag(EMAIL, tenant="b")
        assert small.tag(EMAIL, tenant="a") == tags[0]


def test_a_replica_region_makes_the_same_tags(aws: LocalAws, kms_key: str) -> None:
    """With its own KMS key, while the region that made the index key is gone."""
    store = MemoryKeyStore()
    home = AwsKmsKeyProvider(kms_key, ["us-east-1", "eu-west-1"], client_factory=aws.kms)
    tag = Encryptor(home, store).blind_index("a.b").tag(EMAIL, tenant="a")
    away = AwsKmsKeyProvider(kms_key, ["eu-west-1"], client_factory=aws.kms)
    with lost(aws, "us-east-1"):
        assert Encryptor(away, store).blind_index("a.b").tags(EMAIL, tenant="a") == [tag]

"""Self-contained values where there is a key store: not read unless that is said, and ended by its tombstones."""

from __future__ import annotations

import pickle
from datetime import timedelta
from pathlib import Path

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Event,
    EventKind,
    Field,
    FileKeyStore,
    KeyPolicy,
    KeyRecord,
    KeyShreddedError,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    Purpose,
    Tombstone,
)
from fieldcrypt.format.envelope import infix, parse
from fieldcrypt.keys.lookup.tombstones import ends
from fieldcrypt.mixed_mode import Accepted, MixedField
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, Row, RowStore, make_record

SSN = "078-05-1120"
TTL = 900.0
GRACE = 3600.0
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=TTL), grace=timedelta(seconds=GRACE))


def alone(provider: CountingProvider, tenant: str | None = "gone") -> bytes:
    """Return a value of a process without a key store."""
    return Encryptor(provider).field("a.b", str).encrypt(SSN, tenant=tenant)


def reader(provider: CountingProvider, rows: RowStore) -> Field[str]:
    """Return the field of a process that has a key store, and reads self-contained values all the same."""
    return Encryptor(provider, rows, policy=POLICY, read_self_contained=True).field("a.b", str)


def bury(rows: RowStore, tenant: str | None, shredded: float, key_id: bytes = bytes(16)) -> None:
    """Put a tombstone into a key store."""
    stone = Tombstone(key_id, Purpose.ENCRYPTION, 1, tenant, int(shredded), "ann", 1)
    rows.rows[key_id] = Row(tenant, KeyState.SHREDDED.value, stone.to_bytes())


def rewritten(value: bytes, tenant: str | None, created: int) -> bytes:
    """Return a value whose record says something else of its tenant and its age."""
    parts = parse(value)
    assert parts.record is not None
    record = KeyRecord.from_bytes(parts.key_id, parts.record)._replace(tenant=tenant, created=created)
    return value[:41] + infix(record.to_bytes()) + parts.ciphertext


class TestTombstones:
    """Of a key store, and which self-contained values they end."""

    def test_one_in_the_place_of_its_own_key(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """Ends a value, and no key service is asked."""
        value = alone(provider)
        bury(rows, "another", 0, key_id=value[1:17])
        with pytest.raises(KeyShreddedError, match=f"data key {value[1:17].hex()} was shredded .* by 'ann'"):
            reader(provider, rows).decrypt(value)
        assert provider.unwraps == 0

    @pytest.mark.parametrize(("later", "ended"), [(-1, False), (0, True), (1, True), (1e9, True)])
    def test_one_of_the_tenant(
        self, provider: CountingProvider, rows: RowStore, clock: Clock, later: float, ended: bool
    ) -> None:
        """Ends a value whose key is not younger: others are of a tenant that came back under the name."""
        value = alone(provider)
        bury(rows, "gone", clock.now + later)
        field = reader(provider, rows)
        if not ended:
            assert field.decrypt(value) == SSN
            return
        for _ in range(2):
            with pytest.raises(KeyShreddedError, match=f"data key {value[1:17].hex()} was shredded"):
                field.decrypt(value)

    def test_the_latest_of_the_tenant_counts(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """Where somebody shredded a tenant twice, in whatever order the key store lists it."""
        value = alone(provider)
        for number, later in enumerate((-2, 1, -1)):
            bury(rows, "gone", clock.now + later, key_id=bytes([number]) * 16)
        with pytest.raises(KeyShreddedError):
            reader(provider, rows).decrypt(value)

    @pytest.mark.parametrize("of", ["another", None])
    def test_one_of_somebody_else(
        self, provider: CountingProvider, rows: RowStore, clock: Clock, of: str | None
    ) -> None:
        """Ends nothing; one of no tenant, which only a forger makes, ends nothing that is no tenant's."""
        bury(rows, of, clock.now + 1)
        for tenant in ("gone", None):
            assert reader(provider, rows).decrypt(alone(provider, tenant)) == SSN

    def test_no_word_of_the_value_escapes_one(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """A record that was made younger, or another tenant's, is not authentic."""
        value = alone(provider)
        bury(rows, "gone", clock.now)
        for tenant, created in (("gone", int(clock.now) + 1), ("another", int(clock.now)), (None, int(clock.now))):
            with pytest.raises(DecryptionError):
                reader(provider, rows).decrypt(rewritten(value, tenant, created))

    def test_a_planted_record_ends_no_other(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """A value that claims the key id of a living tenant's key, and a shredded tenant, disturbs nobody."""
        value = alone(provider, "stays")
        bury(rows, "gone", clock.now)
        field = reader(provider, rows)
        with pytest.raises(KeyShreddedError):
            field.decrypt(rewritten(value, "gone", int(clock.now)))
        assert field.decrypt(value, tenant="stays") == SSN

    @pytest.mark.parametrize("read", [True, False], ids=["read", "not read"])
    def test_many_are_told_as_such(self, provider: CountingProvider, rows: RowStore, clock: Clock, read: bool) -> None:
        """Values of shredded tenants are no planted ones, and take nothing from what is tried in a second."""
        field = Encryptor(provider, rows, policy=POLICY, read_self_contained=read).field("a.b", str)
        for number in range(20):
            value = alone(provider, f"gone-{number}")
            bury(rows, f"gone-{number}", clock.now, key_id=bytes([number]) * 16)
            with pytest.raises(KeyShreddedError):
                field.decrypt(value)

    def test_live_keys_end_with_the_shredding(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """In the process that shreds at once, in others at their check."""
        value = alone(provider)
        here, there = reader(provider, rows), reader(provider, rows)
        here.encrypt(SSN, tenant="gone")
        for field in (here, there):
            assert field.decrypt(value) == SSN
        encryptor = here._encryptor
        assert isinstance(encryptor, Encryptor)
        encryptor.data_keys.shred("gone", by="ann")
        with pytest.raises(KeyShreddedError):
            here.decrypt(value)
        assert there.decrypt(value) == SSN
        clock.advance(TTL)
        with pytest.raises(KeyShreddedError):
            there.decrypt(value)

    def test_a_shredding_while_the_key_is_unwrapped(self, provider: CountingProvider, rows: RowStore) -> None:
        """The key does not outlive it in the process that shreds."""
        value, field = alone(provider), reader(provider, rows)
        field.encrypt(SSN, tenant="gone")
        encryptor = field._encryptor
        assert isinstance(encryptor, Encryptor)
        provider.before_unwrap = lambda: encryptor.data_keys.shred("gone", by="ann")
        with pytest.raises(KeyShreddedError):
            field.decrypt(value)

    def test_a_store_that_cannot_be_reached(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """Nothing is opened anew; what is live goes on for its grace."""
        value, other = alone(provider), alone(provider)
        field = reader(provider, rows)
        assert field.decrypt(value) == SSN
        rows.go_down()
        with pytest.raises(KeyStoreError):
            field.decrypt(other)
        assert provider.unwraps == 1
        clock.advance(TTL + GRACE - 1)
        assert field.decrypt(value) == SSN
        clock.advance(1)
        with pytest.raises(KeyStoreError):
            field.decrypt(value)

    def test_live_keys_ask_nobody(self, provider: CountingProvider, rows: RowStore) -> None:
        """The store is asked for a key, not for a value."""
        value, field = alone(provider), reader(provider, rows)
        assert [field.decrypt(value) for _ in range(100)] == [SSN] * 100
        assert (provider.unwraps, rows.reads) == (1, 2)

    def test_a_forged_one_that_was_removed(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """Ends values for `cache_ttl` after it was seen, and no longer."""
        value, field = alone(provider, "stays"), reader(provider, rows)
        bury(rows, "stays", clock.now)
        with pytest.raises(KeyShreddedError):
            field.decrypt(value)
        rows.rows.clear()
        clock.advance(TTL - 1)
        with pytest.raises(KeyShreddedError):
            field.decrypt(value)
        clock.advance(1)
        assert field.decrypt(value) == SSN


class TestSwitch:
    """Whether self-contained values are read where there is a key store."""

    def test_they_are_not_by_default(self, provider: CountingProvider, rows: RowStore) -> None:
        """The error names the switch, the value is reported as refused, and no key service is asked."""
        seen: list[Event] = []
        encryptor = Encryptor(provider, rows, observer=seen.append)
        value = alone(provider)
        for field in (encryptor.field("a.b", str), MixedField(encryptor, encryptor.field("a.b", str), Accepted())):
            seen.clear()
            with pytest.raises(DecryptionError, match=r"read_self_contained=True"):
                field.decrypt(value)
            assert [event.kind for event in seen].count(EventKind.VALUE_REFUSED) == 1
        with pytest.raises(DecryptionError, match=r"read_self_contained=True"):
            encryptor.warm_up(values=[value])
        assert provider.unwraps == 0

    def test_those_that_were_shredded_are_told_as_such(
        self, provider: CountingProvider, rows: RowStore, clock: Clock
    ) -> None:
        """So that nobody switches on what brings nothing back."""
        value = alone(provider)
        bury(rows, "gone", clock.now)
        with pytest.raises(KeyShreddedError):
            Encryptor(provider, rows).field("a.b", str).decrypt(value)

    def test_planted_ones_cost_little(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """The store is asked once for each in `cache_ttl`, and for a few in a second."""
        field = Encryptor(provider, rows, policy=POLICY).field("a.b", str)
        values = [alone(provider, None) for _ in range(100)]
        for value in [*values[:1] * 100, *values]:
            with pytest.raises(DecryptionError, match=r"read_self_contained=True"):
                field.decrypt(value)
        assert rows.reads == POLICY.unknown_records_per_second
        for seconds, reads in (TTL - 1, 5), (1, 6):
            clock.advance(seconds)
            with pytest.raises(DecryptionError, match=r"read_self_contained=True"):
                field.decrypt(values[0])
            assert rows.reads == reads

    def test_it_goes_with_the_encryptor(self, tmp_path: Path) -> None:
        """Into another process."""
        key = tmp_path / "key"
        key.write_text("A" * 43 + "=")
        provider = LocalKeyProvider.from_file(key)
        value = Encryptor(provider).field("a.b", str).encrypt(SSN)
        store = FileKeyStore.create(tmp_path / "keys.sqlite")
        for reads in (True, False):
            encryptor = Encryptor(provider, store, read_self_contained=reads)
            pickled = pickle.dumps(encryptor)
            del encryptor
            field = pickle.loads(pickled).field("a.b", str)
            if reads:
                assert field.decrypt(value) == SSN
            else:
                with pytest.raises(DecryptionError, match="read_self_contained"):
                    field.decrypt(value)

    def test_a_value_that_is_read_so_should_be_encrypted_anew(
        self, provider: CountingProvider, rows: RowStore, clock: Clock
    ) -> None:
        """Under a key of the key store, so that the switch can be turned off one day."""
        encryptor = Encryptor(provider, rows, read_self_contained=True)
        field = encryptor.field("a.b", str)
        value = alone(provider)
        assert encryptor.needs_reencrypt(value)
        assert not encryptor.needs_reencrypt(field.encrypt(field.decrypt(value), tenant="gone"))

    def test_the_record_of_a_stored_key_is_none_of_a_value(self, provider: CountingProvider, rows: RowStore) -> None:
        """Whoever can read the key store can dress stored values up as self-contained ones: they are not read."""
        field = Encryptor(provider, rows).field("a.b", str)
        value = field.encrypt(SSN)
        dressed = b"\x02" + value[1:41] + infix(rows.rows[value[1:17]].record) + value[41:]
        with pytest.raises(DecryptionError, match="read_self_contained"):
            field.decrypt(dressed)


def test_what_a_tombstone_ends() -> None:
    """Its own key whatever else it says; of others, those of its tenant that are not younger, and none of no tenant."""
    provider = LocalKeyProvider.generate()
    stone = Tombstone(bytes(16), Purpose.ENCRYPTION, 1, "gone", 1_800_000_000, "ann", 1)
    old, young = (make_record(provider, "gone", created=1_800_000_000 + later) for later in (0, 1))
    nobodys = make_record(provider)
    assert [ends(stone, record) for record in (old, young, nobodys)] == [True, False, False]
    assert ends(stone._replace(tenant=None, key_id=young.key_id), young)
    assert not ends(stone._replace(tenant=None), nobodys)

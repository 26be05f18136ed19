"""Shredding: a tenant's data keys are destroyed, and every process loses them in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    Event,
    EventKind,
    Field,
    FileKeyStore,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderError,
    KeyRecord,
    KeyShreddedError,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    Tombstone,
    _system,
)
from fieldcrypt.format.envelope import infix
from fieldcrypt.keys.record.tombstone import MAX_BY_SIZE
from tests.conftest import Clock
from tests.support.doubles import (
    CountingProvider,
    Crash,
    CrashingStore,
    Failure,
    Gate,
    LaggingStore,
    Row,
    RowStore,
    make_record,
    outage,
    until_waiting,
)
from tests.support.processes import read_until_shredded, start

SSN = "078-05-1120"
TTL = 900.0
GRACE = 3600.0
CHECKED = 0.91  # of TTL; by then a key in use was checked ahead of its end
ROTATE = 90 * 86_400.0
POLICY = KeyPolicy(
    cache_ttl=timedelta(seconds=TTL), grace=timedelta(seconds=GRACE), rotate_after=timedelta(seconds=ROTATE)
)


class Process:
    """What stands for a process of its own: an Encryptor with a cache of its own, and a field."""

    def __init__(self, provider: CountingProvider, store: RowStore) -> None:
        self.encryptor = Encryptor(provider, store, policy=POLICY)
        self.field: Field[str] = self.encryptor.field("a.b", str)

    def write(self, tenant: str | None = "gone") -> bytes:
        return self.field.encrypt(SSN, tenant=tenant)

    def shred(self, tenant: str = "gone", by: str = "ann") -> int:
        return self.encryptor.data_keys.shred(tenant, by)


def assert_lost(*uses: Callable[[], object]) -> None:
    """Each use says that the key was destroyed on purpose, and nothing that sounds like an attack or an outage."""
    for use in uses:
        with pytest.raises(KeyShreddedError) as caught:
            use()
        words = str(caught.value)
        assert "shredded" in words
        assert "'ann'" in words
        for other in ("tamper", "cannot be decrypted", "authentic", "changed"):
            assert other not in words


class TestThisProcess:
    """The one that shreds."""

    def test_it_loses_the_keys_at_once(self, provider: CountingProvider, rows: RowStore) -> None:
        """Neither what it reads nor what it writes goes on for a moment."""
        here = Process(provider, rows)
        value = here.write()
        assert here.field.decrypt(value) == SSN
        assert here.shred() == 1
        assert_lost(lambda: here.field.decrypt(value), lambda: here.field.decrypt(value, tenant="gone"), here.write)

    def test_it_loses_what_others_shredded(self, provider: CountingProvider, rows: RowStore) -> None:
        """To shred again ends the use of keys that another process destroyed."""
        here, other = Process(provider, rows), Process(provider, rows)
        value = here.write()
        assert other.shred() == 1
        assert here.field.decrypt(value) == SSN
        assert here.shred() == 0
        assert_lost(lambda: here.field.decrypt(value), here.write)

    @pytest.mark.parametrize("use", ["read", "write"])
    @pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
    @pytest.mark.parametrize("failure", [None, outage], ids=["answered", "unreachable"])
    def test_it_does_not_get_them_back(
        self,
        monkeypatch: pytest.MonkeyPatch,
        provider: CountingProvider,
        rows: RowStore,
        use: str,
        warm: bool,
        failure: Failure | None,
    ) -> None:
        """A call of the key service that another thread waits for during the shred does not bring a key back."""
        value = Process(provider, rows).write()
        here, gate = Process(provider, rows), Gate()
        if warm:
            here.field.decrypt(value)
            here.write()
            now = _system.monotonic() + TTL
            monkeypatch.setattr(_system, "monotonic", lambda: now)
        provider.before_unwrap = gate.wait
        provider.unwrap_failure = failure

        def work() -> None:
            with suppress(KeyShreddedError, KeyProviderError):
                here.field.decrypt(value) if use == "read" else here.write()

        thread = Thread(target=work)
        thread.start()
        until_waiting([thread])
        assert here.shred() == 1
        gate.open()
        thread.join()
        assert_lost(lambda: here.field.decrypt(value), here.write)
        assert here.encryptor.stats().live_keys == 0

    def test_all_keys_of_the_tenant(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """Old, retired and waiting ones too, whatever they are for."""
        here = Process(provider, rows)
        values = [here.write()]
        for _ in range(2):
            clock.advance(1000)
            here.encryptor.data_keys.rotate("gone")
            clock.advance(1000)
            values.append(here.write())
        here.encryptor.data_keys.rotate("gone")
        rows.retire(values[0][1:17])
        rows.add(make_record(provider.inner, "gone", purpose=Purpose.BLIND_INDEX))
        assert len({value[1:17] for value in values}) == 3
        assert here.shred() == 5
        assert_lost(*(lambda value=value: here.field.decrypt(value) for value in values))
        assert all(isinstance(stored, Tombstone) for stored in rows.list("gone"))
        assert {row.state for row in rows.rows.values()} == {KeyState.SHREDDED.value}

    @pytest.mark.parametrize("tenant", [None, "stays", "Gone", "gone "])
    def test_others_are_not_touched(self, provider: CountingProvider, rows: RowStore, tenant: str | None) -> None:
        """Keys of other tenants, and of none, stay as they are."""
        here = Process(provider, rows)
        here.write()
        value = here.write(tenant)
        row = rows.rows[value[1:17]]
        here.shred()
        assert rows.rows[value[1:17]] == row
        for process in (here, Process(provider, rows)):
            assert process.field.decrypt(value, tenant=tenant) == SSN
            assert process.field.decrypt(process.write(tenant)) == SSN

    def test_it_tells(self, provider: CountingProvider, rows: RowStore) -> None:
        """Each key that was destroyed is an event."""
        seen: list[Event] = []
        encryptor = Encryptor(provider, rows, observer=lambda event: seen.append(event))
        value = encryptor.field("a.b", str).encrypt(SSN, tenant="gone")
        encryptor.data_keys.shred("gone", "ann")
        shredded = [event for event in seen if event.kind is EventKind.KEY_SHREDDED]
        assert shredded == [Event(EventKind.KEY_SHREDDED, value[1:17].hex(), "gone")]
        encryptor.data_keys.shred("gone", "ann")
        assert encryptor.stats().events["key_shredded"] == 1

    def test_an_interruption(self, provider: CountingProvider, rows: RowStore) -> None:
        """A shred that ends in the middle has ended the use of what it destroyed, and closed the tenant."""
        for _ in range(3):
            rows.add(make_record(provider.inner, "gone"))
        first = rows.list("gone")[0]
        here = Process(provider, rows)
        here.encryptor.warm_up(["gone"])
        replace = rows.replace

        def replace_one(old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
            if old != first:
                raise KeyStoreError("the table does not answer")
            return replace(old, new)

        rows.replace = replace_one  # type: ignore[method-assign]
        with pytest.raises(KeyStoreError, match="answer"):
            here.shred()
        assert here.encryptor.stats().live_keys == 2
        assert here.encryptor.stats().events["key_shredded"] == 1
        rows.replace = replace  # type: ignore[method-assign]
        assert_lost(Process(provider, rows).write)
        assert here.shred() == 2
        assert here.encryptor.stats().live_keys == 0

    @pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
    def test_at_every_call_of_the_store(self, provider: CountingProvider, rows: RowStore, answered: bool) -> None:
        """Whichever call is the last of a process, the next process completes the work."""
        for _ in range(3):
            rows.add(make_record(provider.inner, "gone"))
        calls = 0
        while True:
            store = CrashingStore(rows.rows, calls, answered=answered)
            try:
                Process(provider, store).shred()
            except Crash:
                calls += 1
            else:
                break
            again = RowStore()
            again.rows = store.rows
            destroyed = len(again.rows) - sum(isinstance(stored, KeyRecord) for stored in again.list("gone"))
            assert Process(provider, again).shred() == 3 - destroyed
            assert all(isinstance(stored, Tombstone) for stored in again.list("gone"))
        assert calls == 9  # three to read, three to replace, three to see that all is done


class TestUnreadableRecords:
    """A row that is no record must not keep a tenant from being forgotten."""

    def test_the_others_are_destroyed(self, provider: CountingProvider, rows: RowStore) -> None:
        """And then the one that is none is named."""
        here = Process(provider, rows)
        value = here.write()
        spoilt = make_record(provider.inner, "gone")
        rows.add(spoilt)
        rows.rows[spoilt.key_id] = rows.rows[spoilt.key_id]._replace(record=b"nonsense")
        with pytest.raises(KeyStoreError, match=spoilt.key_id.hex()):
            here.shred()
        assert isinstance(rows.get(value[1:17]), Tombstone)
        assert_lost(lambda: here.field.decrypt(value))


class TestTombstones:
    """What stays."""

    def test_they_say_what_was_done(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """When, by whom, and how many keys; and of each key what its record said."""
        records = [make_record(provider.inner, "gone", created=1_700_000_000 + number) for number in range(3)]
        for record in records:
            rows.add(record)
        clock.advance(0.9)
        assert Process(provider, rows).shred(by="Ann <ann@example.org>") == 3
        assert sorted(rows.list("gone")) == sorted(
            Tombstone(
                record.key_id, Purpose.ENCRYPTION, record.created, "gone", 1_800_000_000, "Ann <ann@example.org>", 3
            )
            for record in records
        )

    def test_readers_are_told(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """Error and text have when, by whom and how many."""
        here = Process(provider, rows)
        value = here.write()
        here.shred(by="ann")
        for use in (lambda: here.field.decrypt(value), here.write):
            with pytest.raises(KeyShreddedError, match="2027-01-15 08:00:00 UTC by 'ann'") as caught:
                use()
            assert (caught.value.shredded, caught.value.by, caught.value.keys) == (1_800_000_000, "ann", 1)

    def test_twice(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """To shred again destroys nothing, and who did it first is not forgotten."""
        here = Process(provider, rows)
        here.write()
        assert here.shred() == 1
        before = dict(rows.rows)
        clock.advance(1000)
        assert here.shred(by="bob") == Process(provider, rows).shred(by="bob") == 0
        assert rows.rows == before

    def test_an_unknown_tenant(self, provider: CountingProvider, rows: RowStore) -> None:
        """A tenant that never had a key, misspelt perhaps, is a KeyNotFoundError, and nothing changes."""
        here = Process(provider, rows)
        here.write()
        before = dict(rows.rows)
        for tenant in ("Gone", "gone ", "nobody"):
            with pytest.raises(KeyNotFoundError, match=repr(tenant)) as caught:
                here.shred(tenant)
            assert caught.type is KeyNotFoundError
        assert rows.rows == before
        assert here.field.decrypt(here.write()) == SSN

    @pytest.mark.parametrize("store", [RowStore, MemoryKeyStore])
    @pytest.mark.parametrize("by", ["", "x" * (MAX_BY_SIZE + 1), "\ud800", None, 7])
    def test_who_did_it_has_to_be_said(
        self, provider: CountingProvider, store: Callable[[], RowStore | MemoryKeyStore], by: str
    ) -> None:
        """Nothing changes otherwise, whatever the store."""
        keys = store()
        encryptor = Encryptor(provider, keys)
        value = encryptor.field("a.b", str).encrypt(SSN, tenant="gone")
        for tenant in ("gone", "nobody"):
            with pytest.raises((TypeError, ValueError)):
                encryptor.data_keys.shred(tenant, by)
        assert encryptor.field("a.b", str).decrypt(value) == SSN
        assert isinstance(keys.get(value[1:17]), KeyRecord)

    @pytest.mark.parametrize("tenant", [None, "", "x" * 256, 7, "\ud800"])
    def test_whose_keys_has_to_be_said(self, provider: CountingProvider, rows: RowStore, tenant: str) -> None:
        """The keys of no tenant cannot be shredded."""
        here = Process(provider, rows)
        value = here.write(None)
        with pytest.raises((TypeError, ValueError)):
            here.shred(tenant)
        assert here.field.decrypt(value) == SSN

    def test_without_a_store(self, provider: CountingProvider) -> None:
        """Self-contained values carry their keys with them: there is nothing that could be shredded."""
        with pytest.raises(ConfigurationError):
            Encryptor(provider).data_keys.shred("gone", "ann")


class TestOtherProcesses:
    """They lose the keys within their cache_ttl."""

    def test_a_process_with_warm_keys(self, tmp_path: Path) -> None:
        """Another process loses the tenant, and only that, when its cache_ttl is over; the error says shredded."""
        path, key = tmp_path / "keys.sqlite", bytes(range(32))
        here = Encryptor(LocalKeyProvider(key), FileKeyStore.create(path))
        field = here.field("a.b", str)
        gone, stays = (field.encrypt(SSN, tenant=tenant) for tenant in ("gone", "stays"))
        with start(read_until_shredded, str(path), key.hex(), gone.hex(), stays.hex()) as other:
            other.go()
            assert other.line() == "warm"
            here.data_keys.shred("gone", "ann")
            began = time.monotonic()
            error, words = other.line().split(": ", 1)
            assert time.monotonic() - began < 10  # its cache_ttl is one second
            assert error == "KeyShreddedError"
            assert "was shredded on" in words
            assert "by 'ann'" in words
            assert "cannot be decrypted" not in words
            assert other.finished() == ["stays is read", "stays is written", "gone is not written: KeyShreddedError"]

    @pytest.mark.parametrize("use", ["read", "write"])
    def test_within_cache_ttl(self, clock: Clock, provider: CountingProvider, rows: RowStore, use: str) -> None:
        """A key is used up to its cache_ttl and no longer, if nobody looks before."""
        here, other = Process(provider, rows), Process(provider, rows)
        value = here.write()
        clock.advance(TTL)  # a key that was made just now is looked for in the store more often
        assert other.field.decrypt(value) == SSN
        assert other.write()[1:17] == value[1:17]
        here.shred()
        clock.advance(TTL * 0.7)
        assert other.field.decrypt(value) == SSN
        clock.advance(TTL * 0.3)
        uses: list[Callable[[], object]] = [lambda: other.field.decrypt(value), other.write]
        assert_lost(*(uses if use == "read" else reversed(uses)))

    @pytest.mark.parametrize("use", ["read", "write"])
    def test_keys_in_use_are_looked_at_before(
        self, clock: Clock, provider: CountingProvider, rows: RowStore, use: str
    ) -> None:
        """The check ahead of the end of a key's time notices a shred, too."""
        here, other = Process(provider, rows), Process(provider, rows)
        value = here.write()
        other.field.decrypt(value)
        other.write()
        here.shred()
        clock.advance(TTL * CHECKED)
        with suppress(KeyShreddedError):  # if it is not this use that has it looked at
            other.field.decrypt(value) if use == "read" else other.write()
        assert_lost(lambda: other.field.decrypt(value), other.write)

    def test_no_grace(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A grace is for outages: a store that says "shredded" is reached."""
        here, other = Process(provider, rows), Process(provider, rows)
        value = here.write()
        other.field.decrypt(value)
        other.write()
        here.shred()
        clock.advance(TTL)
        assert_lost(lambda: other.field.decrypt(value), other.write)

    def test_a_store_that_is_away(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A process that cannot reach the store goes on for the grace, or until it can."""
        here, other = Process(provider, rows), Process(provider, rows)
        values = {}
        for tenant in ("gone", "also gone"):
            values[tenant] = here.write(tenant)
            other.field.decrypt(values[tenant])
            other.write(tenant)
            here.shred(tenant)
        rows.go_down()
        clock.advance(TTL + GRACE / 2)
        assert other.field.decrypt(values["gone"]) == other.field.decrypt(values["also gone"]) == SSN
        rows.get_failure = rows.list_failure = rows.add_failure = None
        clock.advance(10)
        with suppress(KeyShreddedError):  # as above
            other.field.decrypt(values["gone"])
        assert_lost(lambda: other.field.decrypt(values["gone"]), lambda: other.write("gone"))
        rows.go_down()
        clock.advance(GRACE / 2)
        with pytest.raises(KeyStoreError):
            other.field.decrypt(values["also gone"])

    def test_an_outage_of_the_provider(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """It does not keep a shredded key: the store was asked first."""
        here, other = Process(provider, rows), Process(provider, rows)
        value = here.write()
        other.field.decrypt(value)
        here.shred()
        provider.unwrap_failure = provider.wrap_failure = outage
        clock.advance(TTL)
        assert_lost(lambda: other.field.decrypt(value), other.write)

    def test_writers_without_the_tombstoned_key(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A process that writes under a newer key than the one it sees shredded stops as well."""
        here, other = Process(provider, rows), Process(provider, rows)
        here.write()
        clock.advance(1)
        here.encryptor.data_keys.rotate("gone")
        clock.advance(TTL)
        newer = other.write()
        here.shred()
        rows.add(make_record(provider.inner, "gone", created=int(clock.now)))  # by somebody who had not noticed
        clock.advance(TTL)
        assert_lost(other.write, lambda: other.field.decrypt(newer))


class TestClosedTenants:
    """Nothing more is encrypted for a tenant that was shredded."""

    def test_nothing_is_encrypted(self, provider: CountingProvider, rows: RowStore) -> None:
        """A write raises before a data key is made or anything encrypted, in this process and after a restart."""
        here = Process(provider, rows)
        here.write()
        here.shred()
        wraps, before = provider.wraps, dict(rows.rows)
        for process in (here, here, Process(provider, rows), Process(provider, rows)):
            assert_lost(process.write, process.write)
        assert provider.wraps == wraps
        assert rows.rows == before

    def test_no_new_key(self, provider: CountingProvider, rows: RowStore) -> None:
        """Nor is a key made by rotation."""
        here = Process(provider, rows)
        here.write()
        here.shred()
        before = dict(rows.rows)
        for process in (here, Process(provider, rows)):
            assert_lost(lambda process=process: process.encryptor.data_keys.rotate("gone"))  # type: ignore[misc]
        assert rows.rows == before

    def test_the_provider_is_not_asked(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A tombstoned key id is never asked of the provider again, nor is a key of its tenant made."""
        here = Process(provider, rows)
        value = here.write()
        here.shred()
        before = provider.wraps, provider.unwraps
        for process in (here, Process(provider, rows)):
            for _ in range(3):
                assert_lost(lambda process=process: process.field.decrypt(value), process.write)  # type: ignore[misc]
                assert_lost(lambda process=process: process.encryptor.needs_reencrypt(value))  # type: ignore[misc]
                clock.advance(TTL)
        assert here.encryptor.data_keys.rewrap(LocalKeyProvider.generate()) == (0, 0, 1, {}, None)
        assert here.encryptor.data_keys.repair() == (0, 0, 1, {}, None)
        assert (provider.wraps, provider.unwraps) == before

    def test_one_tombstone_closes_a_tenant(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A key that another process made during the shred is not used, and the next shred destroys it."""
        here = Process(provider, rows)
        here.write()
        here.shred()
        late = make_record(provider.inner, "gone")
        rows.add(late)
        assert_lost(Process(provider, rows).write, here.write)
        assert here.shred() == 1
        assert isinstance(rows.get(late.key_id), Tombstone)

    @pytest.mark.parametrize("moment", [1, 2, 3])
    def test_a_key_that_comes_during_the_shred(self, provider: CountingProvider, rows: RowStore, moment: int) -> None:
        """It is destroyed with the others, if the shred sees it."""
        here = Process(provider, rows)
        for _ in range(3):
            rows.add(make_record(provider.inner, "gone"))
        replace, replaced = rows.replace, 0

        def add_one(old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
            nonlocal replaced
            replaced += 1
            if replaced == moment:
                rows.add(make_record(provider.inner, "gone"))
            return replace(old, new)

        rows.replace = add_one  # type: ignore[method-assign]
        assert here.shred() == 4
        assert all(isinstance(stored, Tombstone) for stored in rows.list("gone"))

    def test_keys_that_keep_coming(self, provider: CountingProvider, rows: RowStore) -> None:
        """Then the shred gives up and says what to do; the tenant is closed all the same."""
        here = Process(provider, rows)
        here.write()
        replace = rows.replace

        def add_one(old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
            rows.add(make_record(provider.inner, "gone"))
            return replace(old, new)

        rows.replace = add_one  # type: ignore[method-assign]
        with pytest.raises(KeyStoreError, match="stop what writes"):
            here.shred()
        rows.replace = replace  # type: ignore[method-assign]
        assert_lost(here.write, Process(provider, rows).write)
        assert here.shred() == 1

    def test_a_record_that_changes_during_the_shred(self, provider: CountingProvider, rows: RowStore) -> None:
        """A record that is rewrapped or retired meanwhile is destroyed as it is then."""
        here = Process(provider, rows)
        value = here.write()
        get = rows.get

        def retired_after(key_id: bytes) -> KeyRecord | Tombstone:
            stored = get(key_id)
            if stored.state is KeyState.ACTIVE:
                rows.retire(key_id)
            return stored

        rows.get = retired_after  # type: ignore[method-assign]
        assert here.shred() == 1
        assert_lost(lambda: here.field.decrypt(value))

    def test_a_list_that_lags(self, provider: CountingProvider) -> None:
        """An index that still shows the records as they were does not keep the shred from ending."""
        store = LaggingStore()
        here = Process(provider, store)
        value = here.write()
        store.listed = store.list("gone")
        assert here.shred() == 1
        assert here.shred() == 0
        assert_lost(lambda: here.field.decrypt(value))

    def test_a_list_that_lags_behind_a_rewrap(self, provider: CountingProvider) -> None:
        """What is destroyed is the record that is there, and not the one that the index shows."""
        store = LaggingStore()
        here = Process(provider, store)
        value = here.write()
        store.listed = store.list("gone")
        here.encryptor.data_keys.rewrap(LocalKeyProvider.generate())
        assert here.shred() == 1
        assert isinstance(store.get(value[1:17]), Tombstone)


class TestForgeries:
    """Whoever writes to the database cannot undo it with what it has."""

    def test_a_record_in_a_self_contained_value(self, provider: CountingProvider, rows: RowStore) -> None:
        """A value that brings the record of a shredded key with it is shredded too, and opens nothing else."""
        here = Process(provider, rows)
        value = here.write()
        record = rows.rows[value[1:17]].record
        here.shred()
        for process in (here, Process(provider, rows)):
            forged = b"\x02" + value[1:41] + infix(record) + value[41:]
            for data in (forged, value):
                assert_lost(lambda process=process, data=data: process.field.decrypt(data))  # type: ignore[misc]
            assert_lost(process.write)

    def test_a_tombstone_that_was_removed(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """One in the place of a record ends the key for `cache_ttl` after it was seen, once the record is put back."""
        value = Process(provider, rows).write("stays")
        genuine = rows.rows[value[1:17]]
        stone = Tombstone(value[1:17], Purpose.ENCRYPTION, int(clock.now), "stays", int(clock.now), "ann", 1)
        rows.rows[stone.key_id] = Row("stays", KeyState.SHREDDED.value, stone.to_bytes())
        reader = Process(provider, rows).field
        assert_lost(lambda: reader.decrypt(value))
        rows.rows[stone.key_id] = genuine
        clock.advance(TTL - 1)
        assert_lost(lambda: reader.decrypt(value))
        clock.advance(1)
        assert reader.decrypt(value) == SSN

    def test_a_planted_tombstone(self, provider: CountingProvider, rows: RowStore) -> None:
        """A tombstone of one tenant does not close another one."""
        here = Process(provider, rows)
        value = here.write("stays")
        stone = Tombstone(bytes(16), Purpose.ENCRYPTION, 0, "gone", 0, "ann", 1)
        rows.rows[stone.key_id] = rows.rows[value[1:17]]._replace(
            tenant="stays", state=KeyState.SHREDDED.value, record=stone.to_bytes()
        )
        with pytest.raises(KeyStoreError) as caught:
            Process(provider, rows).write("stays")
        assert caught.type is KeyStoreError
        assert Process(provider, rows).field.decrypt(value) == SSN

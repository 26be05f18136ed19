"""Rewrap and repair: data keys come under other wrapping keys, and none is lost, whatever happens meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import NamedTuple

import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Event,
    EventKind,
    FileKeyStore,
    KeyProvider,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    KeyState,
    KeyStore,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Tombstone,
    WrappedKey,
)
from fieldcrypt.keys.admin.rewrap import Outcome, Rewrapping
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.support.doubles import (
    PATIENCE,
    CountingProvider,
    Crash,
    CrashingStore,
    Failure,
    ForgetfulStore,
    GarblingProvider,
    PublicKeyProvider,
    RowStore,
    SeveralKeysProvider,
    make_record,
    outage,
    refusal,
)
from tests.support.processes import read_written, rewrap_all, start, write_numbers

TENANTS = [None, "clinic-7", "Κλινική 7"]


class Scene(NamedTuple):
    """A key store with keys of some tenants, and a value under each."""

    old: CountingProvider
    new: CountingProvider
    store: RowStore
    values: dict[str | None, bytes]

    def encryptor(self, store: KeyStore | None = None) -> Encryptor:
        """An Encryptor as it is configured before a rewrap, in a process that has no keys yet."""
        return Encryptor(KeyProviderChain(self.new, self.old), store or self.store)

    def assert_readable(self, provider: KeyProvider | None = None) -> None:
        """All values can be read in a new process; by default, in one that has the chain."""
        assert_readable(self.values, provider or KeyProviderChain(self.new, self.old), self.store)

    def assert_unreadable(self, provider: KeyProvider) -> None:
        """No value can."""
        field = Encryptor(provider, self.store).field("a.b", str)
        for value in self.values.values():
            with pytest.raises(DecryptionError):
                field.decrypt(value)

    def names(self) -> set[tuple[str, ...]]:
        """Under which wrapping keys the data keys are."""
        return {tuple(wrap.name for wrap in record.wraps) for record in records(self.store)}


@pytest.fixture
def scene() -> Scene:
    """Data keys under the old key."""
    old, store = CountingProvider(), RowStore()
    return Scene(old, CountingProvider(), store, write(old, store))


def write(provider: KeyProvider, store: KeyStore) -> dict[str | None, bytes]:
    """A value for each tenant, by tenant."""
    field = Encryptor(provider, store).field("a.b", str)
    return {tenant: field.encrypt(f"secret of {tenant}", tenant=tenant) for tenant in TENANTS}


def assert_readable(values: dict[str | None, bytes], provider: KeyProvider, store: KeyStore) -> None:
    """A process that has no keys yet reads all values."""
    field = Encryptor(provider, store).field("a.b", str)
    for tenant, value in values.items():
        assert field.decrypt(value, tenant=tenant) == f"secret of {tenant}"


def records(store: KeyStore) -> Iterator[KeyRecord]:
    """All records, without tombstones."""
    for key_id in store.key_ids():
        record = store.get(key_id)
        if isinstance(record, KeyRecord):
            yield record


class TestMoves:
    """From one wrapping key to another."""

    def test_all_keys_move(self, scene: Scene) -> None:
        """Afterwards the new provider alone opens all values, and the old one alone none."""
        report = scene.encryptor().data_keys.rewrap()
        assert report.complete
        assert report == (3, 0, 0, {}, None)
        scene.assert_readable(scene.new)
        scene.assert_unreadable(scene.old)
        assert scene.names() == {tuple(scene.new.wrapping_keys())}

    def test_to_another_provider(self, scene: Scene) -> None:
        """The new provider can be named, and the Encryptor have the old one alone."""
        assert Encryptor(scene.old, scene.store).data_keys.rewrap(scene.new).changed == 3
        scene.assert_readable(scene.new)
        scene.assert_unreadable(scene.old)

    def test_nothing_but_the_wraps_changes(self, scene: Scene) -> None:
        """Key ids, tenants, times, purposes and states stay, and with them the values."""
        scene.store.retire(scene.values["clinic-7"][1:17])
        before = {record.key_id: record._replace(wraps=(), tag=b"") for record in records(scene.store)}
        scene.encryptor().data_keys.rewrap()
        assert {record.key_id: record._replace(wraps=(), tag=b"") for record in records(scene.store)} == before
        assert scene.store.get(scene.values["clinic-7"][1:17]).state is KeyState.RETIRED

    def test_in_a_live_process(self, scene: Scene) -> None:
        """A process that has the chain reads and writes before, at every step, and after."""
        encryptor = scene.encryptor()
        field = encryptor.field("a.b", str)

        def use(*_: int) -> None:
            scene.assert_readable()
            for tenant in TENANTS:
                scene.values[tenant] = field.encrypt(f"secret of {tenant}", tenant=tenant)

        use()
        steps = 0
        replace = scene.store.replace

        def watched(old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
            nonlocal steps
            steps += 1
            use()
            done = replace(old, new)
            use()
            return done

        scene.store.replace = watched  # type: ignore[method-assign]
        assert encryptor.data_keys.rewrap(on_progress=use).changed == 3
        assert steps == 6
        use()
        scene.assert_readable(scene.new)

    def test_to_kms(self, scene: Scene, aws: LocalAws) -> None:
        """From a local key to a multi-Region key: each region alone reads, and the local key does not."""
        key = aws.create_key()
        kms = AwsKmsKeyProvider(key, aws.regions, client_factory=aws.kms)
        before = sum(count for (service, _, _), count in aws.calls.items() if service == "kms")
        report = Encryptor(KeyProviderChain(kms, scene.old), scene.store).data_keys.rewrap()
        assert report == (3, 0, 0, {}, None)
        # of the new key one Encrypt and one Decrypt for each data key
        assert sum(count for (service, _, _), count in aws.calls.items() if service == "kms") == before + 6
        for region in aws.regions:
            scene.assert_readable(AwsKmsKeyProvider(key, [region], client_factory=aws.kms))
        scene.assert_unreadable(scene.old)

    def test_from_kms_to_kms(self, aws: LocalAws) -> None:
        """From one multi-Region key to another."""
        first, second = (AwsKmsKeyProvider(aws.create_key(), aws.regions, client_factory=aws.kms) for _ in range(2))
        store = RowStore()
        values = write(first, store)
        chain = KeyProviderChain(second, first)
        assert_readable(values, chain, store)
        assert Encryptor(chain, store).data_keys.rewrap().changed == 3
        assert_readable(values, second, store)
        field = Encryptor(first, store).field("a.b", str)
        with pytest.raises(DecryptionError):
            field.decrypt(values[None])

    def test_a_region_is_no_other_key(self, aws: LocalAws) -> None:
        """What was wrapped in one region of a multi-Region key needs no rewrap in another."""
        key, store = aws.create_key(), RowStore()
        write(AwsKmsKeyProvider(key, ["us-east-1"], client_factory=aws.kms), store)
        there = Encryptor(AwsKmsKeyProvider(key, ["eu-west-1"], client_factory=aws.kms), store).data_keys
        assert there.rewrap() == there.repair() == (0, 3, 0, {}, None)

    def test_from_one_key_to_two(self) -> None:
        """The wrap under the first stays as it is, the second is added, and each opens all values."""
        first, second = LocalKeyProvider.generate(), LocalKeyProvider.generate()
        store = RowStore()
        values = write(first, store)
        before = {record.key_id: record.wraps[0] for record in records(store)}
        assert Encryptor(SeveralKeysProvider(first, second), store).data_keys.rewrap().changed == 3
        for provider in (first, second):
            assert_readable(values, provider, store)
        for record in records(store):
            assert len(record.wraps) == 2
            assert before[record.key_id] in record.wraps

    def test_from_two_keys_to_one(self) -> None:
        """The other wrap goes, and no new one is made."""
        stays, goes, store = CountingProvider(), LocalKeyProvider.generate(), RowStore()
        values = write(SeveralKeysProvider(stays.inner, goes), store)
        assert Encryptor(stays, store).data_keys.rewrap().changed == 3
        assert stays.wraps == 0
        assert_readable(values, stays, store)
        assert {len(record.wraps) for record in records(store)} == {1}
        field = Encryptor(goes, store).field("a.b", str)
        with pytest.raises(DecryptionError):
            field.decrypt(values[None])

    def test_an_empty_store(self, scene: Scene) -> None:
        """There is nothing to do."""
        assert scene.encryptor(RowStore()).data_keys.rewrap() == (0, 0, 0, {}, None)

    def test_twice(self, scene: Scene) -> None:
        """The second time all is as it should be, and the key service is not asked."""
        scene.encryptor().data_keys.rewrap()
        rows, calls = dict(scene.store.rows), (scene.new.wraps, scene.new.unwraps, scene.old.unwraps)
        assert scene.encryptor().data_keys.rewrap() == (0, 3, 0, {}, None)
        assert (scene.new.wraps, scene.new.unwraps, scene.old.unwraps) == calls
        assert scene.store.rows == rows

    def test_there_and_back(self, scene: Scene) -> None:
        """Keys can go back to where they were."""
        scene.encryptor().data_keys.rewrap()
        assert Encryptor(scene.new, scene.store).data_keys.rewrap(scene.old).changed == 3
        scene.assert_readable(scene.old)
        scene.assert_unreadable(scene.new)

    def test_dry_runs(self, scene: Scene) -> None:
        """They count, change nothing, and ask no key service to wrap or unwrap."""
        rows = dict(scene.store.rows)
        scene.old.unwraps = scene.old.wraps = 0
        data_keys = scene.encryptor().data_keys
        data_keys.shred("clinic-7", "ann")
        rows = dict(scene.store.rows)
        assert data_keys.rewrap(dry_run=True) == (2, 0, 1, {}, None)
        assert data_keys.repair(dry_run=True) == (2, 0, 1, {}, None)
        assert data_keys.rewrap(scene.old, dry_run=True) == (0, 2, 1, {}, None)
        assert scene.store.rows == rows
        assert (scene.old.wraps, scene.old.unwraps, scene.new.wraps, scene.new.unwraps) == (0, 0, 0, 0)

    def test_tombstones(self, scene: Scene) -> None:
        """They stay as they are, and are counted."""
        data_keys = scene.encryptor().data_keys
        data_keys.shred("clinic-7", "ann")
        stone = scene.store.get(scene.values["clinic-7"][1:17])
        assert data_keys.rewrap() == (2, 0, 1, {}, None)
        assert scene.store.get(stone.key_id) == stone

    def test_progress_and_events(self, scene: Scene) -> None:
        """Every key is told of as it is done, and what happened to it goes to the observer."""
        seen: list[Event] = []
        told: list[tuple[int, int]] = []
        encryptor = Encryptor(
            KeyProviderChain(scene.new, scene.old), scene.store, observer=lambda event: seen.append(event)
        )
        encryptor.data_keys.rewrap(on_progress=lambda done, of: told.append((done, of)))
        assert told == [(1, 3), (2, 3), (3, 3)]
        rewrapped = {(event.key_id, event.tenant) for event in seen if event.kind is EventKind.KEY_REWRAPPED}
        assert rewrapped == {(value[1:17].hex(), tenant) for tenant, value in scene.values.items()}

    def test_ten_thousand_keys(self) -> None:
        """Each costs one unwrap by the old provider, and one wrap and one unwrap by the new one."""
        old, new, store = CountingProvider(), CountingProvider(), MemoryKeyStore()
        for number in range(10_000):
            store.add(make_record(old.inner, f"tenant {number}"))
        assert Encryptor(KeyProviderChain(new, old), store).data_keys.rewrap() == (10_000, 0, 0, {}, None)
        assert (old.wraps, old.unwraps) == (0, 10_000)
        assert (new.wraps, new.unwraps) == (10_000, 10_000)


class TestRepair:
    """Wraps that are missing are added, and nothing else is done."""

    def test_what_is_missing_is_added(self) -> None:
        """A key that was made while one of two keys was away gets its wrap under that one."""
        first, second, store = LocalKeyProvider.generate(), LocalKeyProvider.generate(), RowStore()
        both = SeveralKeysProvider(first, second)
        both.away.add(second)
        values = write(both, store)
        both.away.clear()
        assert Encryptor(both, store).data_keys.repair() == (3, 0, 0, {}, None)
        assert_readable(values, second, store)
        assert_readable(values, first, store)
        assert Encryptor(both, store).data_keys.repair() == (0, 3, 0, {}, None)

    def test_wraps_of_others_stay(self, scene: Scene) -> None:
        """Unlike a rewrap, it takes no wrap away."""
        assert scene.encryptor().data_keys.repair() == (3, 0, 0, {}, None)
        scene.assert_readable(scene.old)
        scene.assert_readable(scene.new)
        assert scene.encryptor().data_keys.repair() == (0, 3, 0, {}, None)
        assert scene.encryptor().data_keys.rewrap() == (3, 0, 0, {}, None)
        scene.assert_unreadable(scene.old)

    def test_kms_keys_in_two_regions(self, aws: LocalAws) -> None:
        """A key that was made without its second region gets the wrap of that region when it is back."""
        east = aws.create_key(multi_region=False)
        west = aws.client("kms", "eu-west-1").create_key()["KeyMetadata"]["Arn"]
        provider = AwsKmsKeyProvider([east, west], require="any", client_factory=aws.kms)
        store = RowStore()
        aws.cut("eu-west-1")
        try:
            values = write(provider, store)
        finally:
            aws.restore("eu-west-1")
        fresh = AwsKmsKeyProvider([east, west], client_factory=aws.kms)
        assert Encryptor(fresh, store).data_keys.repair() == (3, 0, 0, {}, None)
        assert_readable(values, AwsKmsKeyProvider(west, client_factory=aws.kms), store)

    def test_what_cannot_be_made_is_not_done(self) -> None:
        """While a key is still away, the repair stops and says so; what it could add stays."""
        first, second, third = (LocalKeyProvider.generate() for _ in range(3))
        store, three = RowStore(), SeveralKeysProvider(first, second, third)
        values = write(first, store)
        three.away.add(third)
        for _ in range(2):
            report = Encryptor(three, store).data_keys.repair()
            assert report.stopped is not None
            assert not report.complete
            assert third.wrapping_keys()[0] in str(report.stopped)
        assert_readable(values, first, store)
        three.away.clear()
        assert Encryptor(three, store).data_keys.repair().complete
        for provider in (first, second, third):
            assert_readable(values, provider, store)

    def test_events(self, scene: Scene) -> None:
        """A repair is told of as such."""
        encryptor = scene.encryptor()
        encryptor.data_keys.repair()
        assert encryptor.stats().events["key_repaired"] == 3
        assert "key_rewrapped" not in encryptor.stats().events


class TestPublicKeys:
    """Who knows a public key can plant data keys, which must not pass for authentic unasked."""

    def test_a_rewrap_is_refused(self, scene: Scene) -> None:
        """From a provider that wraps with a public key, unless that is accepted; a dry run, too."""
        store = RowStore()
        public = PublicKeyProvider()
        Encryptor(public, store).field("a.b", str, accept_public_key=True).encrypt("x")
        rows = dict(store.rows)
        for provider in (public, KeyProviderChain(scene.new, public)):
            data_keys = Encryptor(provider, store).data_keys
            for dry_run in (True, False):
                with pytest.raises(ConfigurationError, match="accept_public_key"):
                    data_keys.rewrap(scene.new, dry_run=dry_run)
        assert store.rows == rows
        assert Encryptor(public, store).data_keys.rewrap(scene.new, accept_public_key=True).changed == 1

    def test_a_repair_is_refused(self, scene: Scene) -> None:
        """A chain would put an authentic wrap beside the planted one, and it would stay when the chain is gone."""
        store = RowStore()
        public = PublicKeyProvider()
        value = Encryptor(public, store).field("a.b", str, accept_public_key=True).encrypt("x")
        data_keys = Encryptor(KeyProviderChain(scene.new, public), store).data_keys
        with pytest.raises(ConfigurationError, match="accept_public_key"):
            data_keys.repair()
        field = Encryptor(scene.new, store).field("a.b", str)
        with pytest.raises(DecryptionError):
            field.decrypt(value)
        assert data_keys.repair(accept_public_key=True).changed == 1
        assert field.decrypt(value) == "x"


class TestInterruptions:
    """It can end at any moment, and be begun again."""

    @pytest.mark.parametrize("repair", [False, True], ids=["rewrap", "repair"])
    @pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
    def test_at_every_call_of_the_store(self, scene: Scene, answered: bool, repair: bool) -> None:
        """Whichever call is the last of a process, all can be read then, and the next process completes the work."""
        untouched = dict(scene.store.rows)
        calls = crashes = 0
        while True:
            store = CrashingStore(untouched, calls, answered=answered)
            rewrapping = Rewrapping(store, KeyProviderChain(scene.new, scene.old), scene.new, repair=repair)
            try:
                assert rewrapping.run(threads=1).complete
            except Crash:
                crashes += 1
            else:
                break
            scene.store.rows = store.rows
            scene.assert_readable()
            run = Rewrapping(scene.store, KeyProviderChain(scene.new, scene.old), scene.new, repair=repair).run()
            assert run.complete
            assert run.changed + run.unchanged == 3
            scene.assert_readable(scene.new)
            if not repair:
                scene.assert_unreadable(scene.old)
            calls += 1
        assert crashes == calls == (9 if repair else 12)

    def test_a_process_that_is_interrupted_stops(self) -> None:
        """An interruption ends a run where it is, and not after the last key."""
        old, new, store = CountingProvider(), CountingProvider(), MemoryKeyStore()
        for _ in range(500):
            store.add(make_record(old.inner))
        new.before_wrap = lambda: time.sleep(0.005)

        def interrupt(done: int, _: int) -> None:
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Encryptor(KeyProviderChain(new, old), store).data_keys.rewrap(on_progress=interrupt)
        assert new.wraps < 250
        assert Encryptor(KeyProviderChain(new, old), store).data_keys.rewrap().complete

    @pytest.mark.parametrize("failure", [outage, refusal])
    @pytest.mark.parametrize("whose", ["old", "new"])
    @pytest.mark.parametrize("call", ["wrap", "unwrap"])
    def test_a_provider_that_fails_on_the_way(self, failure: Failure, whose: str, call: str) -> None:
        """The run stops and gives the error, nothing is lost, and it can be begun again."""
        old, new, store = CountingProvider(), CountingProvider(), MemoryKeyStore()
        values = write(old, store)
        for number in range(50):
            store.add(make_record(old.inner, f"tenant {number}"))
        failing = {"old": old, "new": new}[whose]

        def fail_later() -> None:
            if failing.wraps + failing.unwraps > 20:
                failing.wrap_failure = failing.unwrap_failure = failure

        setattr(failing, f"before_{call}", fail_later)
        report = Encryptor(KeyProviderChain(new, old), store).data_keys.rewrap()
        if (whose, call) == ("old", "wrap"):  # which no rewrap needs
            assert report.complete
            return
        assert type(report.stopped) is type(failure())
        assert 0 < report.changed < 53
        assert report.failures == {}
        assert not report.complete
        setattr(failing, f"before_{call}", None)
        failing.wrap_failure = failing.unwrap_failure = None
        assert_readable(values, KeyProviderChain(new, old), store)
        assert Encryptor(KeyProviderChain(new, old), store).data_keys.rewrap().complete
        assert_readable(values, new, store)

    def test_a_provider_that_cannot_name_its_keys(self, scene: Scene) -> None:
        """A run that cannot even begin raises."""

        class Nameless(CountingProvider):
            def wrapping_keys(self) -> list[str]:
                raise KeyProviderError("the alias cannot be looked up")

        with pytest.raises(KeyProviderError, match="alias"):
            Encryptor(scene.old, scene.store).data_keys.rewrap(Nameless())

    def test_a_store_that_cannot_be_read(self, scene: Scene, tmp_path: Path) -> None:
        """So does one without key ids."""
        path = tmp_path / "keys.sqlite"
        path.write_bytes(b"garbage")
        with pytest.raises(KeyStoreError, match=str(path)):
            scene.encryptor(FileKeyStore(path)).data_keys.rewrap()


class TestBadRecords:
    """What cannot be opened is reported, and does not hold up the rest."""

    @pytest.mark.parametrize(
        "damage",
        [
            lambda row: row._replace(record=row.record[:-1] + bytes([row.record[-1] ^ 1])),
            lambda row: row._replace(record=row.record[:-40] + bytes([row.record[-40] ^ 1]) + row.record[-39:]),
            lambda row: row._replace(record=b"junk"),
            lambda row: row._replace(state="gone"),
            lambda row: row._replace(state="shredded"),
            lambda row: row._replace(tenant="clinic-8"),
        ],
        ids=["tag", "wrap", "bytes", "state", "no tombstone", "tenant"],
    )
    def test_a_damaged_row(self, scene: Scene, damage: Callable[[object], object]) -> None:
        """It stays as it is, under its key id in the report; all others move."""
        broken = scene.values["clinic-7"][1:17]
        scene.store.rows[broken] = row = damage(scene.store.rows[broken])  # type: ignore[assignment]
        for _ in range(2):
            report = scene.encryptor().data_keys.rewrap()
            assert report.changed + report.unchanged == 2
            assert list(report.failures) == [broken.hex()]
            assert isinstance(report.failures[broken.hex()], (DecryptionError, KeyStoreError))
            assert report.stopped is None
            assert not report.complete
            assert scene.store.rows[broken] == row
        del scene.values["clinic-7"]
        scene.assert_readable(scene.new)

    def test_a_foreign_key(self, scene: Scene) -> None:
        """A data key under a wrapping key that is not the Encryptor's is a failure, and stays."""
        foreign = make_record(LocalKeyProvider.generate(), "foreign")
        scene.store.add(foreign)
        report = scene.encryptor().data_keys.rewrap()
        assert list(report.failures) == [foreign.key_id.hex()]
        assert report.changed == 3
        assert scene.store.get(foreign.key_id) == foreign

    def test_a_swapped_record(self, scene: Scene) -> None:
        """A record that was put under another key id is not made authentic by a rewrap."""
        one, other = scene.values["clinic-7"][1:17], scene.values[None][1:17]
        scene.store.rows[one] = scene.store.rows[other]
        assert list(scene.encryptor().data_keys.rewrap().failures) == [one.hex()]

    def test_a_forged_wrap_beside(self, scene: Scene) -> None:
        """A record to which someone added a wrap is not made authentic by a rewrap."""
        key_id = scene.values["clinic-7"][1:17]
        record = scene.store.get(key_id)
        assert isinstance(record, KeyRecord)
        forged = record._replace(wraps=tuple(sorted([*record.wraps, WrappedKey("zzz", b"x")])))
        scene.store.replace(record, forged)
        assert list(scene.encryptor().data_keys.rewrap().failures) == [key_id.hex()]
        assert scene.store.get(key_id) == forged


class TestBadTargets:
    """The old wraps go only when the new ones were seen to work."""

    @pytest.mark.parametrize("repair", [False, True], ids=["rewrap", "repair"])
    def test_wraps_that_cannot_be_opened(self, scene: Scene, repair: bool) -> None:
        """They are not even written: whoever has both keys reads on, and the run can be made again with a sound one."""
        garbling = GarblingProvider()
        rows = dict(scene.store.rows)
        chain = KeyProviderChain(garbling, scene.old)
        for _ in range(2):
            data_keys = Encryptor(chain, scene.store).data_keys
            report = data_keys.repair() if repair else data_keys.rewrap()
            assert set(report.failures) == {value[1:17].hex() for value in scene.values.values()}
            assert scene.store.rows == rows
            scene.assert_readable(chain)
            scene.assert_readable(scene.old)
        assert Encryptor(KeyProviderChain(garbling.inner, scene.old), scene.store).data_keys.rewrap().complete
        scene.assert_readable(garbling.inner)

    def test_wraps_that_can_no_longer_be_opened(self, scene: Scene) -> None:
        """If a run was interrupted between its two steps, the next one opens the new wraps again before it goes on."""
        assert Encryptor(KeyProviderChain(scene.new, scene.old), scene.store).data_keys.repair().complete
        rows = dict(scene.store.rows)
        scene.new.unwrap_failure = DecryptionError
        report = Encryptor(scene.old, scene.store).data_keys.rewrap(scene.new)
        assert len(report.failures) == 3
        assert scene.store.rows == rows
        scene.assert_readable(scene.old)

    def test_another_data_key(self, scene: Scene) -> None:
        """A target that gives back another data key than it was given is a failure, and the old wrap stays."""
        rows = dict(scene.store.rows)

        class Confused(CountingProvider):
            def unwrap(self, wraps: object, context: object) -> bytes:
                return bytes(32)

        assert len(Encryptor(scene.old, scene.store).data_keys.rewrap(Confused()).failures) == 3
        assert scene.store.rows == rows

    def test_a_target_that_makes_no_wraps(self, scene: Scene) -> None:
        """Nothing is changed, and the run stops."""
        rows = dict(scene.store.rows)
        nobody = SeveralKeysProvider(LocalKeyProvider.generate())
        nobody.away.update(nobody.keys)
        report = Encryptor(scene.old, scene.store).data_keys.rewrap(nobody)
        assert isinstance(report.stopped, KeyProviderError)
        assert scene.store.rows == rows

    def test_a_target_that_makes_some_of_its_wraps(self, scene: Scene) -> None:
        """The old wraps stay until all new ones are there, and the report does not say that the work is complete."""
        two = SeveralKeysProvider(LocalKeyProvider.generate(), LocalKeyProvider.generate())
        two.away.add(two.keys[1])
        report = Encryptor(scene.old, scene.store).data_keys.rewrap(two)
        assert isinstance(report.stopped, KeyProviderError)
        assert not report.complete
        scene.assert_readable(scene.old)
        two.away.clear()
        assert Encryptor(scene.old, scene.store).data_keys.rewrap(two).complete
        for key in two.keys:
            scene.assert_readable(key)

    @pytest.mark.parametrize("repair", [False, True], ids=["rewrap", "repair"])
    def test_a_store_that_loses_what_it_took(self, scene: Scene, repair: bool) -> None:
        """What was written is read back: the old wraps stay, and the key is a failure."""
        store = ForgetfulStore()
        store.rows = rows = dict(scene.store.rows)
        data_keys = scene.encryptor(store).data_keys
        report = data_keys.repair() if repair else data_keys.rewrap()
        assert len(report.failures) == 3
        assert {type(error) for error in report.failures.values()} == {KeyStoreError}
        assert store.rows == rows == scene.store.rows
        scene.assert_readable(scene.old)


class TestConflicts:
    """Others change the same records at the same time."""

    def test_two_threads(self, scene: Scene) -> None:
        """Two that rewrap to the same key complete, and together change every key."""
        for number in range(200):
            scene.store.add(make_record(scene.old.inner, f"tenant {number}"))
        meeting = Barrier(2, timeout=PATIENCE)

        def run(_: int) -> int:
            data_keys = scene.encryptor().data_keys
            meeting.wait()
            report = data_keys.rewrap()
            assert report.complete
            return report.changed

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(run, range(2))) >= 203
        scene.assert_readable(scene.new)
        scene.assert_unreadable(scene.old)
        assert scene.names() == {tuple(scene.new.wrapping_keys())}

    def test_two_targets(self, scene: Scene) -> None:
        """Two that rewrap to different keys may give up on some, but lose none."""
        for number in range(100):
            scene.store.add(make_record(scene.old.inner, f"tenant {number}"))
        a, b = LocalKeyProvider.generate(), LocalKeyProvider.generate()
        all_three = KeyProviderChain(a, b, scene.old)
        meeting = Barrier(2, timeout=PATIENCE)

        def run(target: LocalKeyProvider) -> None:
            data_keys = Encryptor(all_three, scene.store).data_keys
            meeting.wait()
            report = data_keys.rewrap(target)
            assert report.stopped is None
            assert {type(error) for error in report.failures.values()} <= {KeyStoreError}

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, (a, b)))
        scene.assert_readable(all_three)
        assert Encryptor(all_three, scene.store).data_keys.rewrap(a).complete
        scene.assert_readable(a)
        assert scene.names() == {tuple(a.wrapping_keys())}

    def test_two_processes(self, tmp_path: Path) -> None:
        """So do two processes on one file."""
        path, old, new = tmp_path / "keys.sqlite", bytes(range(32)), bytes(range(1, 33))
        store = FileKeyStore.create(path)
        values = write(LocalKeyProvider(old), store)
        for number in range(50):
            store.add(make_record(LocalKeyProvider(old), f"tenant {number}"))
        arguments = (str(path), old.hex(), new.hex())
        with start(rewrap_all, *arguments) as one, start(rewrap_all, *arguments) as other:
            one.go()
            other.go()
            changed = [int(line) for line in one.finished() + other.finished()]
        assert sum(changed) >= 53
        assert_readable(values, LocalKeyProvider(new), store)
        assert {len(record.wraps) for record in records(store)} == {1}

    def test_a_shred_on_the_way(self, scene: Scene) -> None:
        """A key that is shredded between two steps stays shredded, at whichever of them it is."""
        for step in range(4):
            store = RowStore()
            store.rows = dict(scene.store.rows)
            key_id = scene.values["clinic-7"][1:17]
            rewrapping = Rewrapping(store, scene.old, scene.new)
            steps = iter(range(10))

            def shred_at(step: int = step, store: RowStore = store, steps: Iterator[int] = steps) -> None:
                if next(steps) == step:
                    Encryptor(scene.old, store).data_keys.shred("clinic-7", "ann")

            scene.old.before_unwrap = scene.new.before_wrap = scene.new.before_unwrap = shred_at
            replace = store.replace

            def watched(
                old: KeyRecord,
                new: KeyRecord | Tombstone,
                replace: Callable[[KeyRecord, KeyRecord | Tombstone], bool] = replace,
                shred_at: Callable[[], None] = shred_at,
            ) -> bool:
                if isinstance(new, KeyRecord):
                    shred_at()
                return replace(old, new)

            store.replace = watched  # type: ignore[method-assign]
            assert rewrapping.rewrap(key_id) is Outcome.SHREDDED
            assert isinstance(store.get(key_id), Tombstone)

    def test_a_record_that_never_rests(self, scene: Scene) -> None:
        """If others change the record all the time, it is given up, and left readable."""
        key_id = scene.values[None][1:17]
        states = [KeyState.ACTIVE, KeyState.RETIRED]

        def change() -> None:
            states.append(states.pop(0))
            scene.store.rows[key_id] = scene.store.rows[key_id]._replace(state=states[0].value)

        scene.new.before_wrap = change
        with pytest.raises(KeyStoreError, match="others"):
            Rewrapping(scene.store, scene.old, scene.new).rewrap(key_id)
        scene.assert_readable(scene.old)


class TestUnderLoad:
    """Rotation and rewrap at the same time, in processes that are killed."""

    def test_killed_rewraps(self, tmp_path: Path) -> None:
        """While a writer makes keys and a reader opens all, a rewrap is killed ten times: nothing is ever unreadable.

        In the end all data keys are there, under the new key alone.
        """
        dice = random.Random(20261123)
        path, written, end = tmp_path / "keys.sqlite", tmp_path / "written", tmp_path / "end"
        old, new = LocalKeyProvider(bytes(range(32))), LocalKeyProvider(bytes(range(1, 33)))
        arguments = (str(path), bytes(range(32)).hex(), bytes(range(1, 33)).hex())
        store = FileKeyStore.create(path)
        values = write(old, store)
        for number in range(400):
            store.add(make_record(old, f"tenant {number}"))
        before = set(store.key_ids())
        killed = 0
        with ExitStack() as stack:
            writer = stack.enter_context(start(write_numbers, *arguments, str(written), str(end)))
            reader = stack.enter_context(start(read_written, *arguments, str(written), str(end)))
            writer.go()
            reader.go()
            try:
                for _ in range(10):
                    rewrapper = stack.enter_context(start(rewrap_all, *arguments))
                    rewrapper.go()
                    time.sleep(dice.uniform(0, 0.25))
                    rewrapper.kill()
                    killed += not rewrapper.lines()
                assert_readable(values, KeyProviderChain(new, old), store)
                last = stack.enter_context(start(rewrap_all, *arguments))
                last.go()
                last.finished()
            finally:
                end.touch()
            made = writer.finished()
            unreadable = reader.finished()
        assert killed >= 5
        assert unreadable == []
        assert len(made) >= 3
        keys = {record.key_id: [wrap.name for wrap in record.wraps] for record in records(store)}
        assert set(keys) >= before | {bytes.fromhex(key_id) for key_id in made}
        assert {tuple(names) for names in keys.values()} == {tuple(new.wrapping_keys())}
        assert_readable(values, new, store)
        field = Encryptor(new, store).field("numbers.n", int)
        lines = written.read_text().splitlines()
        assert [field.decrypt(bytes.fromhex(line)) for line in lines] == list(range(len(lines)))

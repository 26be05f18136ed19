"""Rewrapping and repairing: all keys move, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Event,
    EventKind,
    KeyProviderChain,
    KeyRecord,
    KeyState,
    LocalKeyProvider,
    MemoryKeyStore,
    Progress,
    Tombstone,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.keys.rewrapping import TENANTS, Scene, assert_readable, records, write
from tests.support.doubles import CountingProvider, PublicKeyProvider, RowStore, SeveralKeysProvider, make_record
from tests.support.outages import lost


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

    def test_a_listener_of_0_1_is_refused_before_anything_changes(self, scene: Scene) -> None:
        """It took two numbers, and the first data key would be the last."""
        keys = scene.encryptor().data_keys
        listener: Any = lambda done, total: None  # noqa: E731
        for work in (keys.rewrap, keys.repair, lambda **told: keys.move("clinic-7", **told)):
            with pytest.raises(ConfigurationError, match="on_progress is called with a Progress"):
                work(on_progress=listener)
        assert scene.names() == {tuple(scene.old.wrapping_keys())}

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

        def use(*_: Progress) -> None:
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
        encryptor.data_keys.rewrap(on_progress=lambda at: told.append((at.done, at.total)))
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
        with lost(aws, "eu-west-1"):
            values = write(provider, store)
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

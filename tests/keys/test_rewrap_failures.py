"""Rewrapping that is interrupted, meets what is damaged, or has others beside it: every value stays readable."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    FileKeyStore,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Progress,
    Tombstone,
    WrappedKey,
)
from fieldcrypt.keys.admin.rewrap import Outcome, Rewrapping
from tests.keys.rewrapping import Scene, assert_readable, records, write
from tests.support.doubles import (
    PATIENCE,
    CountingProvider,
    Crash,
    CrashingStore,
    Failure,
    ForgetfulStore,
    GarblingProvider,
    RowStore,
    SeveralKeysProvider,
    make_record,
    outage,
    refusal,
)
from tests.support.processes import read_written, rewrap_all, start, write_numbers


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

        def interrupt(at: Progress) -> None:
            if at.done == 3:
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

"""What somebody gains who writes to the key store but can neither wrap nor unwrap.

The cells of the table in docs/operations/keys.md.

The scene is a tenant with two data keys and two index keys, of which the newer ones are in use. Whoever acts after the
attack is a process that has no keys yet; the newer data key is a day old.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    Event,
    EventKind,
    KeyNotFoundError,
    KeyPolicy,
    KeyRecord,
    KeyShreddedError,
    KeyState,
    KeyStoreError,
    Purpose,
    Tombstone,
    WrappedKey,
)
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, Row, RowStore, make_record, outage

DAY = 86_400.0
INDEX = Purpose.BLIND_INDEX


class Scene:
    """A tenant's keys, and what is under them."""

    def __init__(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        self.provider, self.rows, self.clock = provider, rows, clock
        self.first, self.first_tag = self.written()
        clock.advance(DAY)
        for purpose in Purpose:
            self.fresh().data_keys.rotate("a", purpose)
        self.leaked = clock.now
        clock.advance(DAY)
        self.second, self.second_tag = self.written()
        assert self.second[1:17] != self.first[1:17]
        self.keys = set(rows.rows)

    def fresh(self, *, not_before: float | None = None) -> Encryptor:
        """A process that has no keys yet."""
        moment = None if not_before is None else datetime.fromtimestamp(not_before, UTC)
        return Encryptor(self.provider, self.rows, policy=KeyPolicy(not_before=moment))

    def written(self, encryptor: Encryptor | None = None) -> tuple[bytes, bytes]:
        """A value and a tag of a process."""
        encryptor = encryptor or self.fresh()
        return encryptor.field("a.b", str).encrypt("x", tenant="a"), encryptor.blind_index("a.b").tag("x", tenant="a")

    def encrypts(self, encryptor: Encryptor | None = None) -> bytes:
        """The data key that encrypts in a process."""
        return (encryptor or self.fresh()).field("a.b", str).encrypt("x", tenant="a")[1:17]

    def record(self, key_id: bytes) -> KeyRecord:
        record = self.rows.get(key_id)
        assert isinstance(record, KeyRecord)
        return record

    def ids(self, purpose: Purpose) -> list[bytes]:
        """The key ids of a purpose, oldest first."""
        records = [record for record in map(self.rows.get, self.rows.rows) if record.purpose is purpose]
        return [record.key_id for record in sorted(records, key=lambda record: record.created)]

    def set_state(self, key_id: bytes, state: KeyState) -> None:
        self.rows.rows[key_id] = self.rows.rows[key_id]._replace(state=state.value)

    # The attacks

    def plant_junk(self, ahead: float = 0, count: int = 3) -> None:
        """Records of both purposes that nobody can open, some dated later than now."""
        for number in range(count):
            for purpose in Purpose:
                created = int(self.clock.now + ahead - number)
                wraps = (WrappedKey(self.provider.wrapping_keys()[0], bytes(72)),)
                self.rows.add(KeyRecord(os.urandom(16), purpose, created, "a", wraps, bytes(32)))

    def swap_states(self) -> None:
        """What encrypts and tags is retired, and what it followed is active again."""
        for purpose in Purpose:
            older, newer = self.ids(purpose)
            self.set_state(newer, KeyState.RETIRED)
            self.set_state(older, KeyState.ACTIVE)

    def delete(self) -> None:
        """What encrypts and tags is gone, as from an old copy of the store, and what it followed is active."""
        self.swap_states()
        for purpose in Purpose:
            del self.rows.rows[self.ids(purpose)[-1]]

    def forge_tombstone(self) -> None:
        stone = Tombstone(os.urandom(16), Purpose.ENCRYPTION, 1, "a", int(self.clock.now), "nobody", 1)
        self.rows.rows[stone.key_id] = Row("a", stone.state.value, stone.to_bytes())


@pytest.fixture
def scene(provider: CountingProvider, rows: RowStore, clock: Clock) -> Scene:
    return Scene(provider, rows, clock)


class TestWhichKeyEncrypts:
    @pytest.mark.parametrize("ahead", [-1_000, 0, 30, 3_600, 86_000, 10 * 365 * DAY])
    def test_junk_is_passed_over(self, scene: Scene, ahead: float) -> None:
        """Whatever date it has."""
        scene.plant_junk(ahead)
        assert scene.encrypts() == scene.second[1:17]

    def test_a_state_brings_no_older_key_back(self, scene: Scene) -> None:
        """Another key is made, which encrypts at once."""
        scene.swap_states()
        assert scene.encrypts() not in scene.keys

    def test_states_cost_a_key_for_each_delay_at_the_most(self, scene: Scene) -> None:
        """In one process: whoever sets states all the time keeps it from writing, and fills nothing."""
        encryptor = scene.fresh()
        scene.swap_states()
        made = scene.encrypts(encryptor)
        scene.set_state(made, KeyState.RETIRED)
        scene.clock.advance(299)
        encryptor.forget()
        with pytest.raises(KeyStoreError, match="made recently"):
            scene.encrypts(encryptor)
        scene.clock.advance(1)
        assert scene.encrypts(encryptor) not in {made, *scene.keys}

    def test_a_deleted_record_brings_the_older_key_back(self, scene: Scene) -> None:
        """Nothing in the store says that there was another."""
        scene.delete()
        assert scene.encrypts() == scene.first[1:17]

    def test_not_before_does_not_let_it(self, scene: Scene) -> None:
        """A data key that was made earlier never encrypts, whatever the store holds: a new one is made."""
        scene.delete()
        made = scene.encrypts(scene.fresh(not_before=scene.leaked))
        assert made not in scene.keys
        assert scene.record(made).created >= scene.leaked
        assert scene.encrypts(scene.fresh(not_before=scene.leaked)) == made

    def test_a_tombstone_stops_it(self, scene: Scene) -> None:
        scene.forge_tombstone()
        with pytest.raises(KeyShreddedError):
            scene.encrypts()

    def test_a_date_that_was_edited_moves_no_key_that_is_live(self, scene: Scene) -> None:
        """Nor does it count for a process that opened the record when it was genuine."""
        encryptor = scene.fresh()
        for value in (scene.first, scene.second):
            encryptor.field("a.b", str).decrypt(value, tenant="a")
        edited = scene.record(scene.first[1:17])._replace(created=int(scene.clock.now) - 400)
        scene.rows.rows[edited.key_id] = Row("a", "active", edited.to_bytes())
        assert scene.encrypts(encryptor) == scene.second[1:17]


class TestJunkWithoutEnd:
    def test_a_process_that_has_a_key_goes_on(self, scene: Scene, clock: Clock) -> None:
        """And looks at 16 records at a time, of which each costs one call."""
        encryptor = scene.fresh()
        assert scene.encrypts(encryptor) == scene.second[1:17]
        scene.plant_junk(count=40)
        before = scene.provider.unwraps
        clock.advance(850)
        assert scene.encrypts(encryptor) == scene.second[1:17]
        assert scene.provider.unwraps - before <= 17

    def test_one_that_has_none_gets_through(self, scene: Scene) -> None:
        """Each attempt looks at others, and none is looked at twice."""
        scene.plant_junk(count=40)
        encryptor, before = scene.fresh(), scene.provider.unwraps
        for _ in range(2):
            with pytest.raises(KeyStoreError, match="planted"):
                scene.encrypts(encryptor)
        assert scene.encrypts(encryptor) == scene.second[1:17]
        assert scene.provider.unwraps - before == 41

    def test_a_tenant_with_nothing_else_gets_its_first_key(self, scene: Scene) -> None:
        scene.rows.rows.clear()
        scene.plant_junk()
        assert scene.encrypts() in scene.rows.rows

    def test_a_process_with_the_wrong_wrapping_key_makes_none(self, scene: Scene) -> None:
        """What it wrote nobody else could read."""
        with pytest.raises(KeyStoreError, match="can be opened here"):
            Encryptor(CountingProvider(), scene.rows).field("a.b", str).encrypt("x", tenant="a")
        assert set(scene.rows.rows) == scene.keys


class TestJunkForIndexesWithoutEnd:
    """A search asks under all keys, so all records have to be looked at some time."""

    def test_a_process_that_has_keys_goes_on(self, scene: Scene, clock: Clock) -> None:
        index = scene.fresh().blind_index("a.b")
        index.tag("x", tenant="a")
        scene.plant_junk(count=40)
        before = scene.provider.unwraps
        clock.advance(850)
        assert index.tag("x", tenant="a") == scene.second_tag
        assert scene.provider.unwraps - before <= 18

    def test_one_that_has_none_gets_through(self, scene: Scene) -> None:
        """And looks at none twice."""
        scene.plant_junk(count=40)
        index, before = scene.fresh().blind_index("a.b"), scene.provider.unwraps
        for _ in range(2):
            with pytest.raises(KeyStoreError, match="planted"):
                index.tag("x", tenant="a")
        assert index.tag("x", tenant="a") == scene.second_tag
        assert scene.provider.unwraps - before == 42


class TestWhenNobodySaysWhatIsAuthentic:
    """A record that cannot be opened for now."""

    def test_it_changes_nothing_for_a_process_with_a_live_key(self, scene: Scene, clock: Clock) -> None:
        encryptor = scene.fresh()
        scene.encrypts(encryptor)
        clock.advance(400)
        scene.plant_junk()
        scene.provider.unwrap_failure = outage
        clock.advance(300)
        assert scene.encrypts(encryptor) == scene.second[1:17]

    def test_a_cold_one_is_told(self, scene: Scene) -> None:
        scene.provider.unwrap_failure = outage
        with pytest.raises(Exception, match="no region answers"):
            scene.encrypts()


class TestTheDateOfTheNextKey:
    """Which `rotate` gives it."""

    @pytest.mark.parametrize("ahead", [0, 30, 86_000])
    def test_junk_does_not_put_it_off(self, scene: Scene, ahead: float) -> None:
        scene.plant_junk(ahead)
        assert scene.fresh().data_keys.rotate("a").created <= scene.clock.now

    def test_a_clock_that_was_ahead_does_not_put_it_off(self, scene: Scene) -> None:
        """What an honest maker dated a day ahead encrypts, and so does what somebody asks for after that."""
        ahead = make_record(scene.provider.inner, "a", created=int(scene.clock.now) + 86_400)
        scene.rows.add(ahead)
        assert scene.encrypts() == ahead.key_id
        made = scene.fresh().data_keys.rotate("a")
        assert made.created == ahead.created + 1
        assert scene.encrypts() == made.key_id

    def test_states_do_not_put_it_off(self, scene: Scene) -> None:
        scene.swap_states()
        assert scene.fresh().data_keys.rotate("a").created <= scene.clock.now

    def test_deleted_records_do_not_put_it_off(self, scene: Scene) -> None:
        scene.delete()
        assert scene.fresh().data_keys.rotate("a").created <= scene.clock.now

    def test_a_tombstone_stops_it(self, scene: Scene) -> None:
        scene.forge_tombstone()
        with pytest.raises(KeyShreddedError):
            scene.fresh().data_keys.rotate("a")


class TestWhenTheNextKeyIsMade:
    """When the newest is 90 days old."""

    @pytest.mark.parametrize("attack", [lambda scene: scene.plant_junk(-60), lambda scene: None], ids=["junk", "none"])
    def test_junk_does_not_stop_it(self, scene: Scene, attack: Callable[[Scene], None]) -> None:
        scene.clock.advance(90 * DAY)
        attack(scene)
        before = set(scene.rows.rows)
        scene.encrypts()
        assert len(set(scene.rows.rows) - before) == 1

    def test_states_do_not_stop_it(self, scene: Scene) -> None:
        """The one that replaces what may not encrypt is dated after that, and so has a successor at once."""
        scene.clock.advance(90 * DAY)
        scene.swap_states()
        encryptor = scene.fresh()
        replacement = scene.encrypts(encryptor)
        scene.clock.advance(1_000)
        scene.encrypts(encryptor)
        scene.clock.advance(1_000)
        assert scene.encrypts(encryptor) not in {replacement, *scene.keys}

    def test_a_deleted_record_brings_it_forward(self, scene: Scene) -> None:
        scene.clock.advance(89 * DAY)
        scene.delete()
        scene.encrypts()
        assert len(scene.ids(Purpose.ENCRYPTION)) == 2


class TestWhichIndexKeyTags:
    def tag(self, scene: Scene, *, not_before: float | None = None) -> bytes:
        return scene.fresh(not_before=not_before).blind_index("a.b").tag("x", tenant="a")

    @pytest.mark.parametrize("ahead", [0, 86_000])
    def test_junk_is_passed_over(self, scene: Scene, ahead: float) -> None:
        scene.plant_junk(ahead)
        assert self.tag(scene) == scene.second_tag

    @pytest.mark.parametrize("attack", [Scene.swap_states, Scene.delete])
    def test_an_older_one_comes_back(self, scene: Scene, attack: Callable[[Scene], None]) -> None:
        attack(scene)
        assert self.tag(scene) == scene.first_tag

    @pytest.mark.parametrize("attack", [Scene.swap_states, Scene.delete])
    def test_not_before_does_not_let_it(self, scene: Scene, attack: Callable[[Scene], None]) -> None:
        """A new one tags at once, and what was tagged under the old one is still found."""
        attack(scene)
        tag = self.tag(scene, not_before=scene.leaked)
        assert tag not in (scene.first_tag, scene.second_tag)
        searched = scene.fresh(not_before=scene.leaked).blind_index("a.b").tags("x", tenant="a")
        assert searched[0] == tag
        assert scene.first_tag in searched

    def test_a_tombstone_stops_it(self, scene: Scene) -> None:
        scene.forge_tombstone()
        with pytest.raises(KeyShreddedError):
            self.tag(scene)


class TestNotBeforeForIndexKeys:
    """A setting of one program among others."""

    def test_a_search_makes_no_key_and_finds_what_is_tagged_meanwhile(self, scene: Scene) -> None:
        """While there is no key that may tag, each search looks for one."""
        late = scene.clock.now
        searcher = scene.fresh(not_before=late).blind_index("a.b")
        assert set(searcher.tags("x", tenant="a")) == {scene.first_tag, scene.second_tag}
        assert set(scene.rows.rows) == scene.keys
        tag = scene.fresh(not_before=late).blind_index("a.b").tag("x", tenant="a")
        assert tag in searcher.tags("x", tenant="a")

    def test_a_process_that_searched_tags_under_the_new_key(self, scene: Scene) -> None:
        """What it holds for searching is not taken for tagging."""
        index = scene.fresh(not_before=scene.clock.now).blind_index("a.b")
        index.tags("x", tenant="a")
        tag = index.tag("x", tenant="a")
        assert tag not in (scene.first_tag, scene.second_tag)
        assert index.tag("x", tenant="a") == tag

    def test_the_next_key_is_newer(self, scene: Scene) -> None:
        """Also if there is none that may tag yet."""
        made = scene.fresh(not_before=scene.clock.now + 10).data_keys.rotate("a", INDEX)
        assert made.created >= scene.clock.now + 10


class TestRetire:
    """Giving up the older data key, which the newer one has followed."""

    def test_junk_is_not_retired(self, scene: Scene) -> None:
        """Nor is it in the way."""
        scene.plant_junk(-3 * DAY)
        junk = set(scene.rows.rows) - scene.keys
        for key_id in junk & set(scene.ids(Purpose.ENCRYPTION)):
            with pytest.raises(KeyStoreError, match="cannot be opened"):
                scene.fresh().data_keys.retire(key_id)
        assert scene.fresh().data_keys.retire(scene.first[1:17]).state is KeyState.RETIRED

    def test_a_key_id_is_bytes(self, scene: Scene) -> None:
        """Hexadecimal digits, as `keys list` prints them, are a TypeError that says what to call."""
        with pytest.raises(TypeError, match=r"bytes\.fromhex"):
            scene.fresh().data_keys.retire(scene.first[1:17].hex())  # type: ignore[arg-type]

    def test_a_date_that_was_edited_is_refused(self, scene: Scene) -> None:
        """The key that encrypts cannot be given up by having it look older."""
        edited = scene.record(scene.second[1:17])._replace(created=1)
        scene.rows.rows[edited.key_id] = Row("a", "active", edited.to_bytes())
        with pytest.raises(KeyStoreError):
            scene.fresh().data_keys.retire(edited.key_id)

    def test_states_do_not_have_the_key_retired_that_encrypts(self, scene: Scene) -> None:
        scene.swap_states()
        encryptor = scene.fresh()
        made = scene.encrypts(encryptor)
        with pytest.raises(ConfigurationError, match="rotate first"):
            encryptor.data_keys.retire(made)
        assert encryptor.data_keys.retire(scene.first[1:17]).state is KeyState.RETIRED

    def test_a_deleted_record_keeps_the_older_key(self, scene: Scene) -> None:
        """It is the one that encrypts now."""
        scene.delete()
        with pytest.raises(ConfigurationError, match="rotate first"):
            scene.fresh().data_keys.retire(scene.first[1:17])
        with pytest.raises(KeyNotFoundError):
            scene.fresh().data_keys.retire(scene.second[1:17])

    def test_a_tombstone_stops_it(self, scene: Scene) -> None:
        scene.forge_tombstone()
        with pytest.raises(KeyShreddedError):
            scene.fresh().data_keys.retire(scene.first[1:17])


class TestWhatIsToBeReencrypted:
    @pytest.mark.parametrize("ahead", [-60, 86_000])
    def test_junk_makes_nothing_old_and_follows_nothing(self, scene: Scene, ahead: float) -> None:
        scene.plant_junk(ahead)
        encryptor = scene.fresh()
        assert [encryptor.needs_reencrypt(value) for value in (scene.first, scene.second)] == [True, False]
        assert encryptor.followed_at(scene.second) is None

    def test_states_make_nothing_new(self, scene: Scene) -> None:
        """What is under a key that is said to be retired is to be re-encrypted; what was old stays so."""
        scene.swap_states()
        encryptor = scene.fresh()
        scene.encrypts(encryptor)
        assert [encryptor.needs_reencrypt(value) for value in (scene.first, scene.second)] == [True, True]

    def test_a_deleted_record_hides_what_is_old(self, scene: Scene) -> None:
        """But not from a program that says `not_before`."""
        scene.delete()
        assert not scene.fresh().needs_reencrypt(scene.first)
        assert scene.fresh(not_before=scene.leaked).needs_reencrypt(scene.first)

    def test_a_tombstone_stops_it(self, scene: Scene) -> None:
        scene.forge_tombstone()
        for ask in (Encryptor.needs_reencrypt, Encryptor.followed_at):
            with pytest.raises(KeyShreddedError):
                ask(scene.fresh(), scene.first)


class TestWhatIsTold:
    def test_each_refused_record_once(self, scene: Scene) -> None:
        """However often it is in the way, within cache_ttl."""
        told: list[Event] = []
        scene.plant_junk()
        encryptor = Encryptor(scene.provider, scene.rows, observer=told.append)
        for _ in range(3):
            encryptor.data_keys.rotate("a")
            scene.clock.advance(60)
            scene.encrypts(encryptor)
        refused = [event.key_id for event in told if event.kind is EventKind.RECORD_REFUSED]
        assert len(refused) == len(set(refused)) == 3

    def test_a_future_date_of_the_policy_is_honoured(self, scene: Scene) -> None:
        """A first key is not dated before it either."""
        policy = KeyPolicy(not_before=datetime.fromtimestamp(scene.clock.now, UTC) + timedelta(hours=1))
        encryptor = Encryptor(scene.provider, RowStore(), policy=policy)
        field = encryptor.field("a.b", str)
        assert field.encrypt("x", tenant="n")[1:17] == field.encrypt("x", tenant="n")[1:17]

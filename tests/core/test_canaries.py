"""Canaries: values whose decryption is reported, each time, by whatever reads them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Event,
    EventKind,
    Field,
    KeyPolicy,
    LocalKeyProvider,
    MemoryKeyStore,
    ProtectedRecord,
    Protection,
    row_context,
)
from fieldcrypt.columns import arrow
from fieldcrypt.format.envelope import SALT
from fieldcrypt.keys.live import live_key
from fieldcrypt.spi import FieldGroup
from tests.core.recorder import Recorder
from tests.support.backends import BACKENDS

SSN = "078-05-1120"


@pytest.fixture
def recorder() -> Recorder:
    """Sees all events."""
    return Recorder()


@pytest.fixture(params=BACKENDS)
def watched(request: pytest.FixtureRequest, recorder: Recorder) -> Encryptor:
    """An Encryptor of each backend, whose events are recorded."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), observer=recorder, backend=request.param)


@dataclass(frozen=True)
class Planted:
    """An ordinary value and two canaries of a field."""

    field: Field[str]
    ordinary: bytes
    canaries: tuple[bytes, bytes]


def plant(encryptor: Encryptor, context: Any = None) -> Planted:
    field = encryptor.field("patients.ssn", str)
    with encryptor.writing_canaries():
        canaries = tuple(field.encrypt(SSN, tenant="a", context=context) for _ in range(2))
    return Planted(field, field.encrypt(SSN, tenant="a", context=context), canaries)  # type: ignore[arg-type]


def by_a_reader(planted: Planted, data: list[bytes]) -> list[Any]:
    read = planted.field.reader("a")
    return [read(value) for value in data]


READERS: dict[str, Callable[[Planted, list[bytes]], list[Any]]] = {
    "one by one": lambda planted, data: [planted.field.decrypt(value, tenant="a") for value in data],
    "of anybody": lambda planted, data: [planted.field.decrypt(value) for value in data],
    "many": lambda planted, data: planted.field.decrypt_many(data, tenant="a"),
    "by a reader": by_a_reader,
    "as a column": lambda planted, data: arrow.decrypt_column(
        planted.field, pa.array(data, pa.binary()), tenant="a"
    ).to_pylist(),
    "as a group": lambda planted, data: FieldGroup([planted.field] * len(data)).decrypt(data, tenant="a"),
}


@pytest.mark.parametrize("how", READERS)
class TestReading:
    def test_each_decryption_of_a_canary_is_reported(self, watched: Encryptor, recorder: Recorder, how: str) -> None:
        """However often it is read, and whatever is read with it."""
        planted = plant(watched)
        for _ in range(2):
            data = [planted.ordinary, *planted.canaries, planted.ordinary, planted.canaries[0]]
            assert READERS[how](planted, data) == [SSN] * 5
        assert len(recorder.of(EventKind.CANARY_READ)) == 6

    def test_other_values_are_not_reported(self, watched: Encryptor, recorder: Recorder, how: str) -> None:
        """Of the same field, tenant and data key."""
        planted = plant(watched)
        assert READERS[how](planted, [planted.ordinary] * 3) == [SSN] * 3
        assert not recorder.of(EventKind.CANARY_READ)


class TestReports:
    def test_a_report_says_which_field_of_which_tenant(self, watched: Encryptor, recorder: Recorder) -> None:
        """And which data key, as the canary itself does."""
        planted = plant(watched)
        planted.field.decrypt(planted.canaries[0])
        key_id = planted.canaries[0][1:17].hex()
        assert recorder.of(EventKind.CANARY_READ) == [Event(EventKind.CANARY_READ, key_id, "a", "patients.ssn")]

    @pytest.mark.parametrize("how", [{"tenant": "b"}, {"context": row_context(2)}], ids=["tenant", "row"])
    def test_a_copy_elsewhere_is_refused_and_reported(
        self, watched: Encryptor, recorder: Recorder, how: dict[str, Any]
    ) -> None:
        """An attempt is as telling as a success."""
        planted = plant(watched, row_context(1))
        with pytest.raises(DecryptionError):
            planted.field.decrypt(planted.canaries[0], **({"context": row_context(1)} | how))
        assert len(recorder.of(EventKind.CANARY_READ)) == 1

    def test_canaries_are_known_in_another_process(self, watched: Encryptor) -> None:
        """One that shares key provider and key store, and nothing else: there is no list of canaries."""
        planted, recorder = plant(watched), Recorder()
        reader = Encryptor(watched.provider, watched.store, observer=recorder).field("patients.ssn", str)
        assert reader.decrypt(planted.canaries[1]) == SSN
        assert len(recorder.of(EventKind.CANARY_READ)) == 1

    def test_self_contained_canaries_are_reported(self, recorder: Recorder) -> None:
        """They carry the data key that they are known by."""
        planted = plant(Encryptor(LocalKeyProvider.generate(), observer=recorder))
        planted.field.decrypt_many(planted.canaries)
        assert len(recorder.of(EventKind.CANARY_READ)) == 2

    def test_each_field_of_a_record_is_reported(self, watched: Encryptor, recorder: Recorder) -> None:
        """As of all that is built on fields."""
        fields = {"ssn": Protection(str), "name": Protection(str)}
        patients = ProtectedRecord("patients", watched, fields=fields, key="id", tenant="clinic")
        with watched.writing_canaries():
            sealed = patients.encrypt({"id": 1, "clinic": "a", "ssn": SSN, "name": "Ann"})
        assert patients.decrypt(sealed)["ssn"] == SSN
        assert {event.place for event in recorder.of(EventKind.CANARY_READ)} == {"patients.ssn", "patients.name"}


class TestWriting:
    def test_it_ends_with_the_block(self, watched: Encryptor) -> None:
        """Also for a tenant that the block has written for, and if an error ended it."""
        field = watched.field("a.b", str)
        with suppress(ZeroDivisionError), watched.writing_canaries():
            inside = field.encrypt(SSN, tenant="a")
            _ = 1 / 0
        outside = [field.encrypt(SSN, tenant="a"), *field.encrypt_many([SSN], tenant="a")]
        assert [watched.is_canary(value) for value in (inside, *outside)] == [True, False, False]

    def test_it_holds_for_fields_that_were_used_before(self, watched: Encryptor) -> None:
        """What they have prepared is not used in a block."""
        field = watched.field("a.b", str)
        field.encrypt(SSN)
        with watched.writing_canaries():
            assert all(watched.is_canary(value) for value in (field.encrypt(SSN), *field.encrypt_many([SSN] * 30)))

    def test_it_holds_for_all_threads(self, watched: Encryptor) -> None:
        """An ORM may write in a thread of its own."""
        field, written = watched.field("a.b", str), list[bytes]()
        with watched.writing_canaries():
            thread = Thread(target=lambda: written.append(field.encrypt(SSN)))
            thread.start()
            thread.join()
        assert watched.is_canary(written[0])

    def test_blocks_may_stand_in_each_other(self, watched: Encryptor) -> None:
        """It ends with the outer one."""
        field = watched.field("a.b", str)
        with watched.writing_canaries():
            with watched.writing_canaries():
                pass
            assert watched.is_canary(field.encrypt(SSN))
        assert not watched.is_canary(field.encrypt(SSN))

    def test_canaries_of_one_block_have_one_salt(self, watched: Encryptor) -> None:
        """As the values that a process writes have, so that a row of canaries looks like any other."""
        one, other = watched.field("a.b", str), watched.field("a.c", str)
        with watched.writing_canaries():
            salts = {field.encrypt(SSN, tenant="a")[SALT] for field in (one, other, one)}
        assert len(salts) == 1

    def test_blocks_differ_in_their_salts(self, watched: Encryptor) -> None:
        """There are sixteen, so canaries that were planted at two times seldom share one, which would stand out."""
        field, salts = watched.field("a.b", str), set[bytes]()
        for _ in range(40):
            with watched.writing_canaries():
                salts.add(field.encrypt(SSN)[SALT])
        assert 1 < len(salts) <= 16

    def test_nonces_are_random(self, watched: Encryptor) -> None:
        """Only the salt follows from the data key."""
        first, second = plant(watched).canaries
        assert first[:29] == second[:29]
        assert first[29:41] != second[29:41]

    def test_a_salt_has_a_limit(self, watched: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
        """SPEC section 15: a random salt is exchanged for another one, but this one cannot be."""
        monkeypatch.setattr(live_key, "MESSAGES_PER_SALT", 3)
        field = watched.field("a.b", str)
        with watched.writing_canaries():
            for _ in range(3):
                field.encrypt(SSN)
            with pytest.raises(ConfigurationError, match="at most 3 canaries"):
                field.encrypt(SSN)

    def test_an_encryptor_without_keys_writes_none(self) -> None:
        """It says so before anything is written."""
        with pytest.raises(ConfigurationError, match="no keys yet"):
            Encryptor().writing_canaries()


class TestRecognising:
    def test_it_is_not_reported(self, watched: Encryptor, recorder: Recorder) -> None:
        """Nothing was read."""
        assert watched.is_canary(plant(watched).canaries[0])
        assert not recorder.of(EventKind.CANARY_READ)

    def test_without_the_data_key_there_is_no_answer(self, watched: Encryptor) -> None:
        """Those who have values alone cannot tell which ones are canaries."""
        canary = plant(watched).canaries[0]
        policy = KeyPolicy(replication_wait=timedelta(0))
        stranger = Encryptor(LocalKeyProvider.generate(), watched.store, policy)
        with pytest.raises(DecryptionError):
            stranger.is_canary(canary)

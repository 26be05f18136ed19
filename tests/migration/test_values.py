"""Mixed mode, and what an examination says of stored values: the part that all data stores share."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fieldcrypt import (
    NO_TENANT,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Event,
    EventKind,
    FieldcryptError,
    KeyPolicy,
    LocalKeyProvider,
    MemoryKeyStore,
    row_context,
)
from fieldcrypt.migration import PreviousField, Progress, Sample, ValueStatus
from fieldcrypt.migration.workers import work_together
from fieldcrypt.progress import Meter
from fieldcrypt.spi import Accepted, MixedField
from fieldcrypt.spi.migration import Examination, Pace
from tests.conftest import Clock
from tests.support.doubles import PATIENCE
from tests.support.rot13 import Rot13

SSN = "078-05-1120"


def in_days(days: int) -> date:
    """A day from now, in UTC."""
    return datetime.now(UTC).date() + timedelta(days=days)


@pytest.fixture
def encryptor() -> Encryptor:
    """An Encryptor with a key store."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=KeyPolicy(replication_wait=timedelta(0)))


def mixed(encryptor: Encryptor, accepted: Accepted | None = None) -> MixedField:
    """A field that accepts plaintext."""
    return MixedField(encryptor, encryptor.field("a.b", str), accepted or Accepted(in_days(30)))


class TestMixedField:
    def test_it_reads_plaintext_and_its_own(self, encryptor: Encryptor) -> None:
        """And counts how often it was given plaintext; the observer hears of which field."""
        seen: list[Event] = []
        encryptor.configure(encryptor.provider, encryptor.store, observer=seen.append)
        field = mixed(encryptor)
        for data in (SSN.encode(), SSN, bytearray(SSN, "utf8"), encryptor.field("a.b", str).encrypt(SSN)):
            assert field.decrypt(data) == SSN
        assert encryptor.stats().events["plaintext_read"] == 3
        assert [event.place for event in seen if event.kind == "plaintext_read"] == ["a.b"] * 3
        assert not [event for event in seen if SSN in repr(event)]

    def test_what_has_the_form_of_a_value_is_never_plaintext(self, encryptor: Encryptor) -> None:
        """A value that was changed, moved from another field, or bound to a row stays an error."""
        value = encryptor.field("a.b", str).encrypt(SSN)
        foreign = encryptor.field("x.y", str).encrypt(SSN)
        bound = encryptor.field("a.b", str).encrypt(SSN, context={"row": "1"})
        for data in (value[:-1] + bytes([value[-1] ^ 1]), foreign, bound, b"\x01" + bytes(60)):
            with pytest.raises(FieldcryptError):
                mixed(encryptor).decrypt(data)
        assert "plaintext_read" not in encryptor.stats().events

    def test_what_is_refused_is_tried_once(self, encryptor: Encryptor) -> None:
        """A value that somebody planted costs no more calls than one in a field that reads nothing else."""
        seen: list[Event] = []
        value = bytearray(Encryptor(encryptor.provider).field("a.b", str).encrypt(SSN))
        value[60] ^= 1  # in the key record
        encryptor.configure(encryptor.provider, observer=seen.append)
        with pytest.raises(DecryptionError):
            mixed(encryptor).decrypt(bytes(value))
        assert [event.kind for event in seen] == [EventKind.CACHE_MISS, EventKind.VALUE_REFUSED]

    def test_plaintext_that_is_no_text_is_an_error(self, encryptor: Encryptor) -> None:
        """Of a str field; and nothing behind the error has it."""
        with pytest.raises(DecryptionError) as raised:
            mixed(encryptor).decrypt(b"\xff\xfe")
        assert raised.value.__context__ is None

    @pytest.mark.parametrize("stored", [5, 0.5, True, None, [SSN], object()])
    def test_what_is_neither_bytes_nor_text_is_an_error(self, encryptor: Encryptor, stored: Any) -> None:
        """SQLite keeps whatever somebody puts into a column: that is no plaintext."""
        with pytest.raises(DecryptionError, match=r"^a\.b: "):
            mixed(encryptor).decrypt(stored)
        assert encryptor.stats().events == {EventKind.VALUE_REFUSED: 1}

    @pytest.mark.parametrize("readers", [[], [Rot13()]])
    def test_a_value_can_be_asked_to_be_nobodys(self, encryptor: Encryptor, readers: list[Any]) -> None:
        """A tenant's is refused, and what else is accepted belongs to nobody."""
        accepted = Accepted(in_days(30), readers, in_days(30) if readers else None)
        field, ours = mixed(encryptor, accepted), encryptor.field("a.b", str)
        assert field.decrypt(ours.encrypt(SSN), tenant=NO_TENANT) == SSN
        assert field.decrypt(SSN, tenant=NO_TENANT) == SSN
        with pytest.raises(DecryptionError):
            field.decrypt(ours.encrypt(SSN, tenant="A"), tenant=NO_TENANT)
        if readers:
            assert field.decrypt(b"rot:x", tenant=NO_TENANT) == "x"

    @pytest.mark.parametrize("row", [False, True, "id"])
    def test_former_values_of_no_tenant_are_not_somebodys(self, encryptor: Encryptor, row: bool | str) -> None:
        """Where the former field had no tenant, a tenant's value of its name is one that was put there."""
        then, context = encryptor.field("a.then", str), row_context(1) if row else None
        former = PreviousField(then, row=row)
        where: Any = {"context": context if row is True else None, "part": {"id": 1}.get}
        assert former.read(then.encrypt(SSN, context=context), **where) == SSN
        with pytest.raises(DecryptionError):
            former.read(then.encrypt(SSN, tenant="A", context=context), **where)

    def test_it_ends_on_its_day(self, clock: Clock, encryptor: Encryptor) -> None:
        """At the beginning of the day, in UTC: from then on plaintext is an error, which says why."""
        clock.now = datetime(2027, 2, 28, 23, 59, tzinfo=UTC).timestamp()
        field = mixed(encryptor, Accepted(date(2027, 3, 1)))
        assert field.decrypt(SSN) == SSN
        clock.advance(60)
        with pytest.raises(DecryptionError, match=r"^a\.b no longer accepts plaintext$"):
            field.decrypt(SSN)

    def test_other_schemes_are_read_and_counted(self, encryptor: Encryptor) -> None:
        """By the reader that recognises them, until its own day."""
        field = mixed(encryptor, Accepted(readers=[Rot13()], readers_until=in_days(1)))
        assert field.decrypt(b"rot:0211-50-870") == "078-05-1120"
        assert encryptor.stats().events["old_value_read"] == 1
        for data in (b"rot:x!", SSN.encode()):
            with pytest.raises(DecryptionError):
                field.decrypt(data)

    def test_what_a_reader_refuses_is_not_plaintext(self, encryptor: Encryptor) -> None:
        """A damaged value of an old scheme does not come back as it is."""
        field = mixed(encryptor, Accepted(in_days(1), [Rot13()], in_days(1)))
        with pytest.raises(DecryptionError):
            field.decrypt(b"rot:x!")

    def test_former_declarations_are_read(self, encryptor: Encryptor) -> None:
        """Another name, and values that were not bound to their row; neither without saying so."""
        renamed, unbound = (encryptor.field(name, str).encrypt(SSN) for name in ("old.b", "a.b"))
        field = mixed(
            encryptor,
            Accepted(
                readers=[PreviousField(encryptor.field(name, str)) for name in ("old.b", "a.b")],
                readers_until=in_days(1),
            ),
        )
        for data in (renamed, unbound):
            assert field.decrypt(data, context={"row": "1"}) == SSN
            with pytest.raises(DecryptionError):
                mixed(encryptor).decrypt(data, context={"row": "1"})


class TestAccepted:
    @pytest.mark.parametrize(
        "arguments",
        [
            (date.max,),
            (in_days(400),),
            (True,),
            (datetime(2027, 1, 1, tzinfo=UTC),),
            (None, [Rot13()]),
            (None, [], in_days(1)),
            (None, [Rot13], in_days(1)),
            (None, ["x"], in_days(1)),
        ],
    )
    def test_it_has_an_end(self, arguments: Any) -> None:
        """A year ahead at the most, a date, and for readers as well."""
        with pytest.raises(ConfigurationError):
            Accepted(*arguments)

    def test_types_without_one_binary_form_are_refused(self, encryptor: Encryptor) -> None:
        """Nobody can say how a date was stored in a binary column."""
        with pytest.raises(ConfigurationError, match="new column"):
            MixedField(encryptor, encryptor.field("a.b", date), Accepted(in_days(1)))


class TestExamination:
    def test_kinds(self, clock: Clock) -> None:
        """Each value is what it is; the padding of a field counts."""
        store = MemoryKeyStore()
        provider = LocalKeyProvider.generate()
        policy = KeyPolicy(propagation_delay=timedelta(0))
        encryptor = Encryptor(provider, store, policy=policy)
        old = encryptor.field("a.b", str, pad=16).encrypt(SSN)
        clock.advance(2)
        encryptor.data_keys.rotate()
        encryptor = Encryptor(provider, store, policy=policy)
        field = encryptor.field("a.b", str, pad=16)
        lost = encryptor.field("a.b", str).encrypt(SSN, tenant="gone")
        encryptor.data_keys.shred("gone", by="ann")
        accepted = Accepted(in_days(1), [Rot13(), PreviousField(encryptor.field("old.b", str))], in_days(1))
        examination = Examination(encryptor, field, accepted, pad=16)
        active = field.encrypt(SSN)
        values = {
            None: ValueStatus.NULL,
            active: ValueStatus.ACTIVE,
            old: ValueStatus.OLD_KEY,
            encryptor.field("a.b", str).encrypt(SSN): ValueStatus.OLD_FORM,
            encryptor.field("old.b", str).encrypt(SSN): ValueStatus.OLD_FORM,
            b"rot:x": ValueStatus.OTHER_SCHEME,
            SSN: ValueStatus.PLAINTEXT,
            SSN.encode(): ValueStatus.PLAINTEXT,
            lost: ValueStatus.SHREDDED,
            active[:-1] + bytes([active[-1] ^ 1]): ValueStatus.UNREADABLE,
            active[:1] + bytes(16) + active[17:]: ValueStatus.UNREADABLE,
            7: ValueStatus.UNREADABLE,
            b"": ValueStatus.PLAINTEXT,
        }
        assert {value: examination.examine(value).status for value in values} == values
        assert examination.examine(memoryview(active)).value == SSN
        assert SSN not in repr(examination.examine(active))


class TestWork:
    def test_a_pace_is_kept(self, clock: Clock) -> None:
        """By all that take from it together."""
        pace = Pace(100)
        began = clock.now
        for _ in range(5):
            pace.take(50)
        assert clock.now - began == pytest.approx(2.0)
        with pytest.raises(ValueError, match="rate"):
            Pace(0)

    def test_several_workers_have_the_context_of_their_caller(self) -> None:
        """Each a copy of its own, so that spans of their requests belong to the caller's."""
        current, seen = ContextVar[str]("current"), list[str]()
        meeting = threading.Barrier(2, timeout=PATIENCE)

        def worker() -> None:
            meeting.wait()
            seen.append(current.get())
            current.set("a worker's own")

        current.set("the caller's")
        work_together([worker, worker], threading.Event())
        assert [*seen, current.get()] == ["the caller's"] * 3

    def test_progress_is_told_and_logged(self, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
        """After each batch, and a line a minute, with the rate and the time that is left."""
        told: list[Progress] = []
        meter = Meter("backfill", 1000, done=100, changed=50, on_progress=told.append)
        with caplog.at_level("INFO", "fieldcrypt"):
            for _ in range(4):
                clock.advance(20)
                meter.add(100, 90, 1)
        assert [each.done for each in told] == [200, 300, 400, 500]
        (line,) = caplog.messages
        assert line == "backfill: 400 of 1,000, 320 changed, 3 failed, 5 per second, 0:02:00 left"

    def test_a_sample_says_what_it_says(self) -> None:
        """So many rows miss a share of wrong ones with a probability of 1 - confidence at most."""
        sample = Sample(0.99, 0.001)
        assert (1 - 0.001) ** sample.size <= 0.01 < (1 - 0.001) ** (sample.size - 1)
        share = sample.share_of(1_000_000)
        assert share is not None
        assert share * 1_000_000 > sample.size
        assert sample.share_of(sample.size) is None
        with pytest.raises(ValueError, match="between 0 and 1"):
            Sample(1.0)

"""Two regions on one replicated database, each with its own KMS, as the model of an Aurora global database.

PostgreSQL with a streaming standby, MariaDB with a replica by GTID. Both primaries wait for their replica before they
acknowledge a commit, so that what was acknowledged must be there after the failover. The key table is in the database
as well, and arrives as the data do.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import NamedTuple, Self

import pytest
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fieldcrypt import FieldcryptError, KeyRecord, KeyStoreError
from fieldcrypt.testing import LocalAws
from tests.regions.replicated import CLINICS, FIRST, KINDS, SECOND, SSN, Pair, Region, Row, running
from tests.support.doubles import PATIENCE
from tests.support.servers import until

ROWS_BEFORE, ROWS_UNSEEN, ROWS_AFTER = 200, 50, 100  # acknowledged: before the lag, during it, in the second region
REFUSALS = r"cannot execute INSERT in a read-only transaction|running with the --read-only option"


@pytest.fixture(scope="class", params=KINDS)
def regions(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """One pair for all these tests."""
    with running(request) as pair:
        yield pair


@pytest.fixture
def pair(regions: Pair) -> Pair:
    """The pair with no rows and no keys, on both sides."""
    first = regions.first()
    with first.engine.begin() as connection:
        for table in (first.note.__table__, first.patient.__table__, first.store.table):
            connection.execute(table.delete())
    regions.replica.catch_up()
    return regions


class TestReplica:
    """While both regions are well."""

    def test_a_row_of_the_first_region_is_read_in_the_second_while_the_first_is_lost(self, pair: Pair) -> None:
        """The second region's database and its own KMS key are all that it takes."""
        row = Row.of(1, "clinic")
        pair.first().write(row)
        pair.replica.catch_up()
        second = pair.second()
        pair.aws.cut(FIRST)
        try:
            assert second.read() == {row}
            assert second.find(row.ssn) == [row.id]
        finally:
            pair.aws.restore(FIRST)

    def test_a_replica_that_lags_serves_what_it_has(self, pair: Pair) -> None:
        """Old rows while replay stands still, also to an application that starts then; the new ones afterwards."""
        old, new = Row.of(1, "old"), Row.of(2, "new")
        first, second = pair.first(), pair.second()
        first.write(old)
        pair.replica.catch_up()
        pair.replica.pause()
        try:
            first.write(new)
            assert second.read() == pair.second().read() == {old}
            assert first.read() == {old, new}
        finally:
            pair.replica.resume()
        pair.replica.catch_up()
        assert second.read() == {old, new}

    def test_no_row_arrives_before_its_key(self, pair: Pair) -> None:
        """Rows that need a new data key each are read the moment that they are seen, while they are written."""
        rows = [Row.of(number, f"clinic-{number}") for number in range(40)]
        first, second = pair.first(), pair.second()

        def write() -> None:
            for row in rows:
                first.write(row)

        writer = Thread(target=write)
        writer.start()
        reads = 0
        while writer.is_alive():
            assert second.read() <= set(rows)
            reads += 1
        writer.join()
        pair.replica.catch_up()
        assert second.read() == set(rows)
        assert reads > 1

    def test_a_write_to_the_replica_is_refused_and_shows_no_plaintext(self, pair: Pair) -> None:
        """The database refuses the row: the data key was there already."""
        pair.first().write(Row.of(1, "clinic"))
        pair.replica.catch_up()
        with pytest.raises(DBAPIError, match=REFUSALS) as caught:
            pair.second().write(Row(2, "clinic", SSN, SSN))
        assert SSN not in told(caught.value)

    def test_a_new_data_key_on_the_replica_is_refused(self, pair: Pair) -> None:
        """Nothing is encrypted under a key that could not be kept; the error says why, and shows no plaintext."""
        with pytest.raises(KeyStoreError, match=REFUSALS) as caught:
            pair.second().write(Row(2, "new", SSN, SSN))
        assert SSN not in told(caught.value)


def told(error: BaseException | None) -> str:
    """Return all that an exception, and those that it came from, tell a log."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return " ".join(texts)


class Writer(Thread):
    """Writes rows for a clinic, in the first region until that fails and in the second from then on.

    Attributes:
        acknowledged: rows whose commit returned, by region.
    """

    def __init__(self, clinic: str, numbers: Iterator[int], first: Region, second: Region) -> None:
        super().__init__()
        self.acknowledged: dict[str, list[Row]] = {FIRST: [], SECOND: []}
        self._clinic = clinic
        self._numbers = numbers
        self._regions = [first, second]
        self._enough = Event()

    def run(self) -> None:
        """Write until told that it is enough, and give no row up that failed: it is another one then."""
        while not self._enough.is_set():
            row = Row.of(next(self._numbers), self._clinic)
            region = self._regions[0]
            try:
                region.write(row)
            except (SQLAlchemyError, FieldcryptError):
                self._regions = self._regions[-1:]
                time.sleep(0.01)  # the second region takes writes once it is promoted
            else:
                self.acknowledged[region.name].append(row)

    def end(self) -> None:
        self._enough.set()
        self.join(PATIENCE)
        assert not self.is_alive()


class Failover(NamedTuple):
    """A failover that is over.

    Attributes:
        pair: what is left of it: the second region.
        acknowledged: rows whose commit returned, by the region that they were written in.
        rotated: the data key that was made in the first region just before its end.
        second: the application in the second region that wrote there.
        calls: how many KMS calls that made from the end of the first region on.
    """

    pair: Pair
    acknowledged: dict[str, set[Row]]
    rotated: KeyRecord
    second: Region
    calls: int

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """Write in the first region from several threads; kill its database and its KMS; promote the second; go on.

        The second region has received all, but lags behind in applying it.
        """
        first, second = pair.first(), pair.second()
        numbers = itertools.count()
        writers = [Writer(clinic, numbers, first, second) for clinic in CLINICS]

        def acknowledged(region: str) -> set[Row]:
            return {row for writer in writers for row in tuple(writer.acknowledged[region])}

        for writer in writers:
            writer.start()
        try:
            until(lambda: len(acknowledged(FIRST)) >= ROWS_BEFORE, "rows in the first region")
            pair.replica.catch_up()
            second.read()  # an application that is in use when it happens
            pair.replica.pause()
            until(lambda: len(acknowledged(FIRST)) >= ROWS_BEFORE + ROWS_UNSEEN, "rows that the replica does not show")
            rotated = first.encryptor.data_keys.rotate()
            pair.primary.kill()
            pair.aws.kill(FIRST)
            before = kms_calls(pair.aws)
            pair.replica.promote()
            until(lambda: len(acknowledged(SECOND)) >= ROWS_AFTER, "rows in the second region")
        finally:
            for writer in writers:
                writer.end()
        rows = {region: acknowledged(region) for region in (FIRST, SECOND)}
        return cls(pair, rows, rotated, second, kms_calls(pair.aws) - before)


def kms_calls(aws: LocalAws) -> int:
    """Return how many KMS calls were answered."""
    return sum(count for (service, _, _), count in aws.calls.items() if service == "kms")


@pytest.fixture(scope="class", params=KINDS)
def failover(request: pytest.FixtureRequest) -> Iterator[Failover]:
    """One failover, of which the tests tell one fact each."""
    with running(request) as pair:
        yield Failover.of(pair)


class TestFailover:
    """After the first region's database and KMS were killed at once, in the middle of writing."""

    def test_every_acknowledged_row_is_there_and_is_read(self, failover: Failover) -> None:
        """By an application that starts afterwards, with nothing but the second region; none is lost."""
        written = failover.acknowledged[FIRST] | failover.acknowledged[SECOND]
        assert len(written) >= ROWS_BEFORE + ROWS_UNSEEN + ROWS_AFTER
        assert failover.pair.second().read() >= written

    def test_no_row_is_unreadable(self, failover: Failover) -> None:
        """Nor are those whose acknowledgement was lost with the connection: all are as they were written."""
        assert all(row == Row.of(row.id, row.clinic) for row in failover.pair.second().read())

    def test_an_application_of_the_second_region_goes_on(self, failover: Failover) -> None:
        """It read before; now it writes, for tenants whose keys were made in the first region."""
        assert {row.clinic for row in failover.acknowledged[SECOND]} == set(CLINICS)
        assert failover.second.read() == failover.pair.second().read()

    def test_every_row_is_found(self, failover: Failover) -> None:
        """By its blind index, whose key was made in the first region."""
        application = failover.pair.second()
        for region in (FIRST, SECOND):
            row = min(failover.acknowledged[region])
            assert application.find(row.ssn) == [row.id]

    def test_kms_calls_do_not_grow_with_rows(self, failover: Failover) -> None:
        """One for each data key that the application needed: the clinics', those of no tenant and the index key."""
        assert failover.calls <= len(CLINICS) + 3

    def test_a_tenant_that_needs_a_new_data_key_is_served(self, failover: Failover) -> None:
        """It is made with the second region's KMS and kept in what was the replica."""
        row = Row.of(-1, "new clinic")
        failover.pair.second().write(row)
        assert row in failover.pair.second().read()

    def test_a_key_rotated_just_before_is_used_after(self, failover: Failover) -> None:
        """It was made in the first region, which had no time to use it, and had arrived but was not to be seen yet."""
        until(lambda: time.time() > failover.rotated.created, "the key is old enough to be used")
        application = failover.pair.second()
        application.write(Row.of(-2, "clinic-0"))
        assert application.key_ids()[-2] == failover.rotated.key_id

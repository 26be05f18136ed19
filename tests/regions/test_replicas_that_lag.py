"""A failover to a replica that had not received all: acknowledged commits are lost, those of data keys among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import pytest
from sqlalchemy import create_engine, event

from fieldcrypt import Encryptor, EventKind, KeyRecord, _system
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.regions.replicated import FIRST, KINDS, POLICY, Pair, Region, Row, models, running
from tests.support.doubles import Later, until_idle

ROWS = 30
LOOK = 31.0  # seconds in which a young key that is in use is looked for in the key store


class Application(Region):
    """An application that reconnects to the database's new writer, and goes on with the keys that it has."""

    def __init__(self, pair: Pair) -> None:
        self.name, self.writer = FIRST, pair.primary
        self.engine = create_engine(pair.primary.url, pool_pre_ping=True)
        event.listen(self.engine, "do_connect", self._find)
        self.store = SqlKeyStore(self.engine)
        provider = AwsKmsKeyProvider(pair.key, regions=[FIRST], client_factory=pair.aws.kms)
        self.encryptor = Encryptor(provider, self.store, policy=POLICY)
        self.patient, self.note = models(self.encryptor)

    def _find(self, dialect: Any, record: Any, arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["port"] = self.writer.port


class Loss(NamedTuple):
    """What is left after it.

    Attributes:
        pair: of which the second server is the writer now.
        application: was there before, and is there still.
        rows: were acknowledged by the new writer at once.
    """

    pair: Pair
    application: Application
    rows: set[Row]

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """Make data keys that do not reach the replica, promote it, and write on."""
        application = Application(pair)
        pair.replica.catch_up()
        pair.replica.cut_off()
        application.write(Row.of(-1, "clinic"))
        pair.primary.kill()
        pair.replica.promote()
        application.writer = pair.replica
        rows = {Row.of(number, "clinic") for number in range(ROWS)}
        for row in sorted(rows):
            application.write(row)
        return cls(pair, application, rows)


@pytest.fixture(scope="class", params=KINDS)
def loss(request: pytest.FixtureRequest) -> Iterator[Loss]:
    """One failover, of which the tests tell one fact each, half a minute after it."""
    later = Later()
    with pytest.MonkeyPatch.context() as patch, running(request, synchronous=False) as pair:
        patch.setattr(_system, "monotonic", later.monotonic)
        loss = Loss.of(pair)
        later.advance(LOOK)
        loss.application.write(Row.of(ROWS, "clinic"))
        until_idle()
        yield loss


class TestFailover:
    def test_everybody_reads_what_was_written_afterwards(self, loss: Loss) -> None:
        """Though its data keys were lost with the old writer."""
        assert loss.pair.second().read() == loss.application.read() == {*loss.rows, Row.of(ROWS, "clinic")}

    def test_everybody_finds_it(self, loss: Loss) -> None:
        """Under the index key that was lost, too."""
        other = loss.pair.second()
        assert [other.find(row.ssn) for row in loss.rows] == [[row.id] for row in loss.rows]

    def test_each_record_is_put_back_once(self, loss: Loss) -> None:
        """The clinic's, that of no tenant, and the index key's; nobody had to make others."""
        assert loss.application.encryptor.stats().events[EventKind.RECORD_PUT_BACK] == 3
        records = [record for tenant in (None, "clinic") for record in loss.application.store.list(tenant)]
        assert len([record for record in records if isinstance(record, KeyRecord)]) == 3

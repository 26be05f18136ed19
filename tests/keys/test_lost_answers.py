"""DynamoKeyStore when an answer is lost: boto3 asks again by itself, and meets what it has written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from fieldcrypt import Encryptor, KeyStoreError, LocalKeyProvider
from fieldcrypt.testing import FaultyProxy
from fieldcrypt_dynamodb import DynamoKeyStore
from tests.keys.records import record, rewrapped, tombstone
from tests.support.dynamodb import FIRST, DynamoDb

CREDENTIALS: dict[str, Any] = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": FIRST}


class Behind:
    """A store of keys behind a proxy.

    Args:
        proxy: loses answers of a DynamoDB without tables.
    """

    def __init__(self, proxy: FaultyProxy) -> None:
        self._proxy = proxy
        self._losing = False
        self.store = DynamoKeyStore("data-keys", self._client)
        self.store.create_table()

    def lose_answer(self) -> None:
        """Have the next PutItem done, and its answer lost."""
        self._losing = True

    def _client(self, region: str | None) -> Any:
        """Make a client that makes three attempts, as that of production does."""
        config = Config(retries={"total_max_attempts": 3, "mode": "standard"})
        client = boto3.session.Session(**CREDENTIALS).client("dynamodb", endpoint_url=self._proxy.url, config=config)
        client.meta.events.register("before-send.dynamodb.PutItem", self._before)
        return client

    def _before(self, **_: Any) -> None:
        if self._losing:
            self._losing = False
            self._proxy.lose_answer()


@pytest.fixture
def behind(dynamodb: DynamoDb) -> Iterator[Behind]:
    """An empty store."""
    with FaultyProxy(dynamodb.endpoints[FIRST]) as proxy:
        yield Behind(proxy)


def test_a_record_that_was_added_is_added_once(behind: Behind) -> None:
    """What is in the way is the record itself."""
    behind.lose_answer()
    behind.store.add(record(1))
    assert list(behind.store.key_ids()) == [record(1).key_id]


def test_a_record_in_the_way_is_told(behind: Behind) -> None:
    """Whatever it differs in."""
    behind.store.add(record(1))
    for other in (record(1, "another"), rewrapped(record(1)), tombstone(record(1))):
        behind.lose_answer()
        with pytest.raises(KeyStoreError, match="already has"):
            behind.store.add(other)
    assert behind.store.get(record(1).key_id) == record(1)


def test_a_record_that_was_replaced_is_replaced(behind: Behind) -> None:
    """By the record that is there now."""
    behind.store.add(record(1))
    behind.lose_answer()
    assert behind.store.replace(record(1), rewrapped(record(1)))
    assert not behind.store.replace(record(1), rewrapped(record(1), b"third"))


def test_a_rotation_makes_one_key(behind: Behind) -> None:
    """It says that it has rotated, and does not have to be asked for again."""
    encryptor = Encryptor(LocalKeyProvider.generate(), behind.store)
    encryptor.field("a.b", str).encrypt("x", tenant="t")
    behind.lose_answer()
    rotated = encryptor.data_keys.rotate("t")
    assert len(list(behind.store.key_ids())) == 2
    assert rotated in behind.store.list("t")


def test_a_shredding_counts_what_it_destroyed(behind: Behind) -> None:
    """Also the key whose answer was lost."""
    encryptor = Encryptor(LocalKeyProvider.generate(), behind.store)
    encryptor.field("a.b", str).encrypt("x", tenant="t")
    behind.lose_answer()
    assert encryptor.data_keys.shred("t", by="ann") == 1

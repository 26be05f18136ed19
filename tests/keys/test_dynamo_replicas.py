"""`DynamoKeyStore.create_table(replicas=…)`: a table of key records in several regions."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from fieldcrypt import KeyStoreError, LocalKeyProvider
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_dynamodb.key_store import replicas
from tests.support.doubles import make_record
from tests.support.dynamodb import FIRST, SECOND, DynamoDb

THIRD = "ap-southeast-2"
TABLE = "data-keys"
RECORD = make_record(LocalKeyProvider.generate(), "clinic")


@pytest.fixture
def first(replicating: DynamoDb) -> DynamoKeyStore:
    return DynamoKeyStore(TABLE, replicating.client)


@pytest.fixture
def second(replicating: DynamoDb) -> DynamoKeyStore:
    return DynamoKeyStore(TABLE, lambda _: replicating.client(SECOND))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(replicas, "sleep", waited.append)
    return waited


class TestReplication:
    def test_a_record_of_either_region_is_in_the_other(self, first: DynamoKeyStore, second: DynamoKeyStore) -> None:
        """By its id, and in its tenant's list."""
        other = make_record(LocalKeyProvider.generate(), "clinic")
        first.create_table(replicas=[SECOND])
        first.add(RECORD)
        second.add(other)
        assert second.get(RECORD.key_id) == RECORD
        assert first.get(other.key_id) == other
        assert sorted(first.list("clinic")) == sorted(second.list("clinic")) == sorted([RECORD, other])

    def test_it_may_be_asked_for_again_in_any_region(self, first: DynamoKeyStore, second: DynamoKeyStore) -> None:
        """Every process of every region may do so at start-up, with the same list."""
        first.create_table(replicas=[FIRST, SECOND])
        first.add(RECORD)
        for store in (first, second):
            store.create_table(replicas=[FIRST, SECOND])
        assert second.get(RECORD.key_id) == RECORD

    def test_a_table_that_exists_takes_its_records_along(self, first: DynamoKeyStore, second: DynamoKeyStore) -> None:
        """It was made for one region, and used."""
        first.create_table()
        first.add(RECORD)
        first.create_table(replicas=[SECOND])
        assert second.get(RECORD.key_id) == RECORD

    def test_several_replicas_are_made(self, first: DynamoKeyStore, replicating: DynamoDb) -> None:
        """One after the other."""
        replicating.endpoints[THIRD] = replicating.endpoints[FIRST]
        first.create_table(replicas=[SECOND, THIRD])
        first.add(RECORD)
        for region in (SECOND, THIRD):
            store = DynamoKeyStore(TABLE, replicating.client, region=region)
            assert store.get(RECORD.key_id) == RECORD

    def test_its_stream_has_what_replicas_need(self, moto: DynamoDb) -> None:
        """The items before and after each change. moto makes no replica, and no stream of itself."""
        with pytest.raises(KeyStoreError):
            DynamoKeyStore(TABLE, moto.client).create_table(replicas=[SECOND])
        stream = moto.client().describe_table(TableName=TABLE)["Table"]["StreamSpecification"]
        assert stream == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}

    def test_a_table_in_the_way_is_an_error(self, first: DynamoKeyStore, second: DynamoKeyStore) -> None:
        """Two tables of one name cannot become one."""
        first.create_table()
        second.create_table()
        with pytest.raises(KeyStoreError, match="already existed"):
            first.create_table(replicas=[SECOND])

    def test_a_replica_that_does_not_appear_is_an_error(self, moto: DynamoDb, no_waiting: list[float]) -> None:
        """moto accepts the request and does nothing; the error comes after half a minute and names the region."""
        with pytest.raises(KeyStoreError, match=f"{TABLE} has no replica in {SECOND}"):
            DynamoKeyStore(TABLE, moto.client).create_table(replicas=[SECOND])
        assert 30 <= sum(no_waiting) <= 40

    def test_a_single_name_is_no_list(self) -> None:
        """Its letters are no regions."""
        with pytest.raises(TypeError, match="sequence of regions"):
            DynamoKeyStore(TABLE).create_table(replicas=SECOND)


class TestWaiting:
    """For a DynamoDB that takes its time, as AWS's does."""

    @pytest.fixture
    def client(self) -> Any:
        return boto3.client("dynamodb", FIRST, aws_access_key_id="x", aws_secret_access_key="y")

    def description(self, status: str, **replica: str) -> dict[str, Any]:
        listed = {"Replicas": [{"RegionName": SECOND, **replica}]} if replica else {}
        return {"Table": {"TableName": TABLE, "TableStatus": status, **listed}}

    def asked(self, stub: Stubber) -> None:
        update = {"TableName": TABLE, "ReplicaUpdates": [{"Create": {"RegionName": SECOND}}]}
        stub.add_response("update_table", {}, update)

    def test_a_stream_that_is_there_is_left_alone(self, client: Any) -> None:
        """When the table can be used."""
        ready = self.description("ACTIVE")
        ready["Table"]["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        with Stubber(client) as stub:
            stub.add_response("describe_table", self.description("CREATING"))
            stub.add_response("describe_table", ready)
            replicas.enable_streams(client, TABLE)
            stub.assert_no_pending_responses()

    def test_it_returns_when_the_replica_is_active(self, client: Any) -> None:
        """Asks for it once, and waits through all states that come before."""
        with Stubber(client) as stub:
            stub.add_response("describe_table", self.description("UPDATING"))
            stub.add_response("describe_table", self.description("ACTIVE"))
            self.asked(stub)
            stub.add_response("describe_table", self.description("ACTIVE"))
            stub.add_response("describe_table", self.description("UPDATING", ReplicaStatus="CREATING"))
            stub.add_response("describe_table", self.description("ACTIVE", ReplicaStatus="CREATING"))
            stub.add_response("describe_table", self.description("ACTIVE", ReplicaStatus="ACTIVE"))
            replicas.add_replica(client, TABLE, SECOND)
            stub.assert_no_pending_responses()

    def test_it_lets_another_process_finish(self, client: Any) -> None:
        """Who came first may have asked for the same replica, or for another."""
        with Stubber(client) as stub:
            stub.add_response("describe_table", self.description("ACTIVE"))
            stub.add_client_error("update_table", "ResourceInUseException")
            stub.add_response("describe_table", self.description("UPDATING"))
            stub.add_response("describe_table", self.description("ACTIVE"))
            self.asked(stub)
            stub.add_response("describe_table", self.description("ACTIVE", ReplicaStatus="ACTIVE"))
            replicas.add_replica(client, TABLE, SECOND)
            stub.assert_no_pending_responses()

    @pytest.mark.parametrize("status", ["CREATION_FAILED", "REGION_DISABLED", "REPLICATION_NOT_AUTHORIZED"])
    def test_a_failure_is_told(self, client: Any, status: str) -> None:
        """With DynamoDB's reason, and at once."""
        with Stubber(client) as stub:
            failed = self.description("ACTIVE", ReplicaStatus=status, ReplicaStatusDescription="no capacity")
            stub.add_response("describe_table", failed)
            with pytest.raises(KeyStoreError, match=rf"{SECOND}: {status}, no capacity"):
                replicas.add_replica(client, TABLE, SECOND)

    def test_a_replica_that_is_never_done_is_an_error(self, client: Any, no_waiting: list[float]) -> None:
        """After twenty minutes; it says in which state it was."""
        with Stubber(client) as stub:
            for _ in range(1_200):
                stub.add_response("describe_table", self.description("ACTIVE", ReplicaStatus="CREATING"))
            with pytest.raises(KeyStoreError, match="its status is CREATING"):
                replicas.add_replica(client, TABLE, SECOND)
        assert sum(no_waiting) == pytest.approx(1_200)

"""A key store in a DynamoDB table, which a global table replicates along with the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, ClassVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fieldcrypt import (
    ConfigurationError,
    KeyNotFoundError,
    KeyRecord,
    KeyStoreError,
    Purpose,
    Tombstone,
    read_record,
)
from fieldcrypt.spi.aws import Answer, classify
from fieldcrypt_dynamodb.key_store.replicas import add_replica, enable_streams
from fieldcrypt_dynamodb.lazy_client import ClientFactory, LazyClient

__all__ = ["CONFIG", "DynamoKeyStore"]

CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
_TENANT_INDEX = "by_tenant"

# An index cannot have empty keys, so the absence of a tenant is a value too, one that no tenant's can be.
_NO_TENANT = "no tenant"
_TENANT_PREFIX = "tenant:"
_CLAIM_PREFIX = "first key:"


class DynamoKeyStore:
    """Keeps key records in a DynamoDB table of their own.

    The table has the binary hash key `key_id` and a global secondary index `by_tenant` over the text `tenant`;
    `create_table` makes it. Records are read consistently. The index lags by some milliseconds; the claim of a tenant's
    first key does not (SPEC section 6), so that processes which start together in one region make one.

    IAM actions: `dynamodb:GetItem` and `dynamodb:PutItem` on the table, `dynamodb:Query` on its index;
    `dynamodb:Scan` for what goes over all keys (rewrap, repair, doctor, `keys list` and `export`);
    for `create_table` see there.

    Args:
        table: the table's name.
        client_factory: makes a boto3 DynamoDB client for a region, called at first use, again in a forked child, and
            again when the client has no credentials that work. Default: a client that waits 2 seconds for a connection,
            5 for an answer, and makes 3 attempts.
        region: of the client, if not the one that boto3 is configured for.

    Raises:
        ConfigurationError: there is no name.
    """

    __module__ = "fieldcrypt_dynamodb"  # what pickles call it, wherever it is defined

    keeps_claims: ClassVar[bool] = True

    def __init__(self, table: str, client_factory: ClientFactory | None = None, *, region: str | None = None) -> None:
        if not isinstance(table, str) or not table:
            raise ConfigurationError("DynamoKeyStore takes the name of a table")
        self.table = table
        self._client_factory, self._region = client_factory, region
        self._client = LazyClient(client_factory, region, CONFIG)

    def create_table(self, replicas: Sequence[str] = ()) -> None:
        """Make the table, billed per request, unless it exists, and its replicas; return when they can be used.

        With replicas it becomes a global table, version 2019.11.21, in which any region can be written to. Replicas
        are added one after the other, which takes minutes for each, and none is ever taken away. All regions may be
        named in all regions: this client's own counts as there already.

        Such tables are replicated in the background, so that a value may be in a region before its key (see
        `KeyPolicy.replication_wait` and `KeyStoreChain`). A table of multi-Region strong consistency
        (`MultiRegionConsistency="STRONG"`) acknowledges a record when another region has it too, and reads what any
        region acknowledged, at the price of slower first writes. It takes three regions, of which one may be a mere
        witness, and has to be made so while it is empty. Make it yourself, if that is what you need: what exists is
        used as it is.

        IAM actions: `dynamodb:CreateTable` and `dynamodb:DescribeTable`. For replicas also `dynamodb:UpdateTable`; in
        the regions of the replicas `dynamodb:CreateTable`, `dynamodb:CreateTableReplica`, `dynamodb:Query`,
        `dynamodb:Scan`, `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem`, `dynamodb:DeleteItem` and
        `dynamodb:BatchWriteItem`; and for the first global table of an account `iam:CreateServiceLinkedRole` for
        `replication.dynamodb.amazonaws.com`.

        Args:
            replicas: the other regions.

        Raises:
            TypeError: replicas is a single name.
            KeyStoreError: the table, or a replica, cannot be made.
        """
        if isinstance(replicas, str):
            raise TypeError("replicas is a sequence of regions, not a single one")
        self._create_table()
        with self._store_errors() as client:
            others = [region for region in replicas if region != client.meta.region_name]
            if others:
                enable_streams(client, self.table)
            for region in others:
                add_replica(client, self.table, region)

    def _create_table(self) -> None:
        with self._store_errors() as client:
            with suppress(client.exceptions.ResourceInUseException):  # it exists, or is being made elsewhere
                client.create_table(
                    TableName=self.table,
                    BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[
                        {"AttributeName": "key_id", "AttributeType": "B"},
                        {"AttributeName": "tenant", "AttributeType": "S"},
                    ],
                    KeySchema=[{"AttributeName": "key_id", "KeyType": "HASH"}],
                    GlobalSecondaryIndexes=[
                        {
                            "IndexName": _TENANT_INDEX,
                            "KeySchema": [{"AttributeName": "tenant", "KeyType": "HASH"}],
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ],
                )
            client.get_waiter("table_exists").wait(TableName=self.table, WaiterConfig={"Delay": 1})

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        """Return a record (see `KeyStore.get`). IAM action: `dynamodb:GetItem`."""
        with self._store_errors() as client:
            item = client.get_item(TableName=self.table, Key={"key_id": {"B": key_id}}, ConsistentRead=True).get("Item")
        if item is None:
            raise KeyNotFoundError(f"the key store {self._place()} has no key {key_id.hex()}")
        return _read(item)

    def add(self, record: KeyRecord | Tombstone) -> None:
        """Add a record (see `KeyStore.add`). IAM actions: `dynamodb:PutItem`; `dynamodb:GetItem` if one is there."""
        with self._store_errors() as client:
            try:
                client.put_item(
                    TableName=self.table, Item=_item(record), ConditionExpression="attribute_not_exists(key_id)"
                )
            except client.exceptions.ConditionalCheckFailedException:
                if not self._has(record):
                    raise KeyStoreError(f"the key store already has a key {record.key_id.hex()}") from None

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        """Return a tenant's records (see `KeyStore.list`). IAM action: `dynamodb:Query` on the index."""
        with self._store_errors() as client:
            pages = client.get_paginator("query").paginate(
                TableName=self.table,
                IndexName=_TENANT_INDEX,
                KeyConditionExpression="tenant = :tenant",
                ExpressionAttributeValues={":tenant": {"S": _tenant_key(tenant)}},
            )
            items = [item for page in pages for item in page["Items"]]
        return [_read(item) for item in items]

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        """Replace a record (see `KeyStore.replace`). IAM actions: as `add`."""
        with self._store_errors() as client:
            try:
                client.put_item(
                    TableName=self.table,
                    Item=_item(new),
                    ConditionExpression="#record = :record AND #state = :state",
                    ExpressionAttributeNames={"#record": "record", "#state": "state"},
                    ExpressionAttributeValues={":record": {"B": old.to_bytes()}, ":state": {"S": old.state.value}},
                )
            except client.exceptions.ConditionalCheckFailedException:
                return self._has(new)
        return True

    def _has(self, record: KeyRecord | Tombstone) -> bool:
        """Return True if just this record is there, after it was refused.

        boto3 sends a request again whose answer it did not get; what is in the way may be what the first one wrote.
        """
        with suppress(KeyNotFoundError):
            return self.get(record.key_id) == record
        return False

    def key_ids(self) -> Iterator[bytes]:
        """Yield all key ids (see `KeyStore.key_ids`). IAM action: `dynamodb:Scan`."""
        with self._store_errors() as client:
            pages = client.get_paginator("scan").paginate(
                TableName=self.table,
                ProjectionExpression="key_id",
                FilterExpression="NOT begins_with(tenant, :claim)",
                ExpressionAttributeValues={":claim": {"S": _CLAIM_PREFIX}},
                ConsistentRead=True,
            )
            for page in pages:
                yield from (bytes(item["key_id"]["B"]) for item in page["Items"])

    def get_claim(self, place: bytes) -> bytes | None:
        """Return a claim (see `ClaimingKeyStore.get_claim`). IAM action: `dynamodb:GetItem`."""
        with self._store_errors() as client:
            found = client.get_item(TableName=self.table, Key={"key_id": {"B": place}}, ConsistentRead=True)
        claim = found.get("Item", {}).get("claim", {}).get("B")
        return None if claim is None else bytes(claim)

    def put_claim(self, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        """Put a claim (see `ClaimingKeyStore.put_claim`). IAM action: `dynamodb:PutItem`."""
        if replacing is None:
            # Whatever is there and is no claim must not be in the way of one: no data key has this place.
            expected: dict[str, Any] = {"S": "B"}
            condition = "NOT attribute_type(claim, :expected)"
        else:
            condition, expected = "claim = :expected", {"B": replacing}
        with self._store_errors() as client:
            try:
                client.put_item(
                    TableName=self.table,
                    Item=_claim_item(place, claim),
                    ConditionExpression=condition,
                    ExpressionAttributeValues={":expected": expected},
                )
            except client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    @contextmanager
    def _store_errors(self) -> Iterator[Any]:
        client: Any = None
        try:
            client = self._client()
            yield client
        except (ClientError, BotoCoreError) as error:
            if classify(error) is Answer.CREDENTIALS:
                self._client.forget(client)  # it would look for no others
            raise KeyStoreError(f"the key store {self._place()} cannot be used: {error}") from error

    def _place(self) -> str:
        """Return which one this is: all replicas of a table have its name."""
        client = self._client.made
        return self.table if client is None else f"{self.table} in {client.meta.region_name}"

    def __reduce__(self) -> tuple[Any, ...]:
        make = DynamoKeyStore if self._region is None else partial(DynamoKeyStore, region=self._region)
        return make, (self.table, self._client_factory)

    def __repr__(self) -> str:
        return f"<DynamoKeyStore {self._place()}>"


def _tenant_key(tenant: str | None) -> str:
    return _NO_TENANT if tenant is None else _TENANT_PREFIX + tenant


def _item(record: KeyRecord | Tombstone) -> dict[str, Any]:
    return {
        "key_id": {"B": record.key_id},
        "tenant": {"S": _tenant_key(record.tenant)},
        "state": {"S": record.state.value},
        "record": {"B": record.to_bytes()},
    }


def _claim_item(place: bytes, claim: bytes) -> dict[str, Any]:
    """Return a claim as an item that those who know no claims pass over: a tombstone of what can be no tenant.

    They find it in a scan; no list has it, for the names of tenants begin with a prefix in the index.
    """
    tenant = _CLAIM_PREFIX + place.hex()
    stone = Tombstone(place, Purpose.ENCRYPTION, 0, tenant, 0, "fieldcrypt: no key, the claim of a first key", 1)
    return {
        "key_id": {"B": place},
        "tenant": {"S": tenant},
        "state": {"S": stone.state.value},
        "record": {"B": stone.to_bytes()},
        "claim": {"B": claim},
    }


def _read(item: dict[str, Any]) -> KeyRecord | Tombstone:
    try:
        key_id, data = bytes(item["key_id"]["B"]), bytes(item["record"]["B"])
        listed, state = item["tenant"]["S"], item["state"]["S"]
    except (KeyError, TypeError):
        raise KeyStoreError("the key store holds an item that is no key record") from None
    tenant = None if listed == _NO_TENANT else listed.removeprefix(_TENANT_PREFIX)
    return read_record(key_id, data, tenant=tenant, state=state)

"""Two regions with one DynamoDB global table, each with an application, a KMS and an endpoint of its own.

The table of data keys is a global table too, and nothing says which of the two a change reaches first. ministack
replicates at once; where a lag matters, a key store holds back what has arrived.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Barrier, Thread
from typing import Any, NamedTuple

import pytest
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import (
    Encryptor,
    KeyNotFoundError,
    KeyProviderError,
    KeyRecord,
    KeyStore,
    KeyStoreChain,
    KeyStoreError,
    Tombstone,
    _system,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import FaultyProxy, LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore, EncryptedTable, Protected, ProtectedTable
from fieldcrypt_dynamodb.key_store import replicas
from fieldcrypt_pynamodb import EncryptedAttribute
from tests.conftest import Clock
from tests.support.doubles import PATIENCE
from tests.support.dynamodb import FIRST, SECOND, DynamoDb
from tests.support.ministack import Ministack
from tests.support.wiretap import Secrets

SSN = "078-05-1120"
OTHER_SSN = "219-09-9999"
ACCOUNTS, KEYS = "accounts", "data-keys"
BOTH_WAYS = pytest.mark.parametrize(("here", "there"), [(FIRST, SECOND), (SECOND, FIRST)])


class World(NamedTuple):
    """Both regions.

    Attributes:
        aws: the regions' KMS.
        key: the ARN of the multi-Region key.
        dynamodb: the regions' DynamoDB, each behind a proxy.
        proxies: the proxies.
    """

    aws: LocalAws
    key: str
    dynamodb: DynamoDb
    proxies: dict[str, FaultyProxy]

    def application(self, region: str, store: KeyStore | None = None) -> Application:
        """Start an application in a region."""
        return Application(self, region, store or self.keys(region))

    def keys(self, region: str) -> DynamoKeyStore:
        """Return a region's key store."""
        return DynamoKeyStore(KEYS, self.dynamodb.client, region=region)

    @contextmanager
    def without(self, region: str) -> Iterator[None]:
        """Take a region away meanwhile: its KMS and its DynamoDB."""
        self.aws.cut(region)
        self.proxies[region].refuse()
        try:
            yield
        finally:
            self.aws.restore(region)
            self.proxies[region].healthy()


class Application:
    """What runs in one region, and calls no other one unless its key store does.

    Args:
        world: all regions.
        region: its own.
        store: where its data keys are.
    """

    def __init__(self, world: World, region: str, store: KeyStore) -> None:
        self.region = region
        self.encryptor = Encryptor(AwsKmsKeyProvider(world.key, regions=[region], client_factory=world.aws.kms), store)
        self._ssn = self.encryptor.field("accounts.ssn", str)
        self._index = self.encryptor.blind_index("accounts.ssn")
        self._client = world.dynamodb.client(region)
        self._resource = world.dynamodb.resource(region)
        self._meta = world.dynamodb.meta(ACCOUNTS, region)

    def write(self, account: str, ssn: str, tenant: str | None = None) -> None:
        """Put an item."""
        item = {"id": {"S": account}, "ssn": {"B": self._ssn.encrypt(ssn, tenant=tenant)}}
        self._client.put_item(TableName=ACCOUNTS, Item=item)

    def write_and_tag(self, account: str, ssn: str) -> None:
        """Put an item that can be found by its ssn."""
        item = {"id": {"S": account}, "ssn": {"B": self._ssn.encrypt(ssn)}, "tag": {"B": self._index.tag(ssn)}}
        self._client.put_item(TableName=ACCOUNTS, Item=item)

    def read(self, account: str, tenant: str | None = None) -> str:
        """Get an item, and decrypt it."""
        return self._ssn.decrypt(self.item(account)["ssn"]["B"], tenant=tenant)

    def item(self, account: str) -> dict[str, Any]:
        """Get an item as it is."""
        item: dict[str, Any] = self._client.get_item(TableName=ACCOUNTS, Key={"id": {"S": account}})["Item"]
        return item

    def find(self, ssn: str) -> set[str]:
        """Find the accounts that have an ssn."""
        found = set()
        for tag in self._index.tags(ssn):
            page = self._client.query(
                TableName=ACCOUNTS,
                IndexName="by_tag",
                KeyConditionExpression="tag = :tag",
                ExpressionAttributeValues={":tag": {"B": tag}},
            )
            found |= {item["id"]["S"] for item in page["Items"]}
        return found

    def table(self) -> EncryptedTable:
        """Return boto3's Table, which encrypts."""
        attributes = {"ssn": Protected(str, index="tag")}
        described = ProtectedTable(ACCOUNTS, self.encryptor, key=["id"], attributes=attributes)
        return EncryptedTable(self._resource.Table(ACCOUNTS), described)

    def model(self) -> Any:
        """Return a model of PynamoDB for the same table."""
        attributes = {
            "id": UnicodeAttribute(hash_key=True),
            "ssn": EncryptedAttribute(UnicodeAttribute(), self.encryptor),
        }
        return type("Account", (Model,), {"Meta": self._meta, **attributes})


@pytest.fixture(scope="module")
def proxies(ministack: Ministack) -> Iterator[dict[str, FaultyProxy]]:
    """An endpoint for each region."""
    with ExitStack() as stack:
        yield {region: stack.enter_context(FaultyProxy(ministack.url)) for region in (FIRST, SECOND)}


@pytest.fixture
def world(
    aws: LocalAws,
    kms_key: str,
    proxies: dict[str, FaultyProxy],
    secrets: Secrets,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """Both regions, with empty tables."""
    monkeypatch.setattr(replicas, "sleep", lambda _: None)
    with DynamoDb({region: proxy.url for region, proxy in proxies.items()}) as dynamodb:
        world = World(aws, kms_key, dynamodb, proxies)
        world.keys(FIRST).create_table(replicas=[SECOND])
        create_accounts(dynamodb.client())
        yield world


def create_accounts(client: Any) -> None:
    """Make the global table of the data."""
    client.create_table(
        TableName=ACCOUNTS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "tag", "AttributeType": "B"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_tag",
                "KeySchema": [{"AttributeName": "tag", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    client.update_table(TableName=ACCOUNTS, ReplicaUpdates=[{"Create": {"RegionName": SECOND}}])


class TestBothRegions:
    """While all is well."""

    @BOTH_WAYS
    def test_what_one_region_writes_the_other_reads(self, world: World, here: str, there: str) -> None:
        """With its own KMS and its own endpoint: the writer's are gone by then."""
        world.application(here).write("ann", SSN, tenant="clinic-7")
        with world.without(here):
            assert world.application(there).read("ann", tenant="clinic-7") == SSN

    @BOTH_WAYS
    def test_what_a_model_writes_in_one_region_a_model_reads_in_the_other(
        self, world: World, here: str, there: str
    ) -> None:
        """PynamoDB, the same way."""
        world.application(here).model()("ann", ssn=SSN).save()
        with world.without(here):
            assert world.application(there).model().get("ann").ssn == SSN

    @BOTH_WAYS
    def test_what_a_table_puts_in_one_region_is_got_found_and_updated_in_the_other(
        self, world: World, here: str, there: str
    ) -> None:
        """By boto3's Table, bound to its item, when the region that wrote it is lost."""
        world.application(here).table().put_item(Item={"id": "ann", "ssn": SSN})
        ann, by_ssn = {"id": "ann"}, {"IndexName": "by_tag", "KeyConditionExpression": Key("ssn").eq(SSN)}
        with world.without(here):
            table = world.application(there).table()
            assert table.get_item(Key=ann)["Item"] == {"id": "ann", "ssn": SSN}
            assert table.query(**by_ssn)["Items"] == [{"id": "ann", "ssn": SSN}]
            new = {"UpdateExpression": "SET ssn = :ssn", "ExpressionAttributeValues": {":ssn": OTHER_SSN}}
            table.update_item(Key=ann, **new)
        assert world.application(here).table().get_item(Key=ann)["Item"]["ssn"] == OTHER_SSN
        assert world.application(here).table().query(**by_ssn)["Items"] == []

    def test_models_and_items_are_the_same_field(self, world: World) -> None:
        """What boto3 puts in one region PynamoDB gets in the other, and the other way round."""
        world.application(FIRST).write("ann", SSN)
        second = world.application(SECOND)
        assert second.model().get("ann").ssn == SSN
        second.model()("bob", ssn=OTHER_SSN).save()
        assert world.application(FIRST).read("bob") == OTHER_SSN

    def test_a_key_of_one_region_serves_writers_of_the_other(self, world: World) -> None:
        """A tenant that has a key gets no second one."""
        first, second = world.application(FIRST), world.application(SECOND)
        first.write("ann", SSN, tenant="clinic-7")
        second.write("bob", OTHER_SSN, tenant="clinic-7")
        assert first.item("ann")["ssn"]["B"][1:17] == second.item("bob")["ssn"]["B"][1:17]

    @BOTH_WAYS
    def test_what_is_tagged_in_one_region_is_found_in_the_other(self, world: World, here: str, there: str) -> None:
        """Blind indexes of both regions have the same key."""
        world.application(here).write_and_tag("ann", SSN)
        with world.without(here):
            assert world.application(there).find(SSN) == {"ann"}
            assert world.application(there).find(OTHER_SSN) == set()


class Meeting(DynamoKeyStore):
    """A region's key store that shows to each of two processes what there was before either made a key.

    Args:
        world: all regions.
        region: its own.
        barrier: where they meet when they have looked for the first time.
    """

    def __init__(self, world: World, region: str, barrier: Barrier) -> None:
        super().__init__(KEYS, world.dynamodb.client, region=region)
        self._barrier: Barrier | None = barrier

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        listed = super().list(tenant)
        if self._barrier is not None:
            barrier, self._barrier = self._barrier, None
            barrier.wait(PATIENCE)
        return listed


class TestAtTheSameMoment:
    """Both regions make a key that there should be one of."""

    def at_once(self, world: World, work: Any) -> None:
        """Do work in an application of each region, neither of which sees keys of the other in time."""
        barrier = Barrier(2)
        threads = [
            Thread(target=work, args=(world.application(region, Meeting(world, region, barrier)),))
            for region in (FIRST, SECOND)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)

    def test_both_first_keys_of_a_tenant_live(self, world: World) -> None:
        """One of each region, or one alone if its claim arrives in time; all values are read everywhere."""
        self.at_once(world, lambda application: application.write(application.region, SSN, tenant="new"))
        assert len(world.keys(FIRST).list("new")) in (1, 2)
        for region in (FIRST, SECOND):
            application = world.application(region)
            assert [application.read(account, tenant="new") for account in (FIRST, SECOND)] == [SSN, SSN]

    def test_they_agree_on_one_of_them_afterwards(self, world: World) -> None:
        """Both regions go on under the same key."""
        self.at_once(world, lambda application: application.write(application.region, SSN, tenant="new"))
        ids = set()
        for region in (FIRST, SECOND):
            application = world.application(region)
            application.write("later", OTHER_SSN, tenant="new")
            ids.add(application.item("later")["ssn"]["B"][1:17])
        assert len(ids) == 1

    def test_what_both_tagged_is_found_everywhere(self, world: World) -> None:
        """Though each made the first index key."""
        self.at_once(world, lambda application: application.write_and_tag(application.region, SSN))
        for region in (FIRST, SECOND):
            assert world.application(region).find(SSN) == {FIRST, SECOND}


class HeldBack(DynamoKeyStore):
    """A region's key store in which records are not to be seen until they are released."""

    def __init__(self, world: World, region: str) -> None:
        super().__init__(KEYS, world.dynamodb.client, region=region)
        self.released = False

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        if not self.released:
            raise KeyNotFoundError(f"the key store {KEYS} has no key {key_id.hex()} yet")
        return super().get(key_id)


class TestAValueBeforeItsKey:
    """The table of data was faster than the table of keys."""

    def test_its_key_is_waited_for(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The record arrives while the reader pauses."""
        world.application(FIRST).write("ann", SSN)
        keys = HeldBack(world, SECOND)
        monkeypatch.setattr(_system, "sleep", lambda _: setattr(keys, "released", True))
        with world.without(FIRST):
            assert world.application(SECOND, keys).read("ann") == SSN

    def test_its_key_is_read_in_the_region_that_it_comes_from(self, world: World, clock: Clock) -> None:
        """If the key store of that is in the chain; nobody waits."""
        world.application(FIRST).write("ann", SSN)
        start = clock.now
        chain = KeyStoreChain(HeldBack(world, SECOND), world.keys(FIRST))
        assert world.application(SECOND, chain).read("ann") == SSN
        assert clock.now == start

    def test_a_key_that_does_not_come_is_a_clear_error(self, world: World, clock: Clock) -> None:
        """It names the key and the store, and says what may be the matter."""
        world.application(FIRST).write("ann", SSN)
        application = world.application(SECOND, HeldBack(world, SECOND))
        key_id = application.item("ann")["ssn"]["B"][1:17].hex()
        with pytest.raises(KeyNotFoundError, match=rf"{KEYS} has no key {key_id} yet.*replicated.*waited 2\.0 s"):
            application.read("ann")

    def test_a_key_whose_region_was_lost_with_it_is_a_clear_error(self, world: World, clock: Clock) -> None:
        """It says too that the other region was asked, and does not answer."""
        world.application(FIRST).write("ann", SSN)
        chain = KeyStoreChain(HeldBack(world, SECOND), world.keys(FIRST))
        with (
            world.without(FIRST),
            pytest.raises(KeyNotFoundError, match=rf"yet; the key store {KEYS} in {FIRST} cannot"),
        ):
            world.application(SECOND, chain).read("ann")

    def test_it_is_read_as_soon_as_its_key_is_here(self, world: World, clock: Clock) -> None:
        """By the same application, though it waited in vain before."""
        world.application(FIRST).write("ann", SSN)
        keys = HeldBack(world, SECOND)
        application = world.application(SECOND, keys)
        with pytest.raises(KeyNotFoundError):
            application.read("ann")
        keys.released = True
        assert application.read("ann") == SSN

    def test_a_tag_before_its_index_key_is_found_later(self, world: World) -> None:
        """A search in the other region finds nothing until the key is here, and then what was tagged."""
        world.application(FIRST).write_and_tag("ann", SSN)

        class Unlisted(HeldBack):
            def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
                return super().list(tenant) if self.released else []

        keys = Unlisted(world, SECOND)
        application = world.application(SECOND, keys)
        assert application.find(SSN) == set()
        keys.released = True
        assert application.find(SSN) == {"ann"}


class TestALostRegion:
    """Its KMS and its DynamoDB do not answer any more."""

    def test_nothing_works_in_it(self, world: World) -> None:
        """Neither its data nor its keys can be had; or these tests would prove nothing."""
        first = world.application(FIRST)
        first.write("ann", SSN)
        data = first.item("ann")["ssn"]["B"]
        with world.without(FIRST):
            with pytest.raises((EndpointConnectionError, ConnectionClosedError)):  # a kept connection may be cut
                first.item("ann")
            with pytest.raises(KeyStoreError):
                world.application(FIRST).encryptor.field("accounts.ssn", str).decrypt(data)
            with pytest.raises(KeyProviderError):
                world.application(FIRST, world.keys(SECOND)).encryptor.field("accounts.ssn", str).decrypt(data)

    def test_the_other_goes_on_reading(self, world: World) -> None:
        """Also an application that starts then, under keys that the lost region made."""
        world.application(FIRST).write("ann", SSN, tenant="clinic-7")
        with world.without(FIRST):
            assert world.application(SECOND).read("ann", tenant="clinic-7") == SSN

    def test_the_other_goes_on_writing(self, world: World) -> None:
        """For a tenant of the lost region, and for one that needs its first key."""
        world.application(FIRST).write("ann", SSN, tenant="clinic-7")
        with world.without(FIRST):
            second = world.application(SECOND)
            for tenant in ("clinic-7", "new"):
                second.write(tenant, OTHER_SSN, tenant=tenant)
                assert world.application(SECOND).read(tenant, tenant=tenant) == OTHER_SSN

    def test_a_chain_with_the_lost_region_does_no_harm(self, world: World) -> None:
        """Reading, writing and making keys go on in the own region."""
        with world.without(FIRST):
            second = world.application(SECOND, KeyStoreChain(world.keys(SECOND), world.keys(FIRST)))
            second.write("ann", SSN, tenant="new")
            assert world.application(SECOND).read("ann", tenant="new") == SSN

    def test_a_chain_reads_keys_while_the_own_table_of_keys_is_lost(self, world: World) -> None:
        """If KMS and data can be reached. The key is one that this application has not had yet."""
        world.application(FIRST).write("ann", SSN)
        application = world.application(SECOND, KeyStoreChain(world.keys(SECOND), world.keys(FIRST)))
        data = application.item("ann")["ssn"]["B"]
        world.proxies[SECOND].refuse()
        try:
            assert application.encryptor.field("accounts.ssn", str).decrypt(data) == SSN
        finally:
            world.proxies[SECOND].healthy()

    def test_it_comes_back_and_reads_what_was_written_meanwhile(self, world: World) -> None:
        """With the applications that it had."""
        first = world.application(FIRST)
        first.write("ann", SSN, tenant="clinic-7")
        with world.without(FIRST):
            world.application(SECOND).write("bob", OTHER_SSN, tenant="new")
        assert first.read("bob", tenant="new") == OTHER_SSN

"""Tags as (part of) the primary key: items are put, got, written and deleted by the protected value itself."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyPolicy,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
)
from fieldcrypt.keys.index.choice import settling_time
from fieldcrypt_dynamodb import (
    EncryptedTable,
    Entity,
    IndexedBy,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    of_entity,
    of_tenant,
)
from tests.conftest import Clock
from tests.dynamodb.shop import EMAIL
from tests.dynamodb.shop import encryptor as encryptor
from tests.dynamodb.shop import plain as plain
from tests.support.dynamodb import DynamoDb

BOB = "bob@example.org"
KEY = {"email": EMAIL, "SK": "PROFILE"}
ITEM = {**KEY, "org": "acme", "name": "Ada Lovelace"}


def users(**index: Any) -> dict[str, Any]:
    return {
        "email": Protected(str, index=IndexedBy("PK", **{"prefix": "EMAIL#", "rotates": False, **index})),
        "name": str,
    }


@pytest.fixture
def table(plain: Any, encryptor: Encryptor) -> EncryptedTable:
    """Of users alone."""
    return EncryptedTable(plain, ProtectedTable("app-prod", encryptor, key=("PK", "SK"), attributes=users()))


@pytest.fixture
def app(plain: Any, encryptor: Encryptor) -> EncryptedTable:
    """Of users and memos."""
    entities = {"user": Entity(users(), key={"SK": "PROFILE"}), "memo": Entity(key={"PK": "DOC#*"})}
    return EncryptedTable(plain, ProtectedTable("app-prod", encryptor, key=("PK", "SK"), entities=entities))


class TestOperations:
    """With the protected attribute in keys, in place of what the table has."""

    def test_an_item_is_put_and_got_by_its_value(self, table: EncryptedTable, plain: Any) -> None:
        """The key has its tag alone, which does not come back."""
        table.put_item(Item=ITEM)
        assert table.get_item(Key=KEY)["Item"] == ITEM
        assert "Item" not in table.get_item(Key={**KEY, "email": BOB})
        (stored,) = plain.scan()["Items"]
        assert len(stored["PK"].removeprefix("EMAIL#")) == 32

    def test_one_value_has_one_item(self, table: EncryptedTable) -> None:
        """A put takes the place of another one, unless a condition says otherwise."""
        table.put_item(Item=ITEM)
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            table.put_item(Item=ITEM, ConditionExpression=Attr("email").not_exists())
        table.put_item(Item={**ITEM, "name": "Augusta Ada"})
        assert table.scan()["Items"] == [{**ITEM, "name": "Augusta Ada"}]

    def test_an_item_is_updated_and_deleted_by_its_value(self, table: EncryptedTable) -> None:
        """What is encrypted is bound to the tag."""
        table.put_item(Item=ITEM)
        new = table.update_item(
            Key=KEY,
            UpdateExpression="SET #n = :n",
            ExpressionAttributeNames={"#n": "name"},
            ExpressionAttributeValues={":n": "Countess"},
            ReturnValues="ALL_NEW",
        )
        assert new["Attributes"] == {**ITEM, "name": "Countess"} == table.get_item(Key=KEY)["Item"]
        assert table.delete_item(Key=KEY, ReturnValues="ALL_OLD")["Attributes"] == {**ITEM, "name": "Countess"}
        assert table.scan()["Items"] == []

    def test_batches_and_transactions_take_values_in_keys(self, table: EncryptedTable) -> None:
        """As all requests do."""
        client, bob = table.meta.client, {**KEY, "email": BOB}
        with table.batch_writer(overwrite_by_pkeys=["email", "SK"]) as batch:
            batch.put_item(Item={**ITEM, "name": "nobody"})
            batch.put_item(Item=ITEM)
            batch.put_item(Item={**ITEM, **bob})
        client.transact_write_items(TransactItems=[{"Delete": {"TableName": "app-prod", "Key": bob}}])
        found = client.batch_get_item(RequestItems={"app-prod": {"Keys": [KEY, bob]}})["Responses"]["app-prod"]
        assert found == [ITEM]
        answer = client.transact_get_items(TransactItems=[{"Get": {"TableName": "app-prod", "Key": KEY}}])
        assert answer["Responses"][0]["Item"] == ITEM

    def test_an_item_is_queried_by_its_value(self, table: EncryptedTable) -> None:
        """The tag is the hash key of the table."""
        table.put_item(Item=ITEM)
        profile = Key("email").eq(EMAIL) & Key("SK").eq("PROFILE")
        assert table.query(KeyConditionExpression=profile)["Items"] == [ITEM]
        assert table.scan(FilterExpression=Attr("email").eq(EMAIL), ProjectionExpression="org")["Items"] == [
            {"org": "acme"}
        ]

    def test_pages_go_on_after_tags(self, table: EncryptedTable) -> None:
        """What DynamoDB says is the last key is where it goes on."""
        for email in (EMAIL, BOB):
            table.put_item(Item={**ITEM, "email": email})
        first = table.scan(Limit=1)
        second = table.scan(ExclusiveStartKey=first["LastEvaluatedKey"])
        assert {item["email"] for item in first["Items"] + second["Items"]} == {EMAIL, BOB}

    def test_a_key_that_a_response_has_can_be_used(self, table: EncryptedTable, plain: Any) -> None:
        """It has a tag, and no value."""
        table.put_item(Item=ITEM)
        (stored,) = plain.scan()["Items"]
        assert table.get_item(Key={name: stored[name] for name in ("PK", "SK")})["Item"] == ITEM

    def test_a_binary_tag_is_a_key_too(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """Of a table whose key is nothing else."""
        plain = dynamodb.resource().create_table(
            TableName="people",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "B"}],
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
        )
        people = ProtectedTable("people", encryptor, key=("PK",), attributes=users(prefix=None))
        table = EncryptedTable(plain, people)
        table.put_item(Item={"email": EMAIL, "name": "Ada"})
        assert table.get_item(Key={"email": EMAIL})["Item"] == {"email": EMAIL, "name": "Ada"}

    def test_entities_beside_it_have_keys_of_their_own(self, app: EncryptedTable) -> None:
        """A user is told by what its tag is made of."""
        memo = {"PK": "DOC#6", "SK": "2026", "note": "buy tea"}
        for item in (ITEM, memo):
            app.put_item(Item=item)
        assert app.get_item(Key=KEY)["Item"] == ITEM
        assert app.get_item(Key={"PK": "DOC#6", "SK": "2026"})["Item"] == memo
        assert of_entity(app, "user").scan()["Items"] == [ITEM]
        found = []
        start: dict[str, Any] = {}
        while True:
            page = of_entity(app, "user").scan(Limit=1, **start)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert found == [ITEM]
        app.delete_item(Key=KEY)
        assert app.scan()["Items"] == [memo]


class TestRefusals:
    """What would send a value in a key, or lose the item."""

    def test_a_value_in_place_of_a_tag_is_not_sent(self, table: EncryptedTable, app: EncryptedTable) -> None:
        """With the prefix or without it."""
        for key in ({"PK": EMAIL, "SK": "PROFILE"}, {"PK": f"EMAIL#{EMAIL}", "SK": "PROFILE"}, {**KEY, "PK": "X"}):
            with pytest.raises(ProtectedAttributeError):
                table.get_item(Key=key)
            with pytest.raises(ProtectedAttributeError):
                app.delete_item(Key=key)
        with pytest.raises(ProtectedAttributeError, match="filled by fieldcrypt"):
            table.put_item(Item={**ITEM, "PK": f"EMAIL#{EMAIL}"})

    def test_the_value_in_the_key_is_not_updated(self, table: EncryptedTable) -> None:
        """The item would be another one."""
        with pytest.raises(ProtectedAttributeError, match="in the key of the item"):
            table.update_item(Key=KEY, UpdateExpression="SET email = :e", ExpressionAttributeValues={":e": BOB})

    @pytest.mark.parametrize("condition", [{}, {"ConditionExpression": "attribute_not_exists(org) OR visits = :n"}])
    def test_an_update_makes_no_item_without_the_value(
        self, table: EncryptedTable, app: EncryptedTable, condition: dict[str, Any]
    ) -> None:
        """The tag does not tell the value, by which alone the item is found."""
        visits = {"UpdateExpression": "SET visits = :n", "ExpressionAttributeValues": {":n": 1}}
        for each in (table, app):
            with pytest.raises(ClientError, match="ConditionalCheckFailed"):
                each.update_item(Key=KEY, **visits, **condition)
            assert each.scan()["Items"] == []

    def test_an_item_without_the_value_is_not_put(self, table: EncryptedTable) -> None:
        """Nor with NULL, of which there is no tag."""
        with pytest.raises(ProtectedAttributeError, match="PK"):
            table.put_item(Item={"SK": "PROFILE", "name": "Ada"})
        with pytest.raises(ProtectedAttributeError, match="NULL"):
            table.put_item(Item={**ITEM, "email": None})

    @pytest.mark.parametrize(
        ("index", "what"),
        [({"rotates": True}, "rotates=False"), ({"tag_size": 8}, "16 bytes")],
        ids=["rotates", "short"],
    )
    def test_a_tag_that_does_not_stay_or_tell_is_no_key(
        self, encryptor: Encryptor, index: dict[str, Any], what: str
    ) -> None:
        """It has to be said in words that index keys do not rotate for it."""
        with pytest.raises(ConfigurationError, match=what):
            ProtectedTable("app-prod", encryptor, key=("PK", "SK"), attributes=users(**index))

    def test_values_are_bound_to_their_item(self, encryptor: Encryptor) -> None:
        """Else whoever writes to the table could have one got by the value of another."""
        with pytest.raises(ConfigurationError, match="bound"):
            ProtectedTable("app-prod", encryptor, key=("PK", "SK"), attributes=users(), bound=False)

    def test_tags_among_the_keys_of_others_have_a_prefix(self, encryptor: Encryptor) -> None:
        """By which they are told from these."""
        two = {"user": Entity(users(prefix=None), key={"SK": "PROFILE"}), "memo": Entity(key={"PK": "DOC#*"})}
        with pytest.raises(ConfigurationError, match="prefix"):
            ProtectedTable("app-prod", encryptor, key=("PK", "SK"), entities=two)

    def test_an_item_that_was_copied_to_the_tag_of_another_is_not_read(self, table: EncryptedTable, plain: Any) -> None:
        """Its values are bound to its own tag."""
        for email in (EMAIL, BOB):
            table.put_item(Item={**ITEM, "email": email})
        ada, bob = (
            plain.query(KeyConditionExpression=Key("PK").eq(self.tag(table, email)))["Items"][0]
            for email in (EMAIL, BOB)
        )
        plain.put_item(Item={**bob, "PK": ada["PK"]})
        with pytest.raises(DecryptionError):
            table.get_item(Key=KEY)

    def tag(self, table: EncryptedTable, email: str) -> str:
        key: dict[str, str] = table._requests.items.stored_key({"email": email})
        return key["PK"]

    def test_tags_per_tenant_need_the_tenant(self, plain: Any, encryptor: Encryptor) -> None:
        """Named, or in the item."""
        described = ProtectedTable(
            "app-prod", encryptor, key=("PK", "SK"), tenant="org", attributes=users(per_tenant=True)
        )
        table = EncryptedTable(plain, described)
        table.put_item(Item=ITEM)
        with pytest.raises(ProtectedAttributeError, match="of_tenant"):
            table.get_item(Key=KEY)
        assert of_tenant(table, "acme").get_item(Key=KEY)["Item"] == ITEM
        assert "Item" not in of_tenant(table, "umbrella").get_item(Key=KEY)


def test_an_item_is_found_after_index_keys_were_rotated(plain: Any, clock: Clock) -> None:
    """And is no second one: its tag stays under the first key."""
    policy = KeyPolicy()
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=policy)
    table = EncryptedTable(plain, ProtectedTable("app-prod", encryptor, key=("PK", "SK"), attributes=users()))
    table.put_item(Item=ITEM)
    encryptor.data_keys.rotate(None, Purpose.BLIND_INDEX)
    assert encryptor.blind_index("users.email", str).unsettled_until(None) is not None
    assert encryptor.blind_index("users.email", str, rotates=False).unsettled_until(None) is None
    clock.advance(2 * settling_time(policy).total_seconds())
    assert table.get_item(Key=KEY)["Item"] == ITEM
    table.put_item(Item={**ITEM, "name": "Countess"})
    assert table.query(KeyConditionExpression=Key("email").eq(EMAIL))["Items"] == [{**ITEM, "name": "Countess"}]
    assert len(plain.scan()["Items"]) == 1

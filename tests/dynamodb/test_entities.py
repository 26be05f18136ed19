"""One table for several entities: each item is what its entity says, and can be taken for no other one."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from fieldcrypt import DecryptionError, Encryptor
from fieldcrypt_dynamodb import EncryptedTable, Entity, ProtectedAttributeError, ProtectedTable, of_entity, of_tenant
from tests.dynamodb.plaintext import SOON
from tests.dynamodb.shop import (
    EMAIL,
    INVOICE,
    INVOICE_KEY,
    ITEMS,
    MEMO_KEY,
    ORDER,
    ORDER_KEY,
    PRODUCT,
    PRODUCT_KEY,
    USER,
    USER_KEY,
)
from tests.dynamodb.shop import description as description
from tests.dynamodb.shop import encryptor as encryptor
from tests.dynamodb.shop import filled as filled
from tests.dynamodb.shop import plain as plain
from tests.dynamodb.shop import table as table


def by_key(items: Any) -> list[Any]:
    return sorted(items, key=lambda item: (item["PK"], item["SK"]))


def got(table: EncryptedTable, key: dict[str, Any]) -> Any:
    return table.get_item(Key=key)["Item"]


class TestItems:
    """What was put comes back, by every way."""

    @pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["PK"])
    def test_an_item_of_each_entity_comes_back(self, filled: EncryptedTable, item: dict[str, Any]) -> None:
        """The same name may be protected in one, and plain in another."""
        assert got(filled, {name: item[name] for name in ("PK", "SK")}) == item

    def test_only_what_an_entity_protects_is_encrypted(self, filled: EncryptedTable, plain: Any) -> None:
        """A user's name is, and a product's is not."""
        assert plain.get_item(Key=PRODUCT_KEY)["Item"] == PRODUCT
        stored = plain.get_item(Key=USER_KEY)["Item"]
        assert {name for name in stored if stored[name] != USER.get(name)} == {"name", "email", "GSI1PK"}

    def test_fields_are_named_by_entity(self, filled: EncryptedTable, plain: Any, encryptor: Encryptor) -> None:
        """As SPEC section 2 says; the context is that of the key."""
        stored = plain.get_item(Key=USER_KEY)["Item"]["name"].value
        context = {"row.1": "USER#1", "row.2": "PROFILE"}
        assert encryptor.field("app.user.name", str).decrypt(stored, tenant="acme", context=context) == "Ada Lovelace"

    def test_a_scan_and_an_item_collection_are_decrypted_item_by_item(self, filled: EncryptedTable) -> None:
        """Each by its entity."""
        assert by_key(filled.scan()["Items"]) == by_key(ITEMS)
        assert filled.query(KeyConditionExpression=Key("PK").eq("USER#1"))["Items"] == [ORDER, USER]

    def test_projections_read_what_tells_the_entity(self, filled: EncryptedTable) -> None:
        """And give what was asked for alone."""
        found = filled.scan(ProjectionExpression="#n", ExpressionAttributeNames={"#n": "name"})["Items"]
        assert sorted(filter(None, (item.get("name") for item in found))) == ["Ada Lovelace", "analytical engine"]
        assert {name for item in found for name in item} == {"name"}

    def test_batches_and_transactions_take_items_of_all_entities(self, table: EncryptedTable) -> None:
        """What is written and read at once."""
        client = table.meta.client
        with table.batch_writer() as batch:
            for item in ITEMS[:3]:
                batch.put_item(Item=item)
        client.transact_write_items(
            TransactItems=[{"Put": {"TableName": "app-prod", "Item": item}} for item in ITEMS[3:]]
        )
        keys = [{name: item[name] for name in ("PK", "SK")} for item in ITEMS]
        found = client.batch_get_item(RequestItems={"app-prod": {"Keys": keys}})["Responses"]["app-prod"]
        assert by_key(found) == by_key(ITEMS)
        gets = [{"Get": {"TableName": "app-prod", "Key": key}} for key in keys]
        answers = client.transact_get_items(TransactItems=gets)["Responses"]
        assert [answer["Item"] for answer in answers] == ITEMS

    def test_one_item_is_encrypted_and_decrypted_without_a_table(self, description: ProtectedTable) -> None:
        """By its entity."""
        for item in ITEMS:
            assert description.decrypt_item(description.encrypt_item(item)) == item

    def test_a_tenant_is_asked_for_only_where_something_is_encrypted(self, table: EncryptedTable) -> None:
        """An order without an address is plain."""
        order = {**ORDER_KEY, "total": 5}
        table.put_item(Item=order)
        assert got(table, ORDER_KEY) == order
        with pytest.raises(ProtectedAttributeError, match="org"):
            table.put_item(Item={**order, "address": "somewhere"})


class Reversed:
    """Reads items whose texts another scheme reversed."""

    def recognises(self, item: Any) -> bool:
        """By an attribute that it adds."""
        return "scheme" in item

    def read(self, item: Any) -> Any:
        """Without that."""
        name = item["name"]
        return {**{key: item[key] for key in ("PK", "SK", "org")}, "name": {"S": name["B"][::-1].decode()}}


def test_items_of_another_scheme_are_read_as_their_entity(plain: Any, encryptor: Encryptor) -> None:
    """Which their key tells."""
    user = Entity({"name": str}, key={"SK": "PROFILE"}, tenant="org", accept=[Reversed()], accept_until=SOON)
    entities = {"user": user, "memo": Entity(key={"SK": "MEMO"})}
    table = EncryptedTable(plain, ProtectedTable("app-prod", encryptor, key=("PK", "SK"), entities=entities))
    plain.put_item(Item={**USER_KEY, "org": "acme", "name": b"adA", "scheme": 1})
    assert got(table, USER_KEY) == {**USER_KEY, "org": "acme", "name": "Ada"}


class TestWrites:
    """A write is one of the entity that its key tells, or its caller; what is stored does not tell it."""

    def test_an_update_by_key_encrypts_as_the_entity(self, filled: EncryptedTable, plain: Any) -> None:
        """The form of the key tells it; its tenant is named."""
        update = {"UpdateExpression": "SET address = :a", "ExpressionAttributeValues": {":a": "6 Dorset Street"}}
        of_tenant(filled, "acme").update_item(Key=ORDER_KEY, **update)
        assert got(filled, ORDER_KEY)["address"] == "6 Dorset Street"
        assert isinstance(plain.get_item(Key=ORDER_KEY)["Item"]["address"].value, bytes)

    def test_an_update_where_several_are_possible_has_to_name_one(self, filled: EncryptedTable) -> None:
        """An invoice, or a memo: the stored type is no word on it."""
        update = {"UpdateExpression": "SET iban = :i", "ExpressionAttributeValues": {":i": "DE02120300000000202051"}}
        with pytest.raises(ProtectedAttributeError, match="of_entity"):
            filled.update_item(Key=INVOICE_KEY, **update)
        with pytest.raises(ProtectedAttributeError, match="of_entity"):
            filled.delete_item(Key=MEMO_KEY)
        of_entity(filled, "invoice").update_item(Key=INVOICE_KEY, **update)
        assert got(filled, INVOICE_KEY)["iban"] == "DE02120300000000202051"

    def test_an_update_of_what_an_attribute_tells_holds_only_if_it_is_so(self, filled: EncryptedTable) -> None:
        """A memo is no invoice, whoever says so; nor is an item that does not exist."""
        update = {"UpdateExpression": "SET note = :n", "ExpressionAttributeValues": {":n": "seen"}}
        for key in (MEMO_KEY, {**MEMO_KEY, "SK": "1843"}):
            with pytest.raises(ClientError, match="ConditionalCheckFailed"):
                of_entity(filled, "invoice").update_item(Key=key, **update)
        filled.update_item(
            Key=PRODUCT_KEY,
            UpdateExpression="SET #n = :n",
            ExpressionAttributeNames={"#n": "name"},
            ExpressionAttributeValues={":n": "difference engine"},
        )
        assert got(filled, PRODUCT_KEY)["name"] == "difference engine"

    def test_a_delete_of_what_an_attribute_tells_holds_only_if_it_is_so(self, filled: EncryptedTable) -> None:
        """Unless there is nothing to delete, which boto3 does not mind either."""
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            of_entity(filled, "invoice").delete_item(Key=MEMO_KEY)
        of_entity(filled, "invoice").delete_item(Key={**MEMO_KEY, "SK": "1843"})
        deleted = of_entity(filled, "invoice").delete_item(
            Key=INVOICE_KEY,
            ConditionExpression=Attr("note").eq("paid") | Attr("note").eq("due"),
            ReturnValues="ALL_OLD",
        )
        assert deleted["Attributes"] == INVOICE

    def test_no_update_turns_an_item_into_another_entity(self, filled: EncryptedTable) -> None:
        """The attribute that tells it stays; a put writes all anew."""
        update = {"ExpressionAttributeNames": {"#t": "type"}}
        for expression, values in (("SET #t = :t", {":t": "memo"}), ("REMOVE #t", None)):
            more = {} if values is None else {"ExpressionAttributeValues": values}
            with pytest.raises(ProtectedAttributeError, match="tells which entity"):
                of_entity(filled, "invoice").update_item(Key=INVOICE_KEY, UpdateExpression=expression, **update, **more)

    @pytest.mark.parametrize(
        ("item", "what"),
        [
            ({"PK": "X", "SK": "Y"}, "is none of user, order, product, invoice, memo"),
            ({"PK": "X", "SK": "Y", "type": "gadget"}, "is none of"),
            ({**PRODUCT_KEY, "type": "gadget"}, "is none of"),
            ({**USER_KEY, "SK": 7}, "is none of"),
        ],
    )
    def test_an_item_of_no_entity_is_not_written(self, table: EncryptedTable, item: dict[str, Any], what: str) -> None:
        """Before anything is sent."""
        with pytest.raises(ProtectedAttributeError, match=what):
            table.put_item(Item=item)

    def test_an_item_that_fits_two_is_neither_written_nor_read(self, plain: Any, encryptor: Encryptor) -> None:
        """One is told by its key, and the other by an attribute that whoever writes to the table can set."""
        two = {"user": Entity({"name": str}, key={"PK": "USER#*"}), "memo": Entity(where={"type": "memo"})}
        table = EncryptedTable(plain, ProtectedTable("app-prod", encryptor, key=("PK", "SK"), entities=two))
        item = {**USER_KEY, "type": "memo"}
        with pytest.raises(ProtectedAttributeError, match="could be user as well as memo"):
            table.put_item(Item=item)
        plain.put_item(Item=item)
        with pytest.raises(DecryptionError, match="could be user as well as memo"):
            table.get_item(Key=USER_KEY)

    def test_old_items_that_a_put_returns_are_read_as_what_they_were(self, filled: EncryptedTable) -> None:
        """A memo takes the place of an invoice."""
        memo = {**INVOICE_KEY, "type": "memo"}
        assert filled.put_item(Item=memo, ReturnValues="ALL_OLD")["Attributes"] == INVOICE


class TestSearch:
    """Queries and filters, where the entity is known."""

    def test_a_tag_shares_an_index_with_the_keys_of_others(self, filled: EncryptedTable, plain: Any) -> None:
        """It is a text with a prefix; a user is found by its e-mail address, and an order by what it has there."""
        assert plain.get_item(Key=USER_KEY)["Item"]["GSI1PK"].startswith("EMAIL#")
        by_email = {"IndexName": "GSI1", "KeyConditionExpression": Key("email").eq(EMAIL)}
        assert filled.query(**by_email)["Items"] == [USER]
        assert of_entity(filled, "user").query(**by_email)["Items"] == [USER]
        found = filled.query(IndexName="GSI1", KeyConditionExpression=Key("GSI1PK").eq("ORDER#7"))
        assert found["Items"] == [ORDER]

    def test_pages_of_a_search_go_on_where_they_ended(self, filled: EncryptedTable) -> None:
        """The last key has the tag as text."""
        for number in "234":
            filled.put_item(Item={**USER, "PK": f"USER#{number}"})
        found: list[Any] = []
        start: dict[str, Any] = {}
        while True:
            page = filled.query(IndexName="GSI1", KeyConditionExpression=Key("email").eq(EMAIL), Limit=2, **start)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert {item["PK"] for item in found} == {"USER#1", "USER#2", "USER#3", "USER#4"}

    def test_of_an_entity_others_are_left_out(self, filled: EncryptedTable) -> None:
        """Of an item collection, and of a scan."""
        orders = of_entity(filled, "order")
        page = orders.query(KeyConditionExpression=Key("PK").eq("USER#1"))
        assert (page["Items"], page["Count"]) == ([ORDER], 1)
        assert orders.scan()["Items"] == [ORDER]

    def test_of_an_entity_the_keys_of_others_are_refused(self, filled: EncryptedTable) -> None:
        """And what an attribute tells is refused when it is read."""
        with pytest.raises(ProtectedAttributeError, match="is user, and not order"):
            of_entity(filled, "order").get_item(Key=USER_KEY)
        with pytest.raises(DecryptionError, match="is memo, and not invoice"):
            of_entity(filled, "invoice").get_item(Key=MEMO_KEY)

    def test_a_filter_by_what_an_entity_protects_needs_the_entity(self, filled: EncryptedTable) -> None:
        """Named, or told by the form of the key condition."""
        by_email = Attr("email").eq(EMAIL)
        with pytest.raises(ProtectedAttributeError, match="of_entity"):
            filled.scan(FilterExpression=by_email)
        with pytest.raises(ProtectedAttributeError, match="of_entity"):
            filled.query(KeyConditionExpression=Key("PK").eq("USER#1"), FilterExpression=by_email)
        assert of_entity(filled, "user").scan(FilterExpression=by_email)["Items"] == [USER]
        profile = Key("PK").eq("USER#1") & Key("SK").eq("PROFILE")
        assert filled.query(KeyConditionExpression=profile, FilterExpression=by_email)["Items"] == [USER]
        orders = Key("PK").eq("USER#1") & Key("SK").begins_with("ORDER#")
        assert filled.query(KeyConditionExpression=orders, FilterExpression=Attr("email").not_exists())["Items"] == [
            ORDER
        ]

    def test_a_count_of_one_entity_is_not_one_of_others(self, filled: EncryptedTable) -> None:
        """DynamoDB counts by the key condition alone."""
        with pytest.raises(ProtectedAttributeError, match="count"):
            of_entity(filled, "order").query(KeyConditionExpression=Key("PK").eq("USER#1"), Select="COUNT")
        orders = Key("PK").eq("USER#1") & Key("SK").begins_with("ORDER#")
        assert of_entity(filled, "order").query(KeyConditionExpression=orders, Select="COUNT")["Count"] == 1

    def test_tenant_and_entity_are_named_together(self, filled: EncryptedTable) -> None:
        """In either order."""
        for users in (of_entity(of_tenant(filled, "acme"), "user"), of_tenant(of_entity(filled, "user"), "acme")):
            assert users.scan()["Items"] == [USER]
        with pytest.raises(DecryptionError, match="not one of the tenant"):
            of_tenant(of_entity(filled, "user"), "umbrella").get_item(Key=USER_KEY)
